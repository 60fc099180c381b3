"""What a request asks of the session store: nothing that it does not need."""

import pytest

from micropie import InMemorySessionBackend
from support.asgi import Client
from support.notes import Aging, Notes, noted
from support.sessions import Browser, WatchedBackend

pytestmark = pytest.mark.anyio


async def test_without_a_cookie_no_backend_is_called():
    backend = WatchedBackend()
    client = Client(Notes(backend))
    for url in ("/", "/ignore", "/nowhere", "/logout"):
        await client.get(url)
        await client.get(url, headers={"Cookie": "theme=dark"})
    assert backend.calls == []


async def test_an_unchanged_session_is_one_call():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for url in ("/", "/ignore", "/note?a=1"):
        await browser.get(url)
        assert backend.calls == ["load"], url
        backend.calls.clear()


async def test_a_changed_session_is_two_calls():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?a=2")
    assert backend.calls == ["load", "merge"]


async def test_a_new_session_is_one_call():
    backend = WatchedBackend()
    await Browser(Notes(backend)).get("/note?a=1")
    assert backend.calls == ["save"]


async def test_a_logout_is_two_calls():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/logout")
    assert backend.calls == ["load", "save"]
    assert browser.session_id is None


async def test_a_request_for_nothing_is_no_call():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    assert (await browser.get("/nowhere")).status == 404
    assert backend.calls == []


@pytest.mark.parametrize(
    ("left", "calls"),
    [
        (1000, ["load"]),
        (901, ["load"]),
        (900, ["load", "touch"]),
        (1, ["load", "touch"]),
        (0, ["load", "touch"]),
        (None, ["load", "touch"]),
    ],
)
async def test_expiry_is_pushed_out_after_a_tenth_of_the_timeout(left, calls):
    backend = Aging()
    browser = await noted(Notes(backend, session_timeout=1000), a=1)
    backend.left = left
    assert (await browser.get("/")).json == {"a": "1"}
    assert backend.calls == calls


async def test_a_change_pushes_expiry_out_by_itself():
    backend = Aging()
    browser = await noted(Notes(backend, session_timeout=1000), a=1)
    backend.left = 1
    await browser.get("/note?b=2")
    assert backend.calls == ["load", "merge"]


async def test_the_backend_is_told_the_timeout():
    timeouts = []

    class Timed(InMemorySessionBackend):
        async def save(self, session_id, data, timeout):
            timeouts.append(timeout)
            await super().save(session_id, data, timeout)

        async def merge(self, session_id, changed, removed, timeout):
            timeouts.append(timeout)
            return await super().merge(session_id, changed, removed, timeout)

    browser = Browser(Notes(Timed(), session_timeout=90))
    await browser.get("/note?a=1")
    await browser.get("/note?a=2")
    assert timeouts == [90, 90]
    await browser.get("/logout")
    assert timeouts == [90, 90, 0]


async def test_a_session_lives_for_eight_hours_if_nothing_else_is_said():
    app = Notes()
    browser = await noted(app, a=1)
    data = await app.session_backend.load(browser.session_id)
    assert 8 * 3600 - 60 < data.expires_in <= 8 * 3600
