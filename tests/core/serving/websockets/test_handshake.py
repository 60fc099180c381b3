"""The handshake: what a handler learns of it, accepts and refuses."""

import pytest

from micropie import App, ConnectionClosed, WebSocketRequest
from support.asgi import ABSENT
from support.asgi_websocket import WebSocketClient
from support.websockets import accept, app_of, client_of, refusal

pytestmark = pytest.mark.anyio


async def test_a_handler_learns_all_about_the_handshake():
    seen = {}

    class Site(App):
        async def ws_test(self, ws):
            request = ws.request
            seen.update(
                kind=type(request),
                path=request.path,
                client=request.client,
                header=request.headers["x-one"],
                cookie=request.cookies["a"],
                query=request.query("q"),
                queries=request.query_params,
                params=request.path_params,
                scope=request.scope["type"],
                current=self.request is request,
                session=self.session is ws.session is request.session,
            )
            await ws.accept()

    headers = {"X-One": "1", "Cookie": "a=b"}
    await WebSocketClient(Site()).run("/test/more?q=1&q=2", headers=headers)
    assert seen == {
        "kind": WebSocketRequest,
        "path": "/test/more",
        "client": ("192.0.2.7", 51234),
        "header": "1",
        "cookie": "b",
        "query": "1",
        "queries": {"q": ["1", "2"]},
        "params": ["more"],
        "scope": "websocket",
        "current": True,
        "session": True,
    }


async def test_accepted_and_closed_tell_where_the_connection_is():
    states = []

    async def handler(ws):
        states.append((ws.accepted, ws.closed))
        await ws.accept()
        states.append((ws.accepted, ws.closed))
        await ws.close()
        states.append((ws.accepted, ws.closed))

    await client_of(handler).run("/test")
    assert states == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("offered", [["a", "b"], ["b"]])
async def test_a_subprotocol_that_was_offered_is_accepted(offered):
    async def handler(ws):
        assert ws.subprotocols == offered
        await ws.accept("b")

    ending = await client_of(handler).run("/test", subprotocols=offered)
    assert ending.messages[0]["subprotocol"] == "b"


async def test_no_subprotocol_is_accepted_unasked():
    async def handler(ws):
        await ws.accept()

    ending = await client_of(handler).run("/test", subprotocols=["a"])
    assert ending.messages[0]["subprotocol"] is None


@pytest.mark.parametrize("offered", [["a"], [], ABSENT])
async def test_a_subprotocol_that_was_not_offered_is_an_error(offered):
    async def handler(ws):
        with pytest.raises(ValueError, match="did not offer the subprotocol 'b'"):
            await ws.accept("b")
        assert not ws.accepted
        await ws.accept()

    client = client_of(handler)
    scope = {"subprotocols": offered} if offered else {}
    if offered is ABSENT:
        client = WebSocketClient(client.app, subprotocols=ABSENT)
        scope = {}
    ending = await client.run("/test", **scope)
    assert ending.closed == (1000, "")


async def test_changing_the_offered_subprotocols_changes_nothing():
    async def handler(ws):
        ws.subprotocols.append("b")
        with pytest.raises(ValueError, match="'b'"):
            await ws.accept("b")

    await client_of(handler).run("/test", subprotocols=["a"])


@pytest.mark.parametrize("headers", [[("X-Pie", "apple")], {"X-Pie": "apple"}])
async def test_headers_go_out_with_the_handshake(headers):
    async def handler(ws):
        await ws.accept(headers=headers)

    ending = await client_of(handler).run("/test")
    assert ending.messages[0]["headers"] == [(b"x-pie", b"apple")]


@pytest.mark.parametrize("headers", [None, (), [], {}])
async def test_no_headers_are_sent_unasked(headers):
    async def handler(ws):
        await ws.accept(headers=headers)

    ending = await client_of(handler).run("/test")
    assert ending.messages[0]["headers"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Pie": "a\r\nSet-Cookie: stolen=1"},
        {"X-Pie": "a\nb"},
        {"X-Pie": "a\0b"},
        {"X-Pie": "€"},
        {"X-Pie\r\nEvil": "1"},
        {"X Pie": "1"},
        {"": "1"},
        {"X-Pie": 1},
        ["X-Pie"],
        [("X-Pie",)],
        [(b"x-pie", b"1")],
    ],
    ids=repr,
)
async def test_a_header_that_may_not_be_sent_refuses_the_handshake(headers, logged):
    async def handler(ws):
        ws.session["stored"] = False
        await ws.accept(headers=headers)

    assert await refusal("/test", app_of(handler)) == (1011, "")
    (record,) = logged
    assert record.exc_info


async def test_accepting_twice_is_an_error():
    async def handler(ws):
        await ws.accept()
        with pytest.raises(RuntimeError, match="accepted already"):
            await ws.accept()

    assert (await client_of(handler).run("/test")).closed == (1000, "")


async def test_accepting_after_a_refusal_raises_connection_closed():
    async def handler(ws):
        await ws.close(4000, "no")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.accept()
        assert (caught.value.code, caught.value.reason) == (4000, "no")

    assert await refusal("/test", app_of(handler)) == (4000, "no")


async def test_a_client_that_left_before_accept_ends_the_handler_quietly():
    async with client_of(accept).open("/test") as socket:
        socket.break_sending(OSError("gone"))
        ending = await socket.ended()
    assert ending.error is None
    assert ending.messages == []


@pytest.mark.parametrize("use", ["receive_text", "receive_bytes", "receive_json", "iterate"])
async def test_receiving_before_accept_is_an_error_that_says_so(use):
    async def handler(ws):
        with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
            await (anext(aiter(ws)) if use == "iterate" else getattr(ws, use)())

    assert await refusal("/test", app_of(handler)) == (1000, "")


@pytest.mark.parametrize(
    ("use", "value"), [("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)]
)
async def test_sending_before_accept_is_an_error_that_says_so(use, value):
    async def handler(ws):
        with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
            await getattr(ws, use)(value)

    assert await refusal("/test", app_of(handler)) == (1000, "")


async def test_a_mistake_before_accept_refuses_the_handshake_and_is_logged(logged):
    async def handler(ws):
        await ws.receive_text()

    assert await refusal("/test", app_of(handler)) == (1011, "")
    (record,) = logged
    assert "await ws.accept()" in str(record.exc_info[1])


async def test_a_handler_that_never_accepts_refuses():
    async def handler(ws):
        pass

    assert await refusal("/test", app_of(handler)) == (1000, "")
