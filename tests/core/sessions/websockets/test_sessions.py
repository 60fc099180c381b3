"""The session of a WebSocket: read, changed, cleared, and by many at once."""

import asyncio

import pytest

from micropie import App, ConnectionClosed, HTTPError, InMemorySessionBackend
from support.asgi_websocket import WebSocketClient
from support.websocket_sessions import COOKIE, app_of, cookie_of, run

pytestmark = pytest.mark.anyio

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
