"""How big a message may be: `max_message_size` bytes, counted before anything is made of it."""

import asyncio
import gc
import json
import weakref

import pytest

from micropie import App, ConnectionClosed, InvalidMessage
from support.asgi import settled
from support.asgi_websocket import WebSocketClient
from support.websockets import NEW, OLD, app_of, client_of

pytestmark = pytest.mark.anyio

RECEIVE = ["receive_text", "receive_bytes", "receive_json"]
LIMIT = 12

FITS = ["", "x" * 12, "é" * 6, "🥧" * 3, "\ud800" * 4, b"", b"x" * 12]
TOO_BIG = ["x" * 13, "é" * 7, "🥧" * 4, "x" * 10 + "€", "\ud800" * 5, b"x" * 13, b"\xff" * 10**6]


def of(message):
    key = "bytes" if isinstance(message, bytes) else "text"
    return {"type": "websocket.receive", key: message}


@pytest.mark.parametrize("message", FITS, ids=range(len(FITS)))
async def test_a_message_up_to_the_limit_is_received(message):
    async def handler(ws):
        await ws.accept()
        received.append(await anext(aiter(ws)))

    received = []
    async with client_of(handler, max_message_size=LIMIT).connect("/test") as socket:
        socket.put(of(message))
        assert (await socket.ended()).closed == (1000, "")
    assert received == [message]


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
@pytest.mark.parametrize("use", RECEIVE)
@pytest.mark.parametrize("message", TOO_BIG, ids=range(len(TOO_BIG)))
async def test_a_message_over_the_limit_closes_with_1009(use, message, asgi):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ConnectionClosed) as caught:
            await getattr(ws, use)()
        assert caught.value.code == 1009
        assert ws.closed

    app = app_of(handler, max_message_size=LIMIT)
    async with WebSocketClient(app, asgi=asgi).connect("/test") as socket:
        socket.put(of(message))
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed == (1009, "the message is too big")


async def test_a_loop_over_messages_ends_at_one_that_is_too_big():
    async def handler(ws):
        await ws.accept()
        seen.extend([message async for message in ws])

    seen = []
    async with client_of(handler, max_message_size=LIMIT).connect("/test") as socket:
        for text in ("a", "x" * 13, "b"):
            socket.send_text(text)
        assert (await socket.ended()).closed == (1009, "the message is too big")
    assert seen == ["a"]


@pytest.mark.parametrize("size", [1024**2, 1024**2 + 1])
async def test_the_limit_is_a_mebibyte_unless_told_otherwise(size):
    async def handler(ws):
        await ws.accept()
        await ws.receive_bytes()

    async with client_of(handler).connect("/test") as socket:
        socket.send_bytes(bytes(size))
        assert (await socket.ended()).closed[0] == (1000 if size == 1024**2 else 1009)


async def test_without_a_limit_any_message_is_received():
    async def handler(ws):
        await ws.accept()
        await ws.send_json(len(await ws.receive_bytes()))

    async with client_of(handler, max_message_size=None).connect("/test") as socket:
        socket.send_bytes(bytes(5 * 1024**2))
        assert json.loads(await socket.receive()) == 5 * 1024**2


DENSE = b"[" + b"1," * 70_000 + b"1]"
TOO_MANY = "the JSON has more than 65536 values"


@pytest.mark.parametrize("message", [DENSE, DENSE.decode()], ids=["binary", "text"])
async def test_json_with_too_many_values_closes_with_1009(message):
    async def handler(ws):
        await ws.accept()
        await ws.receive_json()

    async with client_of(handler).connect("/test") as socket:
        socket.put(of(message))
        ending = await socket.ended()
    assert ending.closed == (1009, TOO_MANY)


async def test_a_handler_may_go_on_after_json_with_too_many_values():
    async def handler(ws):
        await ws.accept()
        with pytest.raises(InvalidMessage, match=TOO_MANY) as caught:
            await ws.receive_json()
        assert caught.value.code == 1009
        await ws.send_json(await ws.receive_json())

    async with client_of(handler).connect("/test") as socket:
        socket.send_bytes(DENSE)
        socket.send_text("[1]")
        assert await socket.receive() == "[1]"


@pytest.mark.parametrize("size", [70_002 * 16, None])
async def test_how_many_values_a_message_may_have_follows_its_limit(size):
    async def handler(ws):
        await ws.accept()
        await ws.send_json(len(await ws.receive_json()))

    async with client_of(handler, max_message_size=size).connect("/test") as socket:
        socket.send_bytes(DENSE)
        assert await socket.receive() == "70001"


@pytest.mark.parametrize("size", [-1, 1.5, "1", True])
def test_a_limit_that_is_not_a_number_of_bytes_is_refused(size):
    with pytest.raises((TypeError, ValueError), match="max_message_size"):
        App(max_message_size=size)


class Payload(str):
    """Text that can be watched."""


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
@pytest.mark.parametrize("size", [5, LIMIT + 1], ids=["read", "too big"])
async def test_a_socket_that_waits_keeps_no_message_alive(asgi, size):
    async def handler(ws):
        await ws.accept()
        try:
            while True:
                await ws.receive_text()
                await ws.send_text("had it")
        except ConnectionClosed as closed:
            errors.append(closed)
            await forever.wait()

    forever, errors = asyncio.Event(), []
    app = app_of(handler, max_message_size=LIMIT)
    async with WebSocketClient(app, asgi=asgi).connect("/test") as socket:
        payload = Payload("x" * size)
        watch = weakref.ref(payload)
        socket.put({"type": "websocket.receive", "text": payload})
        del payload
        await socket.next()
        await settled()
        gc.collect()
        assert watch() is None
        socket.cancel()
