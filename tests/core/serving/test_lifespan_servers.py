"""Start-up and shutdown under real servers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from micropie import App
from support.processes import files_in
from support.servers import SERVERS, need, serve, wait_until
from support.sessions import Browser

pytestmark = pytest.mark.anyio

# In a process of its own a server has ended long before this, in seconds.
EXIT_TIMEOUT = 60

FAILING_APP = """
import sys

from micropie import App


def open_cache():
    print("open cache", flush=True)


async def open_queue():
    print("open queue", flush=True)


async def open_database():
    raise ConnectionError("the database is away")


async def close_cache():
    print("close cache", flush=True)


def close_queue():
    print("close queue", flush=True)


app = App()
app.startup_handlers += [open_cache, open_queue, open_database]
app.shutdown_handlers += [close_cache, close_queue]
"""


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "granian"])
def test_a_server_ends_when_a_handler_fails_and_says_which(server, tmp_path):
    need(server)
    (tmp_path / "failing.py").write_text(FAILING_APP)
    options = {
        "uvicorn": ["--port", "0", "failing:app"],
        "hypercorn": ["--bind", "127.0.0.1:0", "failing:app"],
        "granian": ["--interface", "asgi", "--port", "0", "failing:app"],
    }
    ended = subprocess.run(
        [sys.executable, "-m", server, *options[server]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *_python_path()])},
        capture_output=True,
        text=True,
        timeout=EXIT_TIMEOUT,
        check=False,
    )
    output = ended.stdout + ended.stderr
    assert "handler open_database failed: ConnectionError: the database is away" in output
    assert [line for line in ended.stdout.splitlines() if line.startswith(("open", "close"))] == [
        *("open cache", "open queue", "close queue", "close cache")
    ]
    if server != "hypercorn":
        assert ended.returncode != 0


def _python_path():
    return filter(None, [os.environ.get("PYTHONPATH")])


COUNTING_APP = """
from pathlib import Path

from micropie import App


class Counting(App):
    async def index(self):
        self.session["visits"] = self.session.get("visits", 0) + 1
        return f"{self.session['visits']} {self._state}"

    def sync(self):
        return self.session["visits"]


app = Counting()
app._state = "without lifespan"


async def start():
    app._state = "with lifespan"


def stop():
    Path("stopped").touch()


app.startup_handlers.append(start)
app.shutdown_handlers.append(stop)
"""


@pytest.mark.parametrize("name", SERVERS)
def test_every_server_serves_sessions_whether_it_knows_lifespan_or_not(name, tmp_path):
    (tmp_path / "counting.py").write_text(COUNTING_APP)
    state = "without lifespan" if name == "daphne" else "with lifespan"
    with serve(name, "counting:app", tmp_path) as server:
        answer = server.get("/")
        assert answer.text == f"1 {state}"
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        assert server.request("GET", "/", headers={"Cookie": cookie}).text == f"2 {state}"
        assert server.request("GET", "/sync", headers={"Cookie": cookie}).text == "2"
    assert Path(tmp_path, "stopped").exists() is (name != "daphne")


async def test_an_app_that_never_started_serves():
    class Plain(App):
        async def index(self):
            self.session["visits"] = self.session.get("visits", 0) + 1
            return self.session["visits"]

    browser = Browser(Plain())
    assert [(await browser.get("/")).json for _ in range(3)] == [1, 2, 3]


STATEFUL_APP = """
from contextlib import asynccontextmanager
from pathlib import Path

from micropie import App


@asynccontextmanager
async def lifespan(app):
    yield {"pool": type(app).__name__}
    Path("ended").touch()


class Root(App):
    async def index(self):
        return self.request.scope["state"]["pool"]


class Child(Root):
    pass


app = Root(lifespan=lifespan)
app.mount("/child", Child(lifespan=lifespan))
"""


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian"])
def test_what_a_lifespan_yields_reaches_every_request(name, tmp_path):
    (tmp_path / "stateful.py").write_text(STATEFUL_APP)
    with serve(name, "stateful:app", tmp_path) as server:
        assert server.get("/").text == "Root"
        assert server.get("/child").text == "Child"
    assert Path(tmp_path, "ended").exists()


UPLOADING_APP = """
from micropie import App


class Uploading(App):
    async def upload(self, file):
        return "never"


app = Uploading(max_body_size=100_000_000)
"""


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs files without a name")
@pytest.mark.parametrize("end", ["kill", "terminate"])
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_ends_leaves_no_half_received_uploads(name, end, tmp_path):
    (tmp_path / "uploading.py").write_text(UPLOADING_APP)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    options = {
        "uvicorn": ("--timeout-graceful-shutdown", "1"),
        "hypercorn": ("--graceful-timeout", "1"),
        "granian": ("--workers-kill-timeout", "1"),
        "daphne": (),
    }
    part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    head = (
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n"
        b"Content-Type: multipart/form-data; boundary=B\r\n\r\n"
    )
    variables = {"TMPDIR": str(temporary)}
    with serve(
        name, "uploading:app", tmp_path, options=options[name], environment=variables
    ) as server:
        clients = [server.connect() for _ in range(5)]
        for client in clients:
            client.sendall(head + part + bytes(5_000_000))
        if name != "daphne":  # which keeps a body to itself until it has all of it
            wait_until(lambda: len(files_in(temporary, server.pid)) >= len(clients))
        getattr(server, end)()
        for client in clients:
            client.close()
    if name != "daphne":
        assert list(temporary.iterdir()) == []
