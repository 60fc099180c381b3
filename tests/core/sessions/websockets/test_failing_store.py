"""WebSockets whose session store fails, and hooks that use sessions."""

import time

import pytest

from micropie import App, InMemorySessionBackend, WebSocketMiddleware
from support.asgi_websocket import WebSocketClient
from support.websocket_sessions import COOKIE, app_of, cookie_of, run

pytestmark = pytest.mark.anyio

# The store fails.


async def test_a_store_that_is_down_refuses_the_handshake(backend, logged):
    async def handler(ws):
        raise AssertionError

    backend.failing.add("load")
    ending = await run(backend, handler)
    assert ending.error is None
    assert ending.refused == (1011, "")
    (record,) = logged
    assert "a session could not be loaded from Backend: ConnectionError" in record.getMessage()


async def test_a_store_that_is_down_at_the_handshake_refuses_it(backend, logged):
    async def handler(ws):
        ws.session["name"] = "Eve"
        await ws.accept()

    backend.failing.add("save")
    ending = await run(backend, handler, headers={})
    assert ending.refused == (1011, "")
    (record,) = logged
    assert "a session could not be stored in Backend: ConnectionError" in record.getMessage()


async def test_a_store_that_is_down_at_the_end_closes_with_1011(backend, logged):
    async def handler(ws):
        await ws.accept()
        ws.session["new"] = 1

    backend.failing.add("merge")
    ending = await run(backend, handler)
    assert ending.error is None
    assert ending.closed == (1011, "")
    (record,) = logged
    assert "a session could not be stored in Backend: ConnectionError" in record.getMessage()


async def test_an_expiry_that_can_not_be_pushed_out_is_logged_only(backend, logged):
    async def handler(ws):
        await ws.accept()

    await InMemorySessionBackend.save(backend, "known", {"name": "Ada"}, 60)  # of 8 hours
    backend.failing.add("touch")
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
