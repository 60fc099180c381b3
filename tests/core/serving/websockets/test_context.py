"""Many WebSockets at once, each with its own current request."""

import asyncio
import gc

import pytest

from micropie import App, WebSocket, WebSocketRequest
from support.asgi import PATIENCE
from support.asgi_websocket import WebSocketClient
from support.websockets import accept, app_of

pytestmark = pytest.mark.anyio

# The current request.


async def test_each_of_many_connections_has_its_own_request():
    class Site(App):
        async def ws_test(self, ws, number):
            await ws.accept()
            await ws.receive_text()
            await ws.send_text(self.request.path_params[0])
            assert self.request is ws.request

    client = WebSocketClient(Site())

    async def one(number):
        async with client.connect(f"/test/{number}") as socket:
            await asyncio.sleep(0)
            socket.send_text("go")
            return await socket.receive()

    assert await asyncio.gather(*map(one, range(100))) == [str(n) for n in range(100)]


async def test_a_task_that_a_handler_starts_has_its_request():
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()

            async def current():
                return self.request

            assert await asyncio.create_task(current()) is ws.request

    assert (await WebSocketClient(Site()).run("/test")).closed == (1000, "")


async def test_there_is_no_request_after_a_websocket():
    app = app_of(accept)
    client = WebSocketClient(app)
    incoming = [{"type": "websocket.connect"}]

    async def receive():
        return incoming.pop()

    async def send(message):
        pass

    await app(client.scope("/test"), receive, send)  # in this very task
    with pytest.raises(RuntimeError, match="no current request"):
        _ = app.request


async def test_a_connection_leaves_nothing_behind():
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()
            await ws.send_text("a")
            ws.request.query("q")

    client = WebSocketClient(Site())
    await client.run("/test")
    gc.collect()
    before = sum(issubclass(type(thing), WebSocket | WebSocketRequest) for thing in gc.get_objects())
    for _ in range(20):
        await client.run("/test")
    gc.collect()
    after = sum(issubclass(type(thing), WebSocket | WebSocketRequest) for thing in gc.get_objects())
    assert after == before


# Many at once.


async def test_a_broadcast_reaches_a_hundred_clients():
    class Room(App):
        def __init__(self):
            super().__init__()
            self.members = set()

        async def ws_room(self, ws):
            await ws.accept()
            self.members.add(ws)
            await ws.send_text("in")
            try:
                async for message in ws:
                    for member in tuple(self.members):
                        await member.send_text(message)
            finally:
                self.members.discard(ws)

    app = Room()
    client = WebSocketClient(app)

    async def member(index, ready, heard):
        async with client.connect("/room") as socket:
            assert await socket.receive() == "in"
            await ready.wait()
            if index == 0:
                socket.send_text("hello all")
            assert await socket.receive() == "hello all"
            await heard.wait()

    async with asyncio.timeout(PATIENCE):
        ready, heard = asyncio.Barrier(100), asyncio.Barrier(100)
        await asyncio.gather(*(member(index, ready, heard) for index in range(100)))
    assert app.members == set()
