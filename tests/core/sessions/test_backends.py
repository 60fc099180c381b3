"""Backends of other kinds, and the session of any scope."""

import asyncio
from datetime import datetime

import pytest

from micropie import HTTPError, InMemorySessionBackend, LoadedSession, SessionBackend
from support.notes import Changing, Notes, noted, one_error
from support.sessions import Browser, ReadmeBackend, WatchedBackend

pytestmark = pytest.mark.anyio

# Backends of other kinds.


async def test_a_backend_of_two_methods_works():
    backend = ReadmeBackend()
    browser = await noted(Notes(backend), a=1, b=2)
    assert (await browser.get("/")).json == {"a": "1", "b": "2"}
    await browser.get("/note?a=3")
    assert (await browser.get("/")).json == {"a": "3", "b": "2"}
    assert backend.sessions == {browser.session_id: {"a": "3", "b": "2"}}
    old = browser.clone()
    await browser.get("/logout")
    assert browser.session_id is None
    assert (await old.get("/")).json == {}


async def test_a_backend_that_keeps_the_objects_it_is_given_still_stores_deep_changes():
    backend = ReadmeBackend()
    app = Changing(backend, lambda session: session["dict"]["a"].append(2))
    browser = Browser(app)
    await browser.get("/start")
    backend.calls.clear()
    await browser.get("/apply")
    assert "save" in backend.calls
    assert backend.sessions[browser.session_id]["dict"]["a"] == [1, 2]


async def test_a_backend_that_returns_none_has_no_such_session():
    class Nothing(ReadmeBackend):
        async def load(self, session_id):
            return None

    assert (await Browser(Notes(Nothing()), {"session_id": "x"}).get("/")).json == {}


async def test_a_loaded_session_of_a_class_that_says_nothing_of_expiry():
    class Silent(LoadedSession):
        def __init__(self, data):
            dict.__init__(self, data)

    class Backend(ReadmeBackend):
        async def load(self, session_id):
            return Silent(await super().load(session_id))

    backend = Backend()
    browser = await noted(Notes(backend), a=1)
    assert (await browser.get("/")).json == {"a": "1"}
    assert backend.calls == ["load", "load", "save"]  # touched: it can't tell


class Versions(ReadmeBackend):
    """Gives each state of a session a version, and keeps those that come back to `merge`."""

    def __init__(self):
        super().__init__()
        self.merged = []

    async def load(self, session_id):
        data = await super().load(session_id)
        return LoadedSession(data, version=("version", len(data))) if data else {}

    async def merge(self, session_id, changed, removed, timeout):
        self.merged.append((dict(changed), changed.version))
        return await super().merge(session_id, changed, removed, timeout)


async def test_the_version_that_was_loaded_comes_back_with_the_changes():
    backend = Versions()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?b=2")
    await browser.get("/note?c=3")
    assert backend.merged == [({"b": "2"}, ("version", 1)), ({"c": "3"}, ("version", 2))]


async def test_changes_of_a_session_without_a_version_have_none():
    class Unversioned(Versions):
        async def load(self, session_id):
            return dict(await super().load(session_id))

    backend = Unversioned()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?b=2")
    assert backend.merged == [({"b": "2"}, None)]


async def test_a_backend_can_be_assigned():
    app = Notes()
    first = app.session_backend
    assert isinstance(first, InMemorySessionBackend)
    backend = app.session_backend = WatchedBackend()
    browser = Browser(app)
    await browser.get("/note?a=1")
    assert app.session_backend is backend
    assert await backend.stored(browser.session_id) == {"a": "1"}
    assert await first.load(browser.session_id) == {}


async def test_two_apps_with_one_backend_share_its_sessions():
    backend = InMemorySessionBackend()
    browser = await noted(Notes(backend), a=1)
    other = Browser(Notes(session_backend=backend), browser.cookies)
    assert (await other.get("/")).json == {"a": "1"}


async def test_apps_do_not_share_sessions_by_default():
    browser = await noted(Notes(), a=1)
    assert (await Browser(Notes(), browser.cookies).get("/")).json == {}


async def test_a_backend_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SessionBackend()


# The session of any scope.


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_session_of_a_scope_is_merged_when_the_block_ends(kind):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1, b=2)
    scope = _scope(browser, kind)
    async with app.session_for(scope) as session:
        assert session == {"a": "1", "b": "2"}
        session["c"] = 3
        del session["b"]
        await backend.merge(browser.session_id, {"d": 4}, [], 100)
        backend.calls.clear()
    assert backend.calls == ["merge"]
    assert await backend.stored(browser.session_id) == {"a": "1", "c": 3, "d": 4}


def _scope(browser, kind="http"):
    headers = {"Cookie": f"session_id={browser.session_id}"} if browser.session_id else {}
    return browser.client.scope("GET", "/", headers, type=kind)


async def test_a_block_that_only_reads_stores_nothing():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    async with app.session_for(_scope(browser)) as session:
        assert session["a"] == "1"
    assert backend.calls == ["load"]


@pytest.mark.parametrize("error", [RuntimeError, HTTPError(400), asyncio.CancelledError])
async def test_a_block_that_raises_stores_nothing(error):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)

    async def change():
        async with app.session_for(_scope(browser)) as session:
            session["a"] = "changed"
            raise error

    with pytest.raises(error if isinstance(error, type) else HTTPError):
        await change()
    assert backend.calls == ["load"]
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_a_block_can_log_out():
    app = Notes()
    browser = await noted(app, a=1)
    async with app.session_for(_scope(browser)) as session:
        session.clear()
    assert (await browser.get("/")).json == {}


async def test_a_block_cannot_bring_back_a_session_that_was_logged_out():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    old_id = browser.session_id
    async with app.session_for(_scope(browser)) as session:
        session["b"] = 2
        await browser.get("/logout")
    assert await backend.stored(old_id) == {}


async def test_a_block_cannot_start_a_session():
    backend = WatchedBackend()
    app = Notes(backend)
    for browser in (Browser(app), Browser(app, {"session_id": "unknown"})):
        with pytest.raises(RuntimeError, match="start the session in an HTTP handler"):
            async with app.session_for(_scope(browser)) as session:
                session["a"] = 1
    assert backend.calls == ["load"]


async def test_a_block_cannot_start_a_session_in_place_of_one_that_it_cleared():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)

    async def start_anew():
        async with app.session_for(_scope(browser)) as session:
            session.clear()
            session["b"] = 1

    with pytest.raises(RuntimeError, match="start the session in an HTTP handler"):
        await start_anew()
    assert backend.calls == ["load"]
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_a_block_without_a_session_reads_an_empty_one():
    app = Notes()
    async with app.session_for(_scope(Browser(app))) as session:
        assert session == {}


async def test_a_value_of_a_block_that_is_no_json_is_told():
    app = Notes()
    browser = await noted(app, a=1)
    with pytest.raises(TypeError, match=r"session\['when'\] holds a datetime"):
        async with app.session_for(_scope(browser)) as session:
            session["when"] = datetime(2030, 1, 1)
    assert (await browser.get("/")).json == {"a": "1"}


@pytest.mark.parametrize("method", ["load", "merge"])
async def test_a_store_that_fails_a_block_is_a_503(method, logged):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    backend.failing = {method}
    with pytest.raises(HTTPError) as raised:
        async with app.session_for(_scope(browser)) as session:
            session["b"] = 2
    assert raised.value.status_code == 503
    assert one_error(logged)
