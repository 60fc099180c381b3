"""Each way in which the `module:name` of an app can be wrong has a message that helps."""

import subprocess
import sys

import pytest

MODULE = """
from micropie import App


class Site(App):
    async def index(self):
        return "Hello"


site = Site()


async def bare(scope, receive, send):
    pass


def make():
    return Site()


number = 3


class Settings:
    app = site
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(MODULE)
    (tmp_path / "classes.py").write_text(MODULE.partition("site =")[0])
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "syntax.py").write_text("def\n")
    (tmp_path / "fails.py").write_text("def load():\n    return 1 / 0\n\n\nload()\n")
    (tmp_path / "needs.py").write_text("import no_such_library\n")
    (tmp_path / "ends.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "package").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("target", "messages"),
    [
        ("app", ["'app' is not module:name; write it like app:app"]),
        ("app:", ["'app:' is not module:name; write it like app:app"]),
        (":app", ["':app' is not module:name; write it like app:app"]),
        ("app.py", ["write it like app:app"]),
        ("app.py:site", ["write it like app:site"]),
        ("app:site()", ["'app:site()' is not module:name"]),
        ("../shop/app.py:site", ["is a path", "go to the folder '../shop', and write app:site"]),
        ("apps:site", ["no module 'apps' in ", "here are app, classes, empty"]),
        ("package.app:site", ["no module 'package.app' in "]),
        ("json.app:site", ["no module 'json.app' in "]),
        ("needs:app", ["'needs' can't be imported", "needs.py", "No module named 'no_such_"]),
        ("syntax:app", ["'syntax' can't be imported", "syntax.py", "SyntaxError"]),
        ("fails:app", ["'fails' can't be imported", "return 1 / 0", "ZeroDivisionError"]),
        ("ends:app", ["ends the process when it is imported (SystemExit(3))", "__main__"]),
        ("app:application", ["has no 'application'; the apps there are app:site"]),
        ("classes:app", ["has no 'app'; make one of the class that is there: app = Site()"]),
        ("empty:app", ["empty.py) has no 'app', and no other App"]),
        ("package:app", ["'package'", "has no 'app'"]),
        ("app:site.app", ["has no 'site.app'"]),
        ("app:Site", ["is a class", "write site = Site() in the module, and then app:site"]),
        ("app:make", ["takes other arguments", "write app = make() in the module"]),
        ("app:number", ["app:number is of type int, and not an ASGI app"]),
        ("app:bare", ["only an App has routes, and app:bare is of type function"]),
    ],
)
def test_what_is_wrong_with_a_target_is_said(folder, micropie, target, messages):
    done = micropie("routes", target)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("micropie: ")
    for message in messages:
        assert message in done.stderr
    # Of tracebacks only the lines that are the developer's.
    assert "importlib" not in done.stderr
    assert "_command" not in done.stderr


@pytest.mark.parametrize("target", ["app:site", "app:Settings.app"])
def test_an_app_is_found_where_the_target_says(folder, micropie, target):
    done = micropie("routes", target)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_target_is_checked_before_a_server_starts(folder, micropie):
    done = micropie("run", "app:application", "--port", "0")
    assert done.returncode == 1
    assert "has no 'application'" in done.stderr
    assert "Uvicorn" not in done.stderr


def test_a_missing_server_is_named_with_its_installation(folder):
    code = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from micropie._command.main import main; main(['run', 'app:site'])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.stderr == "micropie: run needs Uvicorn: pip install 'micropie[server]'\n"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["serve"], "invalid choice: 'serve'"),
        (["run"], "required: app"),
        (["run", "app:app", "--port", "65536"], "65536 is not a port"),
        (["run", "app:app", "--port", "http"], "http"),
        (["run", "app:app", "--workers", "0"], "at least one"),
    ],
)
def test_a_command_line_that_makes_no_sense_says_how_it_is_used(micropie, arguments, message):
    done = micropie(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: ")
    assert message in done.stderr
