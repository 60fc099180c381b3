"""Test clients: WebSockets, refused, closed and broken ones."""

import asyncio

import pytest

from micropie import ConnectionClosed, WebSocketMiddleware
from micropie.testing import AsyncTestClient, TestClient, WebSocketRefused

pytestmark = pytest.mark.anyio


class Bouncer(WebSocketMiddleware):
    """Lets nobody in."""

    async def before_websocket(self, request):
        return {"code": 4403, "reason": "not you"}


def test_messages_go_both_ways(site):
    with TestClient(site) as client:
        with client.websocket("/echo/ada") as ws:
            ws.send_text("hello")
            assert ws.receive_text() == "ada: hello"
            ws.send_bytes(b"\0")
            assert ws.receive_bytes() == b"\0"
            ws.send_json([1])
            assert ws.receive() == "ada: [1]"
            ws.send_bytes(b"[2]")
            assert ws.receive_json() == [2]
        assert site.events[1:] == ["echo ended"]


async def test_messages_go_both_ways_asynchronously(site):
    async with AsyncTestClient(site) as client:
        async with client.websocket("/echo", params={"name": "bob"}) as ws:
            await ws.send_text("hello")
            assert await ws.receive_text() == "bob: hello"
            await ws.send_bytes(b"\0")
            assert await ws.receive_bytes() == b"\0"
            await ws.send_json([1])
            assert await ws.receive() == "bob: [1]"
            await ws.send_bytes(b"[2]")
            assert await ws.receive_json() == [2]
        assert site.events[1:] == ["echo ended"]


def test_the_subprotocol_and_headers_that_the_app_chose_are_seen(site):
    with (
        TestClient(site) as client,
        client.websocket("/choosy", subprotocols=["stew", "soup"]) as ws,
    ):
        assert ws.subprotocol == "soup"
        assert ws.response.headers["x-pot"] == "big"


def test_a_message_of_the_other_kind_is_an_error(site):
    with TestClient(site) as client, client.websocket("/echo") as ws:
        ws.send_text("x")
        with pytest.raises(TypeError, match="text and not bytes"):
            ws.receive_bytes()
        ws.send_bytes(b"x")
        with pytest.raises(TypeError, match="bytes and not text"):
            ws.receive_text()


def test_the_session_of_the_handshake_and_of_requests_is_one(site):
    with TestClient(site) as client:
        client.get("/visits")
        for count in (1, 2):
            with client.websocket("/count") as ws:
                assert ws.receive_json() == count
        assert client.get("/visits").json() == {"visits": 2}


def test_a_session_that_a_handshake_started_is_kept(site):
    with TestClient(site) as client:
        for count in (1, 2):
            with client.websocket("/count") as ws:
                assert ws.receive_json() == count


# Closing.


def test_a_close_of_the_app_is_seen_with_code_and_reason(site):
    with TestClient(site) as client, client.websocket("/ends") as ws:
        with pytest.raises(ConnectionClosed) as caught:
            ws.receive_text()
        assert (caught.value.code, caught.value.reason) == (4001, "enough")
        with pytest.raises(ConnectionClosed):
            ws.send_text("more?")


def test_iteration_ends_with_the_connection(site):
    with TestClient(site) as client, client.websocket("/count") as ws:
        assert [*ws] == ["1"]


async def test_asynchronous_iteration_ends_with_the_connection(site):
    async with AsyncTestClient(site) as client, client.websocket("/count") as ws:
        assert [message async for message in ws] == ["1"]


def test_the_client_closes_with_a_code_that_the_app_sees(site):
    seen = []

    async def ws_farewell(ws):
        await ws.accept()
        try:
            await ws.receive_text()
        except ConnectionClosed as closed:
            seen.append((closed.code, closed.reason))

    site.ws_farewell = ws_farewell
    with TestClient(site) as client:
        with client.websocket("/farewell") as ws:
            ws.close(4999, "bye")
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive()
        with client.websocket("/farewell"):
            pass
    assert caught.value.code == 4999
    assert seen == [(4999, "bye"), (1000, "")]


def test_a_handler_that_goes_on_after_the_close_is_ended_with_the_block(site):
    ended = []

    async def ws_stubborn(ws):
        await ws.accept()
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append(True)

    site.ws_stubborn = ws_stubborn
    with TestClient(site, timeout=1) as client:
        with client.websocket("/stubborn") as ws:
            ws.close()
            with pytest.raises(ConnectionClosed):
                ws.receive()
        assert ended == [True]


# Refusals.


def test_a_path_that_nothing_serves_is_refused_with_404(site):
    with (
        TestClient(site) as client,
        pytest.raises(WebSocketRefused, match="404 Not Found") as caught,
        client.websocket("/nothing"),
    ):
        pass
    assert caught.value.status_code == 404
    assert caught.value.response.text == "404 Not Found"


def test_a_refusal_of_a_middleware_has_its_code(site):
    site.ws_middlewares.append(Bouncer())
    with (
        TestClient(site) as client,
        pytest.raises(WebSocketRefused, match="not you") as caught,
        client.websocket("/echo"),
    ):
        pass
    assert (caught.value.status_code, caught.value.code) == (403, 4403)
    assert caught.value.reason == "not you"


async def test_a_foreign_page_is_refused(site):
    async with AsyncTestClient(site) as client:
        with pytest.raises(WebSocketRefused) as caught:
            async with client.websocket("/echo", headers={"Origin": "https://other.example"}):
                pass
        assert caught.value.code == 1008
        async with client.websocket("/echo", headers={"Origin": "http://test"}) as ws:
            await ws.send_text("x")
            assert await ws.receive_text() == "nobody: x"


# What goes wrong.


def test_what_a_handler_raises_is_raised_by_the_next_receive(site, logged):
    with TestClient(site) as client, client.websocket("/broken") as ws:
        ws.send_text("go on")
        with pytest.raises(ValueError, match="a mistake in a WebSocket"):
            ws.receive_text()
        with pytest.raises(ValueError, match="a mistake in a WebSocket"):
            ws.send_text("and now?")


def test_what_a_handler_raises_is_raised_at_the_end_of_the_block(site, logged):
    with (
        TestClient(site) as client,
        pytest.raises(ValueError, match="a mistake in a WebSocket"),
        client.websocket("/broken") as ws,
    ):
        ws.send_text("go on")


async def test_what_the_block_raises_comes_out_as_it_is(site):
    async with AsyncTestClient(site) as client:
        with pytest.raises(LookupError):
            async with client.websocket("/echo"):
                raise LookupError
        with pytest.raises(ConnectionClosed):
            async with client.websocket("/ends") as ws:
                await ws.receive()


def test_what_a_handler_raises_before_it_accepts_is_raised(site, logged):
    with (
        TestClient(site) as client,
        pytest.raises(ValueError, match="before accept"),
        client.websocket("/broken_before"),
    ):
        pass


def test_a_client_may_want_the_close_instead(site, logged):
    with TestClient(site, raise_app_exceptions=False) as client:
        with client.websocket("/broken") as ws:
            ws.send_text("go on")
            with pytest.raises(ConnectionClosed) as caught:
                ws.receive_text()
        assert caught.value.code == 1011
        with pytest.raises(WebSocketRefused) as refused, client.websocket("/broken_before"):
            pass
        assert refused.value.status_code == 500


def test_a_handler_that_never_accepts_is_given_up(site):
    with (
        TestClient(site, timeout=0.05) as client,
        pytest.raises(TimeoutError),
        client.websocket("/hangs"),
    ):
        pass


def test_a_message_that_does_not_come_is_given_up_and_the_connection_stays_open(site):
    with TestClient(site) as client, client.websocket("/silent") as ws:
        with pytest.raises(TimeoutError):
            ws.receive_text(timeout=0.05)
        ws.send_text("now")
        assert ws.receive_text() == "at last"


async def test_a_bare_app_has_websockets_too():
    async def app(scope, receive, send):
        assert scope["type"] == "websocket"
        assert (await receive())["type"] == "websocket.connect"
        if scope["path"] == "/closed":
            await send({"type": "websocket.close"})
        elif scope["path"] == "/open":
            await send({"type": "websocket.accept"})
            message = await receive()
            await send({"type": "websocket.send", "text": message["text"]})

    async with AsyncTestClient(app) as client:
        async with client.websocket("/open") as ws:
            await ws.send_text("x")
            assert await ws.receive_text() == "x"
            with pytest.raises(ConnectionClosed):
                await ws.receive_text()
        for path in ("/closed", "/nothing"):
            with pytest.raises(WebSocketRefused) as caught:
                async with client.websocket(path):
                    pass
            assert caught.value.status_code == 403
