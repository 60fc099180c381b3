"""How a WebSocket is closed: with which code, by whom, after which error."""

import asyncio

import pytest

from micropie import ConnectionClosed, HTTPError
from support.asgi_websocket import WebSocketClient
from support.websockets import NEW, OLD, accept, app_of, client_of, refusal, talk

pytestmark = pytest.mark.anyio


async def test_returning_closes_with_1000():
    assert (await client_of(accept).run("/test")).closed == (1000, "")


async def test_what_a_handler_returns_is_ignored():
    async def handler(ws):
        await ws.accept()
        return "nothing"

    ending = await client_of(handler).run("/test")
    assert (ending.closed, ending.sent) == ((1000, ""), [])


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1013, 3000, 4000, 4999])
async def test_a_handler_closes_with_its_own_code_and_reason(code):
    async def handler(ws):
        await ws.accept()
        await ws.close(code, "bye")

    assert (await client_of(handler).run("/test")).closed == (code, "bye")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, -1, True])
async def test_a_code_that_may_not_be_sent_is_refused_and_leaves_the_connection_open(code):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match="close code"):
            await ws.close(code)
        assert not ws.closed
        await ws.send_text("still open")

    ending = await client_of(handler).run("/test")
    assert (ending.sent, ending.closed) == (["still open"], (1000, ""))


@pytest.mark.parametrize("arguments", [("1000",), (None,), (1000.0,), (1000, None), (1000, b"")])
async def test_a_code_or_reason_of_another_type_is_refused(arguments):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(TypeError, match="close"):
            await ws.close(*arguments)
        assert not ws.closed

    assert (await client_of(handler).run("/test")).closed == (1000, "")


async def test_closing_before_accept_refuses():
    async def handler(ws):
        await ws.close(4403, "not you")
        assert ws.closed
        assert not ws.accepted

    assert await refusal("/test", app_of(handler)) == (4403, "not you")


async def test_closing_twice_closes_once():
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, "first")
        await ws.close(4001, "second")

    assert (await client_of(handler).run("/test")).closed == (4000, "first")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        ("x" * 5000, "x" * 123),
        ("é" * 62, "é" * 61),
        ("🥧" * 31, "🥧" * 30),
    ],
)
async def test_a_reason_too_long_is_cut_between_characters(reason, sent):
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, reason)

    assert (await client_of(handler).run("/test")).closed == (4000, sent)


async def test_using_a_websocket_that_the_handler_closed_raises_connection_closed():
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, "enough")
        for use in (ws.receive_text(), ws.send_text("a"), ws.send_json(1)):
            with pytest.raises(ConnectionClosed) as caught:
                await use
            assert (caught.value.code, caught.value.reason) == (4000, "enough")

    assert (await client_of(handler).run("/test")).closed == (4000, "enough")


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_closing_from_another_task_ends_one_that_receives(asgi):
    async def handler(ws):
        await ws.accept()
        await ws.send_text("ready")
        receiving = asyncio.create_task(ws.receive_text())
        await asyncio.sleep(0)
        await ws.close(4000, "kicked")
        with pytest.raises(ConnectionClosed) as caught:
            await receiving
        assert caught.value.code == 4000

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed == (4000, "kicked")


async def test_closing_a_connection_that_the_client_has_closed_does_nothing():
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        await ws.close(4000)

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_a_websocket_is_closed_once_its_handler_has_ended():
    kept = []

    async def handler(ws):
        kept.append(ws)
        await ws.accept()

    await client_of(handler).run("/test")
    with pytest.raises(ConnectionClosed):
        await kept[0].send_text("too late")


async def test_connection_closed_tells_code_and_reason():
    error = ConnectionClosed(1001)
    assert (error.code, error.reason) == (1001, "")
    assert "1001" in str(error)
    assert "bye" in str(ConnectionClosed(1001, "bye"))


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret detail"), OSError("disk"), KeyError("x")],
    ids=repr,
)
async def test_an_exception_is_logged_once_and_closes_with_1011_and_no_detail(
    error, accept, logged
):
    async def handler(ws):
        if accept:
            await ws.accept()
        raise error

    ending = await client_of(handler, debug=True).run("/test")
    assert ending.error is None
    assert ending.accepted == accept
    assert ending.closed == (1011, "")
    (record,) = logged
    assert record.exc_info[1] is error
    assert record.getMessage() == "WebSocket '/test': ws_test failed"


@pytest.mark.parametrize(
    ("error", "closed"),
    [
        (HTTPError(403, "not you"), (1008, "")),
        (HTTPError(404), (1008, "")),
        (HTTPError(302, headers={"Location": "/"}), (1008, "")),
        (HTTPError(500), (1011, "")),
        (HTTPError(503, "later"), (1011, "")),
    ],
    ids=str,
)
@pytest.mark.parametrize("accept", [True, False])
async def test_an_http_error_in_a_handler_closes_without_a_log(error, closed, accept):
    async def handler(ws):
        if accept:
            await ws.accept()
        raise error

    ending = await client_of(handler).run("/test")
    assert (ending.closed, ending.accepted) == (closed, accept)


async def test_what_only_the_system_should_catch_goes_through():
    class Stop(BaseException):
        pass

    async def handler(ws):
        await ws.accept()
        raise Stop

    ending = await client_of(handler).run("/test")
    assert isinstance(ending.error, Stop)
    assert ending.closed is None


async def test_a_server_that_fails_to_close_is_told_so():
    async def handler(ws):
        await ws.accept()
        await done.wait()

    done = asyncio.Event()
    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(RuntimeError("the server's bug"))
        done.set()
        ending = await socket.ended()
    assert isinstance(ending.error, RuntimeError)
