"""Five hundred clients at once on one worker, and the memory when they have left."""

import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from support.memory import resident_mib
from support.servers import HOST, serve

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent
CLIENTS = 500


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("CHAT_PING", "2")  # seconds; what is kept of a client is kept for one ping
    with serve("uvicorn", "chat_app:app", FOLDER) as running:
        yield running
        assert "Traceback" not in running.log()


async def client(server, joined, go_on):
    """Join, answer pings and return the broadcast that comes."""
    url = f"ws://{HOST}:{server.port}/socket.io/?EIO=4&transport=websocket"
    async with connect(url, open_timeout=60, ping_interval=None) as socket:
        await socket.send("40")
        announcement = None
        async for message in socket:
            if message == "2":
                await socket.send("3")
            elif message.startswith("40"):
                joined.release()
            elif message.startswith("42"):
                announcement = message
                break
        await go_on.wait()
    return announcement


async def visit(server):
    joined, go_on = asyncio.Semaphore(0), asyncio.Event()
    clients = [asyncio.create_task(client(server, joined, go_on)) for _ in range(CLIENTS)]
    async with asyncio.timeout(60):
        for _ in range(CLIENTS):
            await joined.acquire()
        answer = await asyncio.to_thread(server.get, "/announce/pie")
        assert answer.text == "said"
        go_on.set()
        assert await asyncio.gather(*clients) == ['42["announcement","pie"]'] * CLIENTS


async def memory_afterwards(server):
    """Return the MiB when a ping has passed, and Python has freed what is in cycles."""
    await asyncio.sleep(2.5)
    await asyncio.to_thread(server.get, "/collect")
    return resident_mib(server.pid)


async def test_five_hundred_clients_get_a_broadcast_each_and_leave_nothing(server):
    memory: list[float] = []
    # What Python keeps of a load for the next is no leak, and differs at first; what leaks does so
    # each time.
    while len(memory) < 4 or memory[-1] > memory[-4] * 1.1:
        assert len(memory) < 10, memory
        await visit(server)
        memory.append(await memory_afterwards(server))
    state = json.loads((await asyncio.to_thread(server.get, "/state")).text)
    assert state == {"sessions": 0, "environs": 0, "rooms": {}}
