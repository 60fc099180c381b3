"""Clients that leave."""

import asyncio

import pytest

from micropie import ConnectionClosed
from support.asgi import ABSENT, PATIENCE, settled
from support.asgi_websocket import WebSocketClient
from support.websockets import OLD, app_of, client_of, talk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("use", ["receive_text", "receive_bytes", "receive_json"])
@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({"code": 1001}, 1001, ""),
        ({"code": 4000, "reason": "bye"}, 4000, "bye"),
        ({"code": 1006, "reason": None}, 1006, ""),
        ({"code": None}, 1005, ""),
        ({}, 1005, ""),
    ],
)
async def test_receiving_from_a_client_that_left_raises_connection_closed(
    use, message, code, reason
):
    async def handler(ws):
        await ws.accept()
        for _ in range(2):  # and goes on to do so
            with pytest.raises(ConnectionClosed) as caught:
                await getattr(ws, use)()
            assert (caught.value.code, caught.value.reason) == (code, reason)
        assert ws.closed

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.disconnect", **message})
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed is None


async def test_sending_after_the_client_was_seen_to_leave_raises_connection_closed():
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        for send, value in ((ws.send_text, ""), (ws.send_bytes, b""), (ws.send_json, 1)):
            with pytest.raises(ConnectionClosed) as caught:
                await send(value)
            assert caught.value.code == 1001

    assert (await talk(handler)).error is None


@pytest.mark.parametrize("error", [OSError(), ConnectionResetError(), BrokenPipeError()], ids=repr)
async def test_a_send_that_finds_the_client_gone_raises_connection_closed(error):
    gone = asyncio.Event()

    async def handler(ws):
        await ws.accept()
        await gone.wait()
        with pytest.raises(ConnectionClosed) as caught:
            await ws.send_text("a")
        assert (caught.value.code, caught.value.reason) == (1006, "")
        assert ws.closed
        with pytest.raises(ConnectionClosed):
            await ws.receive_text()

    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(error)
        gone.set()
        assert (await socket.ended()).error is None


CODES = [(1000, ""), (1001, ""), (3001, "I leave the table"), (4999, "é")]


def leave_unheard(socket, code, reason):
    """Close as a client of uvicorn: send() raises from now on, and receive() has the code."""
    socket.break_sending(OSError("gone"))
    socket.put({"type": "websocket.disconnect", "code": code, "reason": reason})


@pytest.mark.parametrize("waiting", [0, 1, 5], ids=lambda count: f"{count} unread")
@pytest.mark.parametrize("send", ["send_text", "send_json"])
@pytest.mark.parametrize(("code", "reason"), CODES)
async def test_a_send_that_fails_tells_the_code_of_the_client(code, reason, send, waiting):
    async def handler(ws):
        await ws.accept()
        await gone.wait()
        for use in (getattr(ws, send)("a"), ws.send_bytes(b""), ws.receive_text()):
            with pytest.raises(ConnectionClosed) as caught:
                await use
            assert (caught.value.code, caught.value.reason) == (code, reason)

    gone = asyncio.Event()
    async with client_of(handler, max_message_size=5).connect("/test") as socket:
        for _ in range(waiting):  # too big as well, which is not what ends the connection
            socket.send_text("never read")
        leave_unheard(socket, code, reason)
        gone.set()
        assert (await socket.ended()).error is None


async def test_a_send_that_waits_tells_the_code_of_the_client_that_leaves_meanwhile():
    async def handler(ws):
        await ws.accept()
        await ready.wait()
        with pytest.raises(ConnectionClosed, match="3001"):
            await ws.send_text("a")

    ready = asyncio.Event()
    async with client_of(handler).connect("/test") as socket:
        socket.stop_reading()
        ready.set()
        await settled()
        leave_unheard(socket, 3001, "")
        socket.read_again()
        assert (await socket.ended()).error is None


@pytest.mark.parametrize("takes", [0, 1, 3], ids=lambda count: f"{count} messages first")
async def test_sender_and_receiver_are_told_the_same_code(takes):
    async def handler(ws):
        async def read():
            for _ in range(takes):
                await ws.receive_text()
            with pytest.raises(ConnectionClosed) as caught:
                await ws.receive_text()
            codes.append(caught.value.code)

        await ws.accept()
        reading = asyncio.create_task(read())
        await settled()
        for _ in range(takes):
            socket.send_text("a")
        leave_unheard(socket, 3001, "")
        for _ in range(2):
            with pytest.raises(ConnectionClosed) as caught:
                await ws.send_text("b")
            codes.append(caught.value.code)
        reading.cancel()
        await asyncio.wait({reading})

    codes = []
    async with client_of(handler).connect("/test") as socket:
        assert (await socket.ended()).error is None
    assert set(codes) == {3001}


async def test_the_server_is_asked_by_one_task_at_a_time():
    # Some raise if two of them receive.
    async def handler(ws):
        await ws.accept()
        reading = asyncio.create_task(ws.receive_text())
        await settled()
        socket.break_sending(OSError("gone"))
        sending = [asyncio.create_task(ws.send_text("a")) for _ in range(3)]
        await settled()
        socket.leave(3001)
        for task in (reading, *sending):
            with pytest.raises(ConnectionClosed, match="3001"):
                await task

    busy = False

    async def guarded(scope, receive, send):
        async def receive_alone():
            nonlocal busy
            assert not busy
            busy = True
            try:
                return await receive()
            finally:
                busy = False

        await app_of(handler)(scope, receive_alone, send)

    async with WebSocketClient(guarded).connect("/test") as socket:
        assert (await socket.ended()).error is None


async def test_an_accept_that_finds_the_client_gone_tells_its_code():
    async def handler(ws):
        await ready.wait()
        with pytest.raises(ConnectionClosed, match="1001"):
            await ws.accept()
        assert not ws.accepted

    ready = asyncio.Event()
    async with client_of(handler).open("/test") as socket:
        leave_unheard(socket, 1001, "")
        ready.set()
        ending = await socket.ended()
    assert (ending.error, ending.messages) == (None, [])


@pytest.mark.parametrize("asgi", [OLD, {"version": "3.0"}, ABSENT], ids=["2.3", "none", "no asgi"])
async def test_a_handler_that_only_sends_learns_that_its_client_has_left(asgi):
    # Servers older than ASGI 2.4 drop what is sent to a client that has left, and say nothing.
    codes = []

    async def handler(ws):
        await ws.accept()
        try:
            while True:
                await ws.send_text("tick")
                await asyncio.sleep(0)
        except ConnectionClosed as error:
            codes.append(error.code)
            raise

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        assert await socket.receive() == "tick"
        socket.leave(1001)
        assert (await socket.ended()).error is None
    assert codes == [1001]


async def test_looking_out_for_the_client_loses_no_message():
    async def handler(ws):
        await ws.accept()
        for number in range(3):
            await ws.send_text(str(number))
            await asyncio.sleep(0)
        await ws.send_json([await ws.receive_text(), await ws.receive_text()])
        assert [message async for message in ws] == ["c"]

    async with WebSocketClient(app_of(handler), asgi=OLD).connect("/test") as socket:
        for text in "abc":
            socket.send_text(text)
        for number in range(3):
            assert await socket.receive() == str(number)
        assert await socket.receive() == '["a","b"]'
        socket.leave()
        assert (await socket.ended()).error is None


async def test_looking_out_for_the_client_leaves_no_task_behind():
    async def handler(ws):
        await ws.accept()
        await ws.send_text("a")

    async def endless(ws):
        await handler(ws)
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    await WebSocketClient(app_of(handler), asgi=OLD).run("/test")
    async with WebSocketClient(app_of(endless), asgi=OLD).connect("/test") as socket:
        await socket.receive()
        socket.cancel()
        await socket.ended()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_letting_connection_closed_out_ends_quietly():
    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_letting_connection_closed_out_of_a_task_group_ends_quietly():
    async def handler(ws):
        await ws.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(ws.receive_text())
            group.create_task(asyncio.Event().wait())

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_another_error_beside_connection_closed_in_a_task_group_is_logged(logged):
    async def fail(ws):
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("a bug")

    async def handler(ws):
        await ws.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ws))
            group.create_task(ws.receive_text())

    assert (await talk(handler)).error is None
    (record,) = logged
    assert isinstance(record.exc_info[1], ExceptionGroup)


async def test_a_handler_that_returns_after_its_client_left_ends_quietly():
    left = asyncio.Event()

    async def handler(ws):
        await ws.accept()
        await left.wait()

    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(OSError("gone"))
        left.set()
        assert (await socket.ended()).error is None


async def test_a_handler_that_fails_after_its_client_left_is_still_logged(logged):
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        raise RuntimeError("in the clean-up")

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None
    assert len(logged) == 1


async def test_a_handler_that_is_cancelled_stays_cancelled():
    cleaned = []

    async def handler(ws):
        await ws.accept()
        try:
            await ws.receive_text()
        finally:
            cleaned.append(True)

    async with client_of(handler).connect("/test") as socket:
        socket.cancel()
        ending = await socket.ended()
    assert isinstance(ending.error, asyncio.CancelledError)
    assert cleaned == [True]


async def test_what_a_handler_awaits_being_cancelled_is_an_error_like_any(logged):
    async def handler(ws):
        await ws.accept()
        task = asyncio.create_task(asyncio.sleep(PATIENCE))
        task.cancel()
        await task

    ending = await client_of(handler).run("/test")
    assert ending.error is None
    assert ending.closed == (1011, "")
    assert len(logged) == 1
