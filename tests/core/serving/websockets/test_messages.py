"""Messages, in both directions and of both kinds."""

import asyncio
import json
import uuid

import pytest

from micropie import ConnectionClosed, InvalidMessage
from support.asgi import settled
from support.asgi_websocket import WebSocketClient
from support.websockets import NEW, OLD, app_of, client_of, talk

pytestmark = pytest.mark.anyio


async def test_text_bytes_and_json_go_both_ways():
    async def handler(ws):
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())
        await ws.send_json(await ws.receive_json())
        await ws.send_json(await ws.receive_json())

    async with client_of(handler).connect("/test") as socket:
        socket.send_text("Zoë 🥧 \0")
        assert await socket.receive() == "Zoë 🥧 \0"
        socket.send_bytes(b"\0\xff")
        assert await socket.receive() == b"\0\xff"
        socket.send_json({"a": [1, None, 1.5, "é"]})
        assert json.loads(await socket.receive()) == {"a": [1, None, 1.5, "é"]}
        socket.send_bytes(b"[1]")  # JSON may come as binary
        assert await socket.receive() == "[1]"
        assert (await socket.ended()).closed == (1000, "")


async def test_an_empty_message_is_a_message():
    async def handler(ws):
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", "text": "", "bytes": None})
        assert await socket.receive() == ""
        socket.put({"type": "websocket.receive", "text": None, "bytes": b""})
        assert await socket.receive() == b""


@pytest.mark.parametrize("data", [b"ab", bytearray(b"ab"), memoryview(b"ab")], ids=range(3))
async def test_anything_that_is_bytes_can_be_sent(data):
    async def handler(ws):
        await ws.accept()
        await ws.send_bytes(data)

    assert (await client_of(handler).run("/test")).sent == [b"ab"]


@pytest.mark.parametrize(
    ("use", "value", "message"),
    [
        ("send_text", b"a", r"send_text\(\) takes a str, not bytes"),
        ("send_text", None, r"send_text\(\) takes a str, not NoneType"),
        ("send_text", 1, r"send_text\(\) takes a str, not int"),
        ("send_bytes", "a", r"send_bytes\(\) takes bytes, not str"),
        ("send_bytes", 3, r"send_bytes\(\) takes bytes, not int"),
        ("send_bytes", [1], r"send_bytes\(\) takes bytes, not list"),
        ("send_json", object(), "object"),
        ("send_json", {1, 2}, "set"),
    ],
)
async def test_sending_the_wrong_type_is_an_error_that_says_so(use, value, message):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(TypeError, match=message):
            await getattr(ws, use)(value)
        await ws.send_text("still open")

    assert (await client_of(handler).run("/test")).sent == ["still open"]


async def test_text_that_is_no_unicode_is_an_error():
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match="surrogates"):
            await ws.send_text("a\ud800")
        await ws.send_json("a\ud800")  # JSON can escape it

    (text,) = (await client_of(handler).run("/test")).sent
    assert text == r'"a\ud800"'


async def test_json_messages_are_written_as_json_responses_are():
    async def handler(ws):
        await ws.accept()
        await ws.send_json({"id": uuid.UUID(int=1), "n": float("nan"), "big": 2**70})

    (text,) = (await client_of(handler).run("/test")).sent
    assert text == (
        '{"id":"00000000-0000-0000-0000-000000000001","n":null,"big":1180591620717411303424}'
    )


WRONG = [
    ("receive_text", {"bytes": b"a"}, 1003, "expected a text message"),
    ("receive_bytes", {"text": "a"}, 1003, "expected a binary message"),
    ("receive_json", {"text": "{"}, 1007, "expected JSON"),
    ("receive_json", {"text": ""}, 1007, "expected JSON"),
    ("receive_json", {"text": "NaN"}, 1007, "expected JSON"),
    ("receive_json", {"text": '"\ud800"'}, 1007, "expected JSON"),
    ("receive_json", {"text": r'"\ud800"'}, 1007, "expected JSON"),
    ("receive_json", {"text": "[" * 100_000}, 1007, "expected JSON"),
    ("receive_json", {"bytes": b"\xff"}, 1007, "expected JSON"),
    ("receive_json", {"bytes": b""}, 1007, "expected JSON"),
]


@pytest.mark.parametrize(("use", "message", "code", "reason"), WRONG, ids=range(len(WRONG)))
async def test_another_kind_of_message_closes_with_its_code(use, message, code, reason):
    async def handler(ws):
        await ws.accept()
        await getattr(ws, use)()

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", **message})
        assert (await socket.ended()).closed == (code, reason)


@pytest.mark.parametrize(("use", "message", "code", "reason"), WRONG, ids=range(len(WRONG)))
async def test_a_handler_may_catch_another_kind_of_message_and_go_on(use, message, code, reason):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match=reason) as caught:
            await getattr(ws, use)()
        assert isinstance(caught.value, InvalidMessage)
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert not ws.closed
        await ws.send_text(await ws.receive_text())

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", **message})
        socket.send_text("again")
        assert await socket.receive() == "again"


async def test_iteration_gives_text_and_bytes_and_ends_when_the_client_leaves():
    async def handler(ws):
        await ws.accept()
        messages = [message async for message in ws]
        assert messages == ["a", b"b", ""]
        assert ws.closed

    async with client_of(handler).connect("/test") as socket:
        socket.send_text("a")
        socket.send_bytes(b"b")
        socket.send_text("")
        socket.leave()
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed is None


ITERATIONS = {"iter_text": ["a", "é"], "iter_bytes": [b"a", b""], "iter_json": ["1", b"[2]"]}


@pytest.mark.parametrize(("iterate", "messages"), ITERATIONS.items(), ids=ITERATIONS)
async def test_iteration_over_one_kind_ends_when_the_client_leaves(iterate, messages):
    async def handler(ws):
        await ws.accept()
        for _ in range(2):  # the second time there is nothing left
            seen.append([message async for message in getattr(ws, iterate)()])

    seen = []
    async with client_of(handler).connect("/test") as socket:
        for message in messages:
            socket.put(as_received(message))
        socket.leave()
        ending = await socket.ended()
    expected = list(map(json.loads, messages)) if iterate == "iter_json" else messages
    assert (seen, ending.error, ending.closed) == ([expected, []], None, None)


@pytest.mark.parametrize(
    ("iterate", "message", "code"),
    [("iter_text", b"a", 1003), ("iter_bytes", "a", 1003), ("iter_json", "{", 1007)],
)
async def test_iteration_over_one_kind_raises_at_another_and_may_go_on(iterate, message, code):
    async def handler(ws):
        await ws.accept()
        messages = getattr(ws, iterate)()
        with pytest.raises(InvalidMessage) as caught:
            await anext(messages)
        assert caught.value.code == code
        assert not ws.closed
        assert [other async for other in ws] == ["next"]

    async with client_of(handler).connect("/test") as socket:
        socket.put(as_received(message))
        socket.send_text("next")
        socket.leave()
        assert (await socket.ended()).error is None


async def test_a_wrong_message_let_out_of_an_iteration_closes_with_its_code():
    async def handler(ws):
        await ws.accept()
        async for _ in ws.iter_text():
            pass

    async with client_of(handler).connect("/test") as socket:
        socket.send_bytes(b"a")
        assert (await socket.ended()).closed == (1003, "expected a text message")


def as_received(message):
    key = "bytes" if isinstance(message, bytes) else "text"
    return {"type": "websocket.receive", key: message}


async def test_iteration_may_be_broken_off_and_begun_again():
    async def handler(ws):
        await ws.accept()
        for _ in range(2):
            async for message in ws:
                await ws.send_text(message)
                break
        await ws.send_text(await ws.receive_text())

    async with client_of(handler).connect("/test") as socket:
        for text in "abc":
            socket.send_text(text)
        assert (await socket.ended()).sent == ["a", "b", "c"]


async def test_iteration_over_a_closed_websocket_is_empty():
    async def handler(ws):
        await ws.accept()
        await ws.close()
        assert [message async for message in ws] == []

    assert (await client_of(handler).run("/test")).error is None


async def test_connection_closed_inside_a_loop_is_not_taken_for_its_end():
    async def fail(ws):
        async for _ in ws:
            raise ConnectionClosed(4000)

    async def handler(ws):
        await ws.accept()
        with pytest.raises(ConnectionClosed, match="4000"):
            await fail(ws)

    await talk(handler, "a")


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_a_receive_that_timed_out_loses_no_message(asgi):
    async def run_out(limit):
        await settled()
        limit.reschedule(asyncio.get_running_loop().time())

    async def receive(ws):
        async with asyncio.timeout(None) as limit:
            running_out = asyncio.create_task(run_out(limit))
            await ws.receive_text()
            await running_out

    async def handler(ws):
        await ws.accept()
        with pytest.raises(TimeoutError):
            await receive(ws)
        await ws.send_text("waiting")
        for _ in range(2):
            await ws.send_text(await ws.receive_text())

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        assert await socket.receive() == "waiting"
        socket.send_text("a")
        socket.send_text("b")
        assert [await socket.receive(), await socket.receive()] == ["a", "b"]


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_two_tasks_may_send_and_receive_at_once(asgi):
    async def handler(ws):
        async def count():
            for number in range(50):
                await ws.send_text(str(number))
                await asyncio.sleep(0)

        await ws.accept()
        counting = asyncio.create_task(count())
        received = [await ws.receive_text() for _ in range(50)]
        await counting
        await ws.send_json(received)

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        for number in range(50):
            socket.send_text(str(number))
        expected = [str(number) for number in range(50)]
        ending = await socket.ended()
    assert ending.sent[:-1] == expected
    assert json.loads(ending.sent[-1]) == expected


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_of_two_tasks_that_receive_one_gets_each_message(asgi):
    async def handler(ws):
        async def receive():
            received.append(await ws.receive_text())

        await ws.accept()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(receive())

    received = []
    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        for number in range(10):
            socket.send_text(str(number))
        ending = await socket.ended()
    assert ending.closed == (1000, "")
    assert sorted(received) == [str(number) for number in range(10)]
