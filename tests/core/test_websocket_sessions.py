"""Sessions of WebSockets, and WebSockets below mounts."""

import asyncio
import time

import pytest

from micropie import (
    App,
    ConnectionClosed,
    HTTPError,
    InMemorySessionBackend,
    WebSocketMiddleware,
)
from support.asgi import Client
from support.asgi_websocket import WebSocketClient

pytestmark = pytest.mark.anyio

COOKIE = {"Cookie": "session_id=known"}


class Backend(InMemorySessionBackend):
    """Counts calls, and fails those named in `down`."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.down = set()

    def _note(self, call):
        self.calls.append(call)
        if call in self.down:
            raise ConnectionError(f"{call}: the store is away")

    async def load(self, session_id):
        self._note("load")
        return await super().load(session_id)

    async def save(self, session_id, data, timeout):
        self._note("save")
        await super().save(session_id, data, timeout)

    async def merge(self, session_id, changed, removed, timeout):
        self._note("merge")
        return await super().merge(session_id, changed, removed, timeout)

    async def touch(self, session_id, data, timeout):
        self._note("touch")
        await super().touch(session_id, data, timeout)

    async def stored(self, session_id="known"):
        return dict(await InMemorySessionBackend.load(self, session_id))


@pytest.fixture
async def backend():
    """A backend that holds one session, under the id of COOKIE."""
    backend = Backend()
    await InMemorySessionBackend.save(backend, "known", {"name": "Ada", "list": [1]}, 8 * 3600)
    return backend


def app_of(backend, handler, **options):
    app = App(backend, **options)
    app.ws_test = handler
    return app


def cookie_of(message):
    """Return the id in the handshake's cookie; None if it sets none."""
    cookies = [value.decode() for name, value in message["headers"] if name == b"set-cookie"]
    assert len(cookies) <= 1
    return cookies[0].partition(";")[0].removeprefix("session_id=") if cookies else None


async def run(backend, handler, url="/test", *, headers=COOKIE, **options):
    return await WebSocketClient(app_of(backend, handler, **options)).run(url, headers=headers)


# Reading and changing.


async def test_a_handler_reads_the_browsers_session(backend):
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()
            await ws.send_json(self.session)
            assert self.session is ws.session is self.request.session is ws.request.session

    ending = await WebSocketClient(Site(backend)).run("/test", headers=COOKIE)
    assert ending.sent == ['{"name":"Ada","list":[1]}']
    assert backend.calls == ["load"]
    assert cookie_of(ending.messages[0]) is None


async def test_a_handler_that_changes_nothing_writes_nothing(backend):
    async def handler(ws):
        await ws.accept()

    await run(backend, handler)
    assert backend.calls == ["load"]


@pytest.mark.parametrize("headers", [{}, {"Cookie": "other=1"}, {"Cookie": "session_id="}])
async def test_without_the_cookie_the_backend_is_not_asked(backend, headers):
    async def handler(ws):
        assert ws.session == {}
        await ws.accept()

    assert (await run(backend, handler, headers=headers)).closed == (1000, "")
    assert backend.calls == []


async def test_changes_are_stored_when_the_handler_ends_deep_ones_too(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1
        ws.session["list"].append(2)
        del ws.session["name"]
        await ws.send_json(await backend.stored())

    ending = await run(backend, handler)
    assert ending.sent == ['{"name":"Ada","list":[1]}']
    assert await backend.stored() == {"list": [1, 2], "new": 1}


async def test_changes_are_stored_before_the_client_sees_the_close(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1

    app = app_of(backend, handler)
    async with WebSocketClient(app).connect("/test", headers=COOKIE) as socket:
        assert (await socket.next())["type"] == "websocket.close"
        assert (await backend.stored())["new"] == 1


async def test_only_what_changed_is_merged_into_what_others_stored_meanwhile(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["mine"] = 1
        await InMemorySessionBackend.merge(backend, "known", {"theirs": 2, "name": "Eve"}, (), 60)

    await run(backend, handler)
    assert await backend.stored() == {"name": "Eve", "list": [1], "mine": 1, "theirs": 2}


async def test_changes_are_stored_when_the_client_leaves(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1
        await ws.receive_text()

    app = app_of(backend, handler)
    async with WebSocketClient(app).connect("/test", headers=COOKIE) as socket:
        socket.leave()
        await socket.ended()
    assert (await backend.stored())["new"] == 1


@pytest.mark.parametrize(
    ("error", "stored"),
    [
        (ConnectionClosed(1001), True),
        (HTTPError(403), True),
        (HTTPError(500), False),
        (RuntimeError("a bug"), False),
    ],
    ids=repr,
)
@pytest.mark.parametrize("accept", [True, False])
async def test_a_handler_that_failed_stores_nothing(backend, error, stored, accept, logged):
    async def handler(ws):
        if accept:
            await ws.accept()
        ws.session["new"] = 1
        raise error

    await run(backend, handler)
    assert ("new" in await backend.stored()) == stored
    assert len(logged) == (type(error) is RuntimeError)


async def test_a_handler_that_is_cancelled_stores_nothing(backend):
    async def handler(ws):
        ws.session["new"] = 1
        await ws.accept()
        await ws.receive_text()

    app = app_of(backend, handler)
    async with WebSocketClient(app).connect("/test", headers=COOKIE) as socket:
        socket.cancel()
        await socket.ended()
    assert "new" not in await backend.stored()


async def test_the_session_can_be_updated_by_an_operator(backend):
    async def handler(ws):
        await ws.accept()
        ws.session |= {"new": 1}
        ws.session["list"] += [2]

    await run(backend, handler)
    assert await backend.stored() == {"name": "Ada", "list": [1, 2], "new": 1}


async def test_emptying_the_session_key_by_key_deletes_it(backend):
    async def handler(ws):
        await ws.accept()
        del ws.session["name"]
        ws.session.pop("list")

    await run(backend, handler)
    assert await backend.stored() == {}


async def test_a_logout_elsewhere_stands(backend):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1
        await InMemorySessionBackend.save(backend, "known", {}, 0)

    assert (await run(backend, handler)).closed == (1000, "")
    assert await backend.stored() == {}


@pytest.mark.parametrize("value", [{1, 2}, b"x", float("nan"), (1,)], ids=repr)
async def test_a_value_that_is_no_json_closes_with_1011_and_leaves_what_is_stored(
    backend, value, logged
):
    async def handler(ws):
        await ws.accept()
        ws.session["good"] = 1
        ws.session["bad"] = value

    assert (await run(backend, handler)).closed == (1011, "")
    assert await backend.stored() == {"name": "Ada", "list": [1]}
    (record,) = logged
    assert "session['bad']" in str(record.exc_info[1])


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


# Clearing.


async def test_clearing_deletes_the_session(backend):
    async def handler(ws):
        await ws.accept()
        ws.session.clear()

    await run(backend, handler)
    assert await backend.stored() == {}


async def test_clearing_before_accept_expires_the_cookie_in_the_handshake(backend):
    async def handler(ws):
        ws.session.clear()
        await ws.accept()
        assert await backend.stored() == {}

    ending = await run(backend, handler)
    assert ending.closed == (1000, "")
    ((name, value),) = ending.messages[0]["headers"]
    assert name == b"set-cookie"
    assert value.startswith(b"session_id=;")
    assert value.endswith(b"Max-Age=0")


async def test_what_is_put_into_a_cleared_session_before_accept_begins_another(backend):
    async def handler(ws):
        ws.session.clear()
        ws.session["name"] = "Eve"
        await ws.accept()
        ws.session["more"] = 1

    ending = await run(backend, handler)
    session_id = cookie_of(ending.messages[0])
    assert session_id not in (None, "", "known")
    assert await backend.stored(session_id) == {"name": "Eve", "more": 1}
    assert await backend.stored() == {}


async def test_what_is_put_into_a_session_cleared_after_accept_is_logged_and_not_stored(
    backend, logged
):
    async def handler(ws):
        await ws.accept()
        ws.session.clear()
        ws.session["name"] = "Eve"

    assert (await run(backend, handler)).closed == (1000, "")
    assert await backend.stored() == {}  # the logout stands
    assert backend._sessions == {}  # and nothing lies under an id that nobody has
    (record,) = logged
    assert "cookie" in record.getMessage()


async def test_regenerating_in_a_handler_is_an_error(backend, logged):
    # The new id would have to reach the browser, and only a response can carry it there.
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()
            self.request.regenerate_session()

    ending = await WebSocketClient(Site(backend)).run("/test", headers=COOKIE)
    assert ending.closed == (1011, "")
    assert await backend.stored() == {"name": "Ada", "list": [1]}
    assert len(logged) == 1


# The store fails.


async def test_a_store_that_is_down_refuses_the_handshake(backend, logged):
    async def handler(ws):
        raise AssertionError

    backend.down.add("load")
    ending = await run(backend, handler)
    assert ending.error is None
    assert ending.refused == (1011, "")
    (record,) = logged
    assert "a session could not be loaded from Backend: ConnectionError" in record.getMessage()


async def test_a_store_that_is_down_at_the_handshake_refuses_it(backend, logged):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept()

    backend.down.add("save")
    ending = await run(backend, handler, headers={})
    assert ending.refused == (1011, "")
    (record,) = logged
    assert "a session could not be stored in Backend: ConnectionError" in record.getMessage()


async def test_a_store_that_is_down_at_the_end_closes_with_1011(backend, logged):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1

    backend.down.add("merge")
    ending = await run(backend, handler)
    assert ending.error is None
    assert ending.closed == (1011, "")
    (record,) = logged
    assert "a session could not be stored in Backend: ConnectionError" in record.getMessage()


async def test_an_expiry_that_can_not_be_pushed_out_is_logged_only(backend, logged):
    async def handler(ws):
        await ws.accept()

    await InMemorySessionBackend.save(backend, "known", {"name": "Ada"}, 60)  # of 8 hours
    backend.down.add("touch")
    assert (await run(backend, handler)).closed == (1000, "")
    assert backend.calls == ["load", "touch"]
    assert len(logged) == 1


async def test_a_connection_pushes_the_expiry_out(backend):
    async def handler(ws):
        await ws.accept()

    await InMemorySessionBackend.save(backend, "known", {"name": "Ada"}, 60)
    await run(backend, handler)
    assert (await InMemorySessionBackend.load(backend, "known")).expires_in > 8 * 3600 - 60


async def test_a_long_connection_pushes_the_expiry_out_at_its_end(backend, monkeypatch):
    async def handler(ws):
        await ws.accept()
        hours = time.monotonic() + 7 * 3600
        monkeypatch.setattr("micropie._sessions.session.monotonic", lambda: hours)

    await run(backend, handler)
    assert backend.calls == ["load", "touch"]


async def test_a_connection_that_began_the_session_need_not_push_its_expiry_out(backend):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept()

    await run(backend, handler, headers={})
    assert backend.calls == ["save"]


# Hooks and sessions.


async def test_hooks_read_and_change_the_session(backend):
    class SignedIn(WebSocketMiddleware):
        async def before_websocket(self, request):
            if "name" not in request.session:
                return {"code": 4401, "reason": "sign in"}
            request.session["seen"] = True
            return None

    async def handler(ws):
        await ws.accept()

    app = app_of(backend, handler)
    app.ws_middlewares.append(SignedIn())
    client = WebSocketClient(app)
    assert (await client.run("/test")).refused == (4401, "sign in")
    assert (await client.run("/test", headers=COOKIE)).closed == (1000, "")
    assert (await backend.stored())["seen"] is True


async def test_a_session_that_a_hook_begins_gets_its_cookie(backend):
    class Begin(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.session["begun"] = True

    async def handler(ws):
        await ws.accept()

    app = app_of(backend, handler)
    app.ws_middlewares.append(Begin())
    ending = await WebSocketClient(app).run("/test")
    assert await backend.stored(cookie_of(ending.messages[0])) == {"begun": True}


async def test_a_request_for_nothing_asks_the_backend_nothing(backend):
    ending = await WebSocketClient(App(backend)).run("/nothing", headers=COOKIE)
    assert ending.refused == (1008, "there is no such WebSocket")
    assert backend.calls == []


async def test_a_page_of_another_origin_learns_nothing_of_the_session(backend):
    async def handler(ws):
        raise AssertionError

    headers = {**COOKIE, "Origin": "http://evil.example", "Host": "pie.example"}
    ending = await run(backend, handler, headers=headers)
    assert ending.refused == (1008, "this origin is not allowed")
    assert backend.calls == []


# Below a mount: other ASGI apps.


class Foreign:
    """An ASGI app that keeps what it is called with, and echoes one message."""

    def __init__(self):
        self.scope = None
        self.received = []

    async def __call__(self, scope, receive, send):
        self.scope = scope
        self.received.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await send({"type": "websocket.close", "code": 4000, "reason": "mounted"})


class Noting(WebSocketMiddleware):
    def __init__(self, seen, answer=None):
        self.seen = seen
        self.answer = answer

    async def before_websocket(self, request):
        self.seen.append(("before", request.path))
        return self.answer

    async def after_websocket(self, request):
        self.seen.append(("after", request.path))


async def test_a_mounted_app_speaks_asgi_itself():
    app, foreign = App(), Foreign()
    app.mount("/foreign", foreign)
    async with WebSocketClient(app).connect(
        "/pie/foreign/a%2Fb?q=1", subprotocols=["x"], root_path="/pie"
    ) as socket:
        socket.send_text("echo")
        assert await socket.receive() == "echo"
        ending = await socket.ended()
    assert ending.closed == (4000, "mounted")
    assert foreign.received == [{"type": "websocket.connect"}]
    assert foreign.scope["type"] == "websocket"
    assert foreign.scope["path"] == "/pie/foreign/a/b"
    assert foreign.scope["root_path"] == "/pie/foreign"
    assert foreign.scope["raw_path"] == b"/pie/foreign/a%2Fb"
    assert foreign.scope["query_string"] == b"q=1"
    assert foreign.scope["subprotocols"] == ["x"]
    assert [key for key in foreign.scope if key.startswith("micropie")] == ["micropie.root_paths"]


async def test_a_mount_wins_over_a_handler_and_the_root_mount_does_not():
    class Site(App):
        async def ws_chat(self, ws):
            await ws.accept()
            await ws.send_text("handler")

    app, above, root = Site(), Foreign(), Foreign()
    app.mount("/", root)
    client = WebSocketClient(app)
    assert (await client.run("/chat")).sent == ["handler"]
    async with client.connect("/elsewhere") as socket:
        socket.send_text("root")
        assert await socket.receive() == "root"
    assert root.scope["root_path"] == ""
    app.mount("/chat", above)
    async with client.connect("/chat/room") as socket:
        socket.send_text("mount")
        assert await socket.receive() == "mount"
    assert above.scope["root_path"] == "/chat"


async def test_a_path_that_only_begins_like_a_mount_is_not_below_it():
    app = App()
    app.mount("/chat", Foreign())
    assert (await WebSocketClient(app).run("/chatter")).refused is not None


async def test_hooks_stand_in_front_of_a_mounted_app():
    app, foreign, seen = App(), Foreign(), []
    app.mount("/foreign", foreign)
    app.ws_middlewares.append(Noting(seen))
    async with WebSocketClient(app).connect("/foreign/x") as socket:
        socket.send_text("a")
        await socket.ended()
    assert seen == [("before", "/foreign/x"), ("after", "/foreign/x")]


async def test_a_hook_refuses_in_front_of_a_mounted_app():
    app, foreign, seen = App(), Foreign(), []
    app.mount("/foreign", foreign)
    app.ws_middlewares.append(Noting(seen, {"code": 4403}))
    assert (await WebSocketClient(app).run("/foreign")).refused == (4403, "")
    assert foreign.scope is None


async def test_what_a_mounted_app_raises_is_the_servers_to_see():
    async def broken(scope, receive, send):
        await receive()
        raise RuntimeError("broken")

    app, seen = App(), []
    app.mount("/broken", broken)
    app.ws_middlewares.append(Noting(seen))
    ending = await WebSocketClient(app).run("/broken")
    assert str(ending.error) == "broken"
    assert seen == [("before", "/broken"), ("after", "/broken")]


async def test_a_mounted_app_without_hooks_costs_no_session(backend):
    app = App(backend)
    app.mount("/foreign", Foreign())
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        await socket.ended()
    assert backend.calls == []


async def test_what_a_hook_changes_in_front_of_a_mounted_app_is_stored(backend):
    class Count(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.session["count"] = 1

    app = App(backend)
    app.mount("/foreign", Foreign())
    app.ws_middlewares.append(Count())
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        await socket.ended()
    assert (await backend.stored())["count"] == 1


async def test_a_store_that_is_down_after_a_mounted_app_is_logged(backend, logged):
    class Count(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.session["count"] = 1

    app = App(backend)
    app.mount("/foreign", Foreign())
    app.ws_middlewares.append(Count())
    backend.down.add("merge")
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed == (4000, "mounted")
    assert len(logged) == 1


# Below a mount: Apps.


class Part(App):
    """A part of a site, to be mounted."""

    async def ws_index(self, ws):
        await ws.accept()
        await ws.send_text("part")

    async def ws_name(self, ws, new=None):
        if new is not None:
            self.session["name"] = new
        await ws.accept()
        await ws.send_json([self.session.get("name"), self.request.path, ws.request.path_params])
        assert self.session is ws.session

    async def ws_fail(self, ws):
        self.session["name"] = "never"
        await ws.accept()
        raise RuntimeError

    async def ws_late(self, ws):
        await ws.accept()
        self.session["name"] = "too late"

    async def ws_where(self, ws):
        await ws.accept()
        await ws.send_text(self._url_for("page"))

    async def page(self):
        return "page"


def mounted(part, *, backend=None, path="/part"):
    app = App(backend)
    app.mount(path, part)
    return WebSocketClient(app)


async def test_a_mounted_app_serves_its_own_handlers(backend):
    client = mounted(Part(), backend=backend)
    assert (await client.run("/part")).sent == ["part"]
    assert (await client.run("/part/")).sent == ["part"]
    assert (await client.run("/part/where")).sent == ["/part/page"]
    assert (await client.run("/part/nothing")).refused == (1008, "there is no such WebSocket")
    assert (await client.run("/name")).refused == (1008, "there is no such WebSocket")


async def test_a_mounted_app_shares_the_session_of_its_parent(backend):
    client = mounted(Part(), backend=backend)
    ending = await client.run("/part/name/Eve", headers=COOKIE)
    assert ending.sent == ['["Eve","/name/Eve",["Eve"]]']
    assert cookie_of(ending.messages[0]) is None
    assert await backend.stored() == {"name": "Eve", "list": [1]}
    assert backend.calls == ["load", "merge"]


async def test_a_mounted_app_begins_a_session_of_its_parent(backend):
    ending = await mounted(Part(), backend=backend).run("/part/name/Eve")
    session_id = cookie_of(ending.messages[0])
    assert await backend.stored(session_id) == {"name": "Eve"}
    assert backend.calls[0] == "save"


async def test_a_handler_that_fails_below_a_mount_stores_nothing(backend, logged):
    ending = await mounted(Part(), backend=backend).run("/part/fail", headers=COOKIE)
    assert ending.closed == (1011, "")
    assert await backend.stored() == {"name": "Ada", "list": [1]}
    assert len(logged) == 1


async def test_a_session_begun_too_late_below_a_mount_is_logged_once(backend, logged):
    ending = await mounted(Part(), backend=backend).run("/part/late")
    assert ending.closed == (1000, "")
    assert backend.calls == []
    assert len(logged) == 1


async def test_a_store_that_is_down_refuses_below_a_mount(backend, logged):
    backend.down.add("load")
    ending = await mounted(Part(), backend=backend).run("/part/name", headers=COOKIE)
    assert ending.refused == (1011, "")
    assert len(logged) == 1


async def test_a_mounted_app_with_a_backend_of_its_own_has_its_own_sessions(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    client = mounted(Part(own), backend=backend)
    ending = await client.run("/part/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']
    assert backend.calls == []
    ending = await client.run("/part/name/Eve")
    assert await own.stored(cookie_of(ending.messages[0])) == {"name": "Eve"}
    assert backend.calls == []


async def test_a_session_is_shared_through_several_mounts(backend):
    middle = App()
    middle.mount("/inner", Part())
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name/Eve", headers=COOKIE)
    assert ending.sent == ['["Eve","/name/Eve",["Eve"]]']
    assert (await backend.stored())["name"] == "Eve"
    ending = await client.run("/middle/inner/name/Zoe")
    assert await backend.stored(cookie_of(ending.messages[0])) == {"name": "Zoe"}


async def test_a_backend_of_its_own_counts_below_several_mounts(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    middle = App()
    middle.mount("/inner", Part(own))
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']
    await client.run("/middle/inner/name/Eve", headers=COOKIE)
    assert (await own.stored())["name"] == "Eve"
    assert (await backend.stored())["name"] == "Ada"


async def test_a_backend_of_its_own_counts_below_several_mounts_for_http_too(backend):
    class Page(App):
        async def name(self):
            return self.session["name"]

    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    middle, app = App(), App(backend)
    middle.mount("/inner", Page(own))
    app.mount("/middle", middle)
    assert (await Client(app).get("/middle/inner/name", headers=COOKIE)).text == "own"


async def test_an_app_inside_another_asgi_app_has_its_own_sessions(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    inner = Part(own)

    async def wrapper(scope, receive, send):
        await inner(scope, receive, send)

    middle = App()
    middle.mount("/inner", wrapper)
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']


async def test_hooks_of_parent_and_part_nest(backend):
    seen = []
    part, app = Part(), App(backend)
    app.mount("/part", part)
    app.ws_middlewares.append(Noting(seen))
    part.ws_middlewares.append(Noting(seen))
    await WebSocketClient(app).run("/part/name", headers=COOKIE)
    assert seen == [
        ("before", "/part/name"),
        ("before", "/name"),
        ("after", "/name"),
        ("after", "/part/name"),
    ]
    assert backend.calls == ["load"]


async def test_a_mounted_app_looks_at_the_origin_itself():
    handshake = {"headers": {"Origin": "http://evil.example", "Host": "pie.example"}}
    assert (await mounted(Part()).run("/part", **handshake)).refused == (
        1008,
        "this origin is not allowed",
    )
    client = mounted(Part(websocket_origins=["http://evil.example"]))
    assert (await client.run("/part", **handshake)).sent == ["part"]


async def test_parent_and_part_have_requests_of_their_own():
    requests = []

    class Outer(App):
        pass

    class Inner(App):
        async def ws_index(self, ws):
            requests.append((self.request, outer.request))
            await ws.accept()

    class Hook(WebSocketMiddleware):
        async def before_websocket(self, request):
            requests.append(request)

        async def after_websocket(self, request):
            assert outer.request is request

    outer = Outer()
    outer.mount("/inner", Inner())
    outer.ws_middlewares.append(Hook())
    ending = await WebSocketClient(outer).run("/inner")
    assert ending.closed == (1000, "")
    parents, (inner, seen_by_outer) = requests
    assert inner is seen_by_outer
    assert inner is not parents


# Concurrency.


async def test_a_hundred_connections_of_one_browser_lose_no_key(backend):
    ready = asyncio.Barrier(100)

    class Site(App):
        async def ws_test(self, ws, number):
            await ws.accept()
            await ready.wait()
            ws.session[number] = True

    client = WebSocketClient(Site(backend))
    await asyncio.gather(*(client.run(f"/test/{number}", headers=COOKIE) for number in range(100)))
    assert (await backend.stored()).keys() == {"name", "list", *map(str, range(100))}
