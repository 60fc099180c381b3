"""The server stops in time while clients are connected, and leaves nothing behind."""

import asyncio
import socket
import sys
from pathlib import Path

import pytest

from support.servers import HOST, serve
from support.socketio_clients import browsing

pytestmark = [
    pytest.mark.anyio,
    # A client whose server goes away leaves connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FOLDER = Path(__file__).parent
# From Python 3.12 on Hypercorn 0.18 waits for open connections for ever, whatever app it runs.
needs_old_asyncio = pytest.mark.skipif(sys.version_info >= (3, 12), reason="Hypercorn hangs")

SERVERS = {
    "uvicorn": ("uvicorn", ()),
    "uvicorn-no-lifespan": ("uvicorn", ("--lifespan", "off")),
    "uvicorn-workers": ("uvicorn", ("--workers", "2")),
    "hypercorn": ("hypercorn", ("--graceful-timeout", "2")),
    "granian": ("granian", ()),
}


def names(*left_out):
    """Return the parameters for all servers but those left out."""
    marks = {"hypercorn": needs_old_asyncio}
    return [
        pytest.param(name, marks=marks.get(name, ())) for name in SERVERS if name not in left_out
    ]


@pytest.fixture(autouse=True)
def long_polls(monkeypatch):
    """Let a server that waits for its clients, or for long polls, wait for ever."""
    monkeypatch.setenv("CHAT_PING", "600")  # seconds


async def stop(running, connect):
    """Stop the server when *connect* has made clients; it must end while they are patient."""
    async with browsing(running) as browser:
        await connect(browser)
        await asyncio.to_thread(running.terminate)
    log = running.log()
    # Hypercorn cuts connections, and logs that asyncio finds its tasks cancelled.
    if running.name != "hypercorn":
        assert "Traceback" not in log
        assert "ERROR" not in log
    for trouble in ("engineio", "micropie", "destroyed", "never retrieved"):
        assert trouble not in log
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, running.port)).close()


@pytest.mark.parametrize("name", names())
async def test_a_server_with_websockets_ends_in_time(name):
    async def connect(browser):
        for _ in range(3):
            client = await browser.connect(transports=["websocket"])
            await client.emit("sleep", 0.1)

    server, options = SERVERS[name]
    with serve(server, "chat_app:app", FOLDER, options=options) as running:
        await stop(running, connect)


@pytest.mark.parametrize("name", names("uvicorn-workers"))
async def test_a_server_with_long_polls_ends_in_time(name):
    async def connect(browser):
        for _ in range(20):
            client = await browser.connect(transports=["polling"])
            assert await client.call("add", (1, 2)) == 3

    server, options = SERVERS[name]
    with serve(server, "chat_app:app", FOLDER, options=options) as running:
        await stop(running, connect)


async def test_a_handler_that_takes_no_notice_does_not_keep_the_server():
    async def connect(browser):
        client = await browser.connect()
        await client.emit("cling")
        assert await client.call("add", (1, 2)) == 3

    with serve("uvicorn", "chat_app:app", FOLDER) as running:
        await stop(running, connect)


async def test_an_idle_server_ends_in_time():
    async def connect(browser):
        client = await browser.connect()
        await client.disconnect()

    with serve("uvicorn", "chat_app:app", FOLDER) as running:
        await stop(running, connect)
