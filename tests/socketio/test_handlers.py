"""Event handlers that fail, don't fit or take their time, and what is typed about them."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from support.servers import CLIENT_TIMEOUT, HOST, serve, wait_until

pytestmark = pytest.mark.anyio

APP = """
import asyncio

import socketio
from micropie import App
from micropie_socketio import SocketIO

class Site(App):
    async def rooms(self):
        return {name: len(rooms) for name, rooms in sio.manager.rooms.items()}

    async def release(self):
        released.set()

    async def log(self):
        return log

app = Site()
sio = SocketIO(app, namespaces="*", cors_allowed_origins=ORIGINS)
log = []
released = asyncio.Event()

@sio.event
def connect(sid, environ):
    log.append("connect")

@sio.event
def disconnect(sid):
    raise RuntimeError("the disconnect handler is broken")

@sio.event
async def broken(sid):
    raise TypeError("not about its arguments")

@sio.event
async def unsendable(sid):
    return object()

@sio.event
def two(sid, a, b):
    return a, b

@sio.on("*")
async def others(event, sid, *values):
    return [event, *values]

@sio.on("connect", namespace="/broken")
async def broken_connect(sid, environ, auth):
    log.append("broken connect")
    raise TypeError("not about its arguments either")

@sio.on("connect", namespace="/greedy")
async def greedy(sid, environ, auth, more):
    pass

@sio.on("connect", namespace="/slow")
async def slow(sid, environ):
    log.append("slow connect")
    await released.wait()

@sio.on("disconnect", namespace="/slow")
async def leave(sid, reason):
    log.append("slow disconnect")

class Classy(socketio.AsyncNamespace):
    def on_connect(self, sid, environ):
        log.append("classy connect")

    async def on_two(self, sid, a, b):
        return a, b

    async def on_broken(self, sid):
        raise RuntimeError("broken in a class")

    async def on_disconnect(self, sid):
        log.append("classy disconnect")

sio.register_namespace(Classy("/classy"))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handlers")
    (folder / "handlers_app.py").write_text(APP.replace("ORIGINS", "None"))
    with serve("uvicorn", "handlers_app:app", folder) as running:
        yield running


@asynccontextmanager
async def joined(server, namespace=""):
    url = f"ws://{HOST}:{server.port}/socket.io/?EIO=4&transport=websocket"
    async with connect(url, open_timeout=CLIENT_TIMEOUT) as socket:
        await socket.recv()
        await socket.send(f"40{namespace}")
        assert (await socket.recv()).startswith(f"40{namespace}")
        yield socket


@pytest.mark.parametrize("event", ["broken", "unsendable", "two"])
async def test_what_was_not_handled_is_not_acknowledged(server, event):
    async with joined(server) as socket:
        await socket.send(f'421["{event}"]')
        await socket.send('422["two",1,2]')
        assert await socket.recv() == "432[1,2]"


async def test_an_event_without_a_handler_goes_to_the_one_for_all(server):
    async with joined(server) as socket:
        await socket.send('421["pie",1,2]')
        assert await socket.recv() == '431[["pie",1,2]]'


async def test_handlers_in_a_class_are_guarded_alike(server):
    async with joined(server, "/classy,") as socket:
        for packet in ('421["broken"]', '422["two"]', '423["two",1,2]'):
            await socket.send(f"42/classy,{packet[2:]}")
        assert await socket.recv() == "43/classy,3[1,2]"
    await asyncio.to_thread(wait_until, lambda: "classy disconnect" in server.get("/log").text)


@pytest.mark.parametrize("namespace", ["/broken", "/greedy"])
async def test_a_connect_handler_that_fails_refuses(server, namespace):
    url = f"ws://{HOST}:{server.port}/socket.io/?EIO=4&transport=websocket"
    async with connect(url, open_timeout=CLIENT_TIMEOUT) as socket:
        await socket.recv()
        await socket.send(f"40{namespace}")
        refusal = await socket.recv()
        assert refusal == f'44{namespace},{{"message":"Connection rejected by server"}}'
        await socket.send("40")  # the others work
        assert (await socket.recv()).startswith("40{")
    assert server.get("/log").text.count("broken connect") <= 1  # not tried with fewer arguments


async def test_who_leaves_while_its_connect_handler_runs_has_left(server):
    url = f"ws://{HOST}:{server.port}/socket.io/?EIO=4&transport=websocket"
    async with connect(url, open_timeout=CLIENT_TIMEOUT) as socket:
        await socket.recv()
        await socket.send("40/slow")
        await asyncio.to_thread(wait_until, lambda: "slow connect" in server.get("/log").text)
    server.get("/release")
    await asyncio.to_thread(wait_until, lambda: "slow disconnect" in server.get("/log").text)
    await asyncio.to_thread(wait_until, lambda: "/slow" not in server.get("/rooms").text)


async def test_an_empty_list_of_origins_allows_no_page(tmp_path):
    (tmp_path / "handlers_app.py").write_text(APP.replace("ORIGINS", "[]"))
    with serve("uvicorn", "handlers_app:app", tmp_path) as running:
        path = "/socket.io/?EIO=4&transport=polling"
        for origin in (running.url, "https://evil.example"):
            for method in ("GET", "POST", "OPTIONS"):
                answer = running.request(method, path, headers={"Origin": origin})
                assert answer.status == 400
                assert origin not in answer.text
        assert running.get(path).status == 200


async def test_origins_given_to_socketio_count_for_its_websockets_in_place_of_the_app_s(tmp_path):
    (tmp_path / "handlers_app.py").write_text(APP.replace("ORIGINS", '["https://other.example"]'))
    with serve("uvicorn", "handlers_app:app", tmp_path) as running:
        url = f"ws://{HOST}:{running.port}/socket.io/?EIO=4&transport=websocket"
        async with connect(url, origin="https://other.example") as socket:
            assert (await socket.recv()).startswith("0{")
        for origin in (running.url, "https://evil.example"):
            with pytest.raises(InvalidStatus):
                await connect(url, origin=origin)


TYPED = """
from typing import Any

import socketio
from micropie import App
from micropie_socketio import SocketIO

app = App()
sio = SocketIO(app, disconnect_on_logout=True)


@sio.event
async def connect(sid: str, environ: dict[str, Any]) -> bool:
    async with sio.http_session(sid) as session:
        return "user" in session


@sio.event(namespace="/rooms")
async def enter(sid: str, room: str) -> None:
    await sio.enter_room(sid, room)


@sio.on("say")
def say(sid: str, text: str) -> str:
    return text


@sio.on("*", namespace="/rooms")
async def others(event: str, sid: str, *values: Any) -> None:
    await sio.emit(event, values, room=sid)


async def many(sid: str, first: int) -> int:
    return first

sio.on("many", many)
sio.register_namespace(socketio.AsyncNamespace("/class"))
reveal_type(say)
reveal_type(enter)
"""


def test_a_typed_program_stays_typed(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(TYPED)
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    # The library itself has no annotations.
    assert [line for line in errors if "import-untyped" not in line] == []
    told = done.stdout.replace("builtins.", "")  # which older versions of mypy write
    assert "def (sid: str, text: str) -> str" in told
    assert "def (sid: str, room: str) -> Coroutine[Any, Any, None]" in told.replace(
        "typing.Coroutine", "Coroutine"
    )
