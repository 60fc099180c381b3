"""The distributions: built, installed into empty environments, imported and served there."""

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.servers import HOST, reserved_port

ROOT = Path(__file__).parents[2]
PACKAGES = sorted((ROOT / "packages").iterdir())
NAMES = [path.name for path in PACKAGES]

# What is installed -> what comes with it, beside what that needs in its turn, and what does not.
EXTRAS = {
    "micropie": ([], ["jinja2", "multipart", "orjson", "uvicorn"]),
    "micropie[standard]": (["jinja2", "multipart", "aiofiles"], ["orjson", "uvicorn"]),
    "micropie[testing]": (["httpx2"], ["jinja2", "multipart", "orjson", "uvicorn"]),
    "micropie[json]": (["orjson"], ["jinja2", "multipart", "uvicorn"]),
    "micropie[all]": (["jinja2", "multipart", "aiofiles", "orjson", "uvicorn", "httpx2"], []),
}
# With the core, and nothing of it but its dependencies.
EXTENSIONS = {
    "micropie-redis": "from micropie_redis import RedisSessionBackend",
    "micropie-socketio": "import micropie_socketio",
    "micropie-sql-sessions": "import micropie_sql_sessions",
    "micropie-static": "import micropie_static",
    "micropie-openapi": "import micropie_openapi",
}


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the wheel and the sdist of each package."""
    folder = tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        run(sys.executable, "-m", "hatchling", "build", "-d", folder, cwd=package)
    return folder


@pytest.fixture
def install(built, tmp_path):
    """Install requirements into a new environment, ours from what was built; return its Python."""

    def install(*requirements, only=""):
        uv = [sys.executable, "-m", "uv"]
        run(*uv, "venv", "-q", "--python", sys.executable, tmp_path / "env")
        python = tmp_path / "env" / "bin" / "python"
        links = ["--find-links", built]
        for name in NAMES:
            links += ["--refresh-package", name, *([only, name] if only else [])]
        run(*uv, "pip", "install", "-q", "--python", python, *links, *requirements)
        return python

    return install


def installed(python):
    lines = run(sys.executable, "-m", "uv", "pip", "freeze", "--python", python).splitlines()
    return {re.split(r"==| @ ", line)[0] for line in lines}


# What is built.


def test_all_packages_have_the_version_that_the_changelog_begins_with(built):
    versions = {wheel.name.split("-")[1] for wheel in built.glob("*.whl")}
    first = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions == {first[1]}


def test_the_metadata_is_complete(built):
    run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    for wheel in built.glob("*.whl"):
        names = zipfile.ZipFile(wheel).namelist()
        assert any(name.endswith("/py.typed") for name in names)
        assert any(name.endswith("/licenses/LICENSE") for name in names)
        (path,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = zipfile.ZipFile(wheel).read(path).decode()
        for wanted in (
            *("Requires-Python: >=3.11", "License-Expression: BSD-3-Clause"),
            *("Classifier: Typing :: Typed", "Project-URL: Changelog", "Project-URL: Source"),
        ):
            assert wanted in metadata, f"{wheel.name}: {wanted}"
    for sdist in built.glob("*.tar.gz"):
        with tarfile.open(sdist) as archive:
            names = [name for name in archive.getnames() if "/template/" not in name]
            assert not [name for name in names if "/tests/" in name]


# What is installed.


@pytest.mark.parametrize("requirement", EXTRAS)
def test_an_extra_brings_what_it_says_and_no_more(requirement, install):
    python = install(requirement)
    wanted, unwanted = EXTRAS[requirement]
    names = installed(python)
    assert names >= {"micropie", *wanted}
    assert not names & set(unwanted)
    if requirement == "micropie":
        assert names == {"micropie"}
    run(python, "-c", "import micropie; from MicroPie import App; App()")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_extension_brings_the_core_and_works_with_it(extension, install):
    python = install(extension)
    assert {"micropie", extension} <= installed(python)
    run(python, "-c", EXTENSIONS[extension])


def test_the_sdists_build_and_serve_by_themselves(install, tmp_path):
    python = install("micropie[server]", "micropie-redis", only="--no-binary")
    (tmp_path / "app.py").write_text(
        "from MicroPie import App\n"
        "class Hello(App):\n"
        "    async def index(self):\n"
        "        return 'Hello'\n"
        "app = Hello()\n"
    )
    client = (
        "import sys, time, urllib.request\n"
        "for _ in range(600):\n"
        "    try:\n"
        "        print(urllib.request.urlopen(sys.argv[1]).read())\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.1)\n"
    )
    with reserved_port() as port:
        command = [python, "-m", "uvicorn", "--port", str(port), "app:app"]
        server = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        try:
            assert run(python, "-c", client, f"http://{HOST}:{port}/") == "b'Hello'\n"
        finally:
            server.terminate()
            server.wait(30)


# Types, as two checkers see them in what is installed.

TYPED = Path(__file__).with_name("typed_user.py")
MISTAKEN = Path(__file__).with_name("typed_mistakes.py")
CHECKERS = {
    "mypy": ("--strict", "--python-executable"),
    "pyright": ("--pythonpath",),
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_type_checkers_find_the_mistakes_in_a_users_code_and_nothing_else(
    checker, install, tmp_path
):
    python = install("micropie[all]", "msgspec", "pydantic", *sorted(EXTENSIONS))
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    for path in (TYPED, MISTAKEN):
        (tmp_path / path.name).write_text(path.read_text())
    command = [sys.executable, "-m", checker, *CHECKERS[checker], python, TYPED.name, MISTAKEN.name]
    environment = {**os.environ, "PATH": f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    found = re.findall(r"(typed_\w+\.py):(\d+)(?::\d+ -|:) error:", done.stdout)
    lines = MISTAKEN.read_text().splitlines()
    mistakes = {
        (MISTAKEN.name, str(number)) for number, line in enumerate(lines, 1) if "# mistake" in line
    }
    assert {*found} == mistakes, done.stdout + done.stderr


def test_a_new_app_works_as_its_readme_says(install, built, tmp_path):
    python = install("micropie[testing]")
    programs = Path(python).parent
    run(programs / "micropie", "new", "shop", cwd=tmp_path)
    requirements = tmp_path / "shop" / "requirements.txt"
    uv = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python]
    run(*uv, "--find-links", built, "-r", requirements)
    assert "5 passed" in run(programs / "pytest", cwd=tmp_path / "shop")
    assert "/greet" in run(programs / "micropie", "routes", "app:app", cwd=tmp_path / "shop")
