"""WebSockets that begin a session, or want an id of their own."""

import pytest

from micropie import App, HTTPError
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.websocket_sessions import app_of, cookie_of, run

pytestmark = pytest.mark.anyio

# A new session.


async def test_a_session_begun_before_accept_gets_its_cookie_in_the_handshake(backend):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept(headers={"X-Pie": "apple"})

    ending = await run(backend, handler, headers={})
    session_id = cookie_of(ending.messages[0])
    assert len(session_id) >= 43
    assert await backend.stored(session_id) == {"name": "Eve"}
    assert backend.calls[0] == "save"
    assert (b"x-pie", b"apple") in ending.messages[0]["headers"]


async def test_the_handshakes_cookie_is_as_careful_as_that_of_http(backend):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept()

    app = app_of(backend, handler, session_cookie="pie", session_cookie_samesite="Strict")
    ending = await WebSocketClient(app, scheme="wss").run("/test")
    ((name, value),) = ending.messages[0]["headers"]
    assert name == b"set-cookie"
    assert value.startswith(b"pie=")
    assert value.endswith(b"; Path=/; Secure; HttpOnly; SameSite=Strict")


async def test_a_session_is_there_for_others_while_the_websocket_is_open(backend):
    class Site(App):
        async def name(self):
            return self.session.get("name", "nobody")

        async def ws_test(self, ws):
            ws.session["name"] = "Eve"
            await ws.accept()
            ws.session["name"] = await ws.receive_text()

    app = Site(backend)
    async with WebSocketClient(app).open("/test") as socket:
        session_id = cookie_of(await socket.accepted())
        headers = {"Cookie": f"session_id={session_id}"}
        assert (await Client(app).get("/name", headers=headers)).text == "Eve"
        socket.send_text("Zoë")
        await socket.ended()
    assert (await Client(app).get("/name", headers=headers)).text == "Zoë"


async def test_an_unknown_id_is_never_adopted(backend):
    async def handler(ws):
        assert ws.session == {}
        ws.session["name"] = "Eve"
        await ws.accept()

    ending = await run(backend, handler, headers={"Cookie": "session_id=chosen-by-eve"})
    assert cookie_of(ending.messages[0]) not in (None, "chosen-by-eve")
    assert await backend.stored("chosen-by-eve") == {}


async def test_looking_at_an_empty_session_begins_none(backend):
    async def handler(ws):
        assert ws.session.get("name") is None
        await ws.accept()

    ending = await run(backend, handler, headers={})
    assert cookie_of(ending.messages[0]) is None
    assert backend.calls == []


async def test_a_session_begun_after_accept_is_logged_and_not_stored(backend, logged):
    async def handler(ws):
        await ws.accept()
        ws.session["name"] = "Eve"

    assert (await run(backend, handler, headers={})).closed == (1000, "")
    assert backend.calls == []
    (record,) = logged
    assert "cookie" in record.getMessage()
    assert "'/test'" in record.getMessage()


async def test_the_log_has_the_whole_path_also_below_that_of_a_proxy(backend, logged):
    async def handler(ws):
        await ws.accept()
        ws.session["name"] = "Eve"

    client = WebSocketClient(app_of(backend, handler), root_path="/shop")
    for url in ("/test", "/shop/test"):  # servers differ in what they report
        await client.run(url)
    assert len(logged) == 2
    for record in logged:
        assert record.getMessage().startswith("WebSocket '/shop/test': ws_test started a session")


async def test_a_session_begun_in_a_handshake_that_is_refused_is_logged_and_not_stored(
    backend, logged
):
    async def handler(ws):
        ws.session["attempts"] = 1
        raise HTTPError(403)

    assert (await run(backend, handler, headers={})).refused == (1008, "")
    assert backend.calls == []
    (record,) = logged
    assert "accept()" in record.getMessage()


async def test_a_session_begun_and_emptied_again_is_no_mistake(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["name"] = "Eve"
        ws.session.clear()

    assert (await run(backend, handler, headers={})).closed == (1000, "")
    assert backend.calls == []


async def test_what_is_begun_at_the_handshake_is_kept_when_the_handler_fails(backend, logged):
    async def handler(ws):
        ws.session["early"] = 1
        await ws.accept()
        ws.session["late"] = 1
        raise RuntimeError

    ending = await run(backend, handler, headers={})
    assert await backend.stored(cookie_of(ending.messages[0])) == {"early": 1}
    assert len(logged) == 1


# An id of the handler's own.


async def test_a_handler_may_choose_the_id_of_a_new_session(backend):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept(session_id="chosen-id")

    ending = await run(backend, handler, headers={})
    assert cookie_of(ending.messages[0]) == "chosen-id"
    assert await backend.stored("chosen-id") == {"name": "Eve"}


async def test_a_chosen_id_lets_the_session_be_filled_after_accept(backend):
    async def handler(ws):
        await ws.accept(session_id="chosen-id")
        ws.session["name"] = "Eve"

    ending = await run(backend, handler, headers={})
    assert cookie_of(ending.messages[0]) == "chosen-id"
    assert await backend.stored("chosen-id") == {"name": "Eve"}


async def test_a_chosen_id_replaces_that_of_a_session_cleared_before(backend):
    async def handler(ws):
        ws.session.clear()
        await ws.accept(session_id="chosen-id")
        ws.session["name"] = "Eve"

    ending = await run(backend, handler)
    assert cookie_of(ending.messages[0]) == "chosen-id"
    assert await backend.stored("chosen-id") == {"name": "Eve"}
    assert await backend.stored() == {}


async def test_a_chosen_id_without_a_value_stores_nothing(backend):
    async def handler(ws):
        await ws.accept(session_id="chosen-id")

    ending = await run(backend, handler, headers={})
    assert cookie_of(ending.messages[0]) == "chosen-id"
    assert backend.calls == []


async def test_a_chosen_id_does_not_replace_that_of_a_session(backend):
    async def handler(ws):
        await ws.accept(session_id="chosen-id")
        ws.session["new"] = 1

    ending = await run(backend, handler)
    assert cookie_of(ending.messages[0]) is None
    assert await backend.stored("chosen-id") == {}
    assert (await backend.stored())["new"] == 1


@pytest.mark.parametrize(
    "session_id", ["", "a;b", "a b", "a\r\nSet-Cookie: x=1", "é", 'a"b', "a,b", "\0"]
)
async def test_an_id_that_can_not_stand_in_a_cookie_is_an_error(backend, session_id, logged):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept(session_id=session_id)

    assert (await run(backend, handler, headers={})).refused == (1011, "")
    assert backend.calls == []
    assert isinstance(logged[0].exc_info[1], ValueError)
