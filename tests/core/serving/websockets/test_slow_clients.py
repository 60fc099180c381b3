"""Clients that take no messages: a send waits no longer than `websocket_send_timeout`."""

import asyncio
import math

import pytest

from micropie import App, ConnectionClosed
from support.asgi import settled
from support.asgi_websocket import WebSocketClient
from support.websockets import NEW, OLD, app_of, client_of

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
SOON = 0.05
STUCK = (1006, "the client takes no messages")

SENDS = {
    "text": lambda ws: ws.send_text("a"),
    "bytes": lambda ws: ws.send_bytes(b"a"),
    "json": lambda ws: ws.send_json([1]),
}


@BOTH
@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
async def test_a_send_that_the_client_does_not_take_ends_with_connection_closed(asgi, send):
    async def handler(ws):
        await ws.accept()
        await ready.wait()
        with pytest.raises(ConnectionClosed) as caught:
            await send(ws)
        assert (caught.value.code, caught.value.reason) == STUCK
        assert ws.closed
        for use in (send(ws), ws.receive_text()):
            with pytest.raises(ConnectionClosed):
                await use
        await ws.close()  # and this does not wait again

    ready = asyncio.Event()
    app = app_of(handler, websocket_send_timeout=SOON)
    async with WebSocketClient(app, asgi=asgi).connect("/test") as socket:
        socket.stop_reading()
        ready.set()
        ending = await socket.ended()
    assert ending.error is None
    assert ending.sent == []


@BOTH
async def test_whoever_receives_learns_that_the_client_takes_nothing(asgi):
    async def handler(ws):
        await ws.accept()
        received.append(await ws.receive_text())
        receiving = asyncio.create_task(ws.receive_text())
        with pytest.raises(ConnectionClosed):
            await ws.send_text("a")
        with pytest.raises(ConnectionClosed) as caught:
            await receiving
        assert (caught.value.code, caught.value.reason) == STUCK
        assert not asyncio.current_task().cancelling()

    received = []
    app = app_of(handler, websocket_send_timeout=SOON)
    async with WebSocketClient(app, asgi=asgi).connect("/test") as socket:
        socket.stop_reading()
        socket.send_text("go")
        ending = await socket.ended()
    assert (received, ending.error) == (["go"], None)


@BOTH
async def test_a_loop_over_messages_ends_when_another_task_could_not_send(asgi):
    async def handler(ws):
        await ws.accept()
        open_.append(ws)
        seen.append([message async for message in ws])

    open_, seen = [], []
    app = app_of(handler, websocket_send_timeout=SOON)
    async with WebSocketClient(app, asgi=asgi).connect("/test") as socket:
        socket.stop_reading()
        socket.send_text("a")
        await settled()
        with pytest.raises(ConnectionClosed):
            await open_[0].send_text("a")
        ending = await socket.ended()
    assert (seen, ending.error) == ([["a"]], None)


async def test_a_handler_that_is_cancelled_while_its_client_is_stuck_stays_cancelled():
    async def handler(ws):
        await ws.accept()
        open_.append(ws)
        await ws.receive_text()

    open_ = []
    async with client_of(handler, websocket_send_timeout=SOON).connect("/test") as socket:
        await settled()
        socket.stop_reading()
        sending = asyncio.create_task(open_[0].send_text("a"))
        await settled()
        socket.cancel()
        ending = await socket.ended()
        with pytest.raises(ConnectionClosed):
            await sending
    assert isinstance(ending.error, asyncio.CancelledError)


@BOTH
async def test_a_client_that_reads_again_in_time_gets_everything_in_order(asgi):
    async def handler(ws):
        await ws.accept()
        await ready.wait()
        for number in range(3):
            await ws.send_json(number)

    ready = asyncio.Event()
    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        socket.stop_reading()
        ready.set()
        await settled()
        socket.read_again()
        ending = await socket.ended()
    assert (ending.sent, ending.closed) == (["0", "1", "2"], (1000, ""))


@pytest.mark.parametrize("accepted", [True, False])
async def test_a_close_waits_no_longer_than_any_other_message(accepted):
    async def handler(ws):
        if accepted:
            await ws.accept()
        await ready.wait()
        await ws.close(4000, "enough")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.receive_text()
        assert (caught.value.code, caught.value.reason) == (4000, "enough")

    ready = asyncio.Event()
    async with client_of(handler, websocket_send_timeout=SOON).open("/test") as socket:
        await settled()
        socket.stop_reading()
        ready.set()
        assert (await socket.ended()).error is None


async def test_a_handshake_whose_client_is_stuck_ends():
    async def handler(ws):
        with pytest.raises(ConnectionClosed):
            await ws.accept()
        assert not ws.accepted

    async with client_of(handler, websocket_send_timeout=SOON).open("/test") as socket:
        socket.stop_reading()
        assert (await socket.ended()).error is None


async def test_without_a_limit_a_send_waits():
    async def handler(ws):
        await ws.accept()
        await ready.wait()
        await ws.send_text("at last")

    ready = asyncio.Event()
    async with client_of(handler, websocket_send_timeout=None).connect("/test") as socket:
        socket.stop_reading()
        ready.set()
        await settled()
        assert socket.running
        socket.read_again()
        assert (await socket.ended()).sent == ["at last"]


@pytest.mark.parametrize("seconds", [0, -1, math.inf, math.nan, "5", True])
def test_a_limit_that_is_not_a_time_is_refused(seconds):
    with pytest.raises((TypeError, ValueError), match="websocket_send_timeout"):
        App(websocket_send_timeout=seconds)
