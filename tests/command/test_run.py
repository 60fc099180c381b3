"""`micropie run`: served for development, reloaded, and patient with what is broken."""

import os
import sys
import time
from contextlib import contextmanager
from http.client import HTTPException

import pytest

from support.processes import children
from support.servers import Answer, need, reserved_port, running, wait_until

from .conftest import APP


@contextmanager
def served(folder, *options, target="app:app", environment=None):
    need("uvicorn")
    with reserved_port() as port:
        command = [sys.executable, "-m", "micropie", "run", target, "--port", str(port), *options]
        with running("run", command, port, folder, environment=environment or {}) as server:
            yield server


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def answers(server, text):
    """Tell whether *server* answers *text* by now.

    While it is reloaded, connections wait for whoever serves next, which may be nobody.
    """
    try:
        with server.http(timeout=1) as connection:
            connection.request("GET", "/")
            return Answer(connection.getresponse()).text == text
    except (OSError, HTTPException):
        return False


def save(path, text, condition):
    """Save a file until that shows: Uvicorn sees no change before it has looked for the first time.

    Each change takes effect before the next one is made.
    """
    path.write_text(text)
    saved = time.monotonic()

    def shows():
        nonlocal saved
        if time.monotonic() - saved > 5:
            os.utime(path)
            saved = time.monotonic()
        return condition()

    wait_until(shows)


def test_an_app_is_served_with_debug_on(folder):
    with served(folder) as server:
        assert server.get("/").text == "debug=True"


def test_an_app_that_wants_no_debug_has_none(folder):
    (folder / "app.py").write_text(APP.replace("Site()", "Site(debug=False)"))
    with served(folder, "--no-reload") as server:
        assert server.get("/").text == "debug=False"


def test_any_asgi_app_is_served(folder):
    (folder / "bare.py").write_text(
        "async def app(scope, receive, send):\n"
        "    assert scope['type'] == 'http'\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'bare'})\n"
    )
    with served(folder, "--no-reload", target="bare:app") as server:
        assert server.get("/").text == "bare"


def test_a_file_that_is_saved_is_served_at_once(folder):
    with served(folder) as server:
        wait_until(lambda: answers(server, "debug=True"))
        saved = APP.replace("debug=", "was saved: ")
        save(folder / "app.py", saved, lambda: answers(server, "was saved: True"))


def test_a_broken_save_waits_for_the_next(folder):
    with served(folder) as server:
        wait_until(lambda: answers(server, "debug=True"))
        (folder / "app.py").write_text(APP + "\n1 +\n")
        wait_until(lambda: "SyntaxError" in server.log())

        def mend():
            # Again and again: uvicorn takes what was saved while it restarted for the older state.
            (folder / "app.py").write_text(APP.replace("debug=", "was mended: "))
            return answers(server, "was mended: True")

        wait_until(mend)


def test_workers_switch_reload_off_and_say_so(folder):
    with served(folder, "--workers", "2") as server:
        wait_until(lambda: answers(server, "debug=True"))
        assert "--workers switches reload off" in server.log()
        assert "Will watch" not in server.log()


def test_without_reload_there_is_one_process(folder):
    with served(folder, "--no-reload") as server:
        assert server.get("/").text == "debug=True"
        assert children(server._process.pid) == []
        assert "reload" not in server.log()
