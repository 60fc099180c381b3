"""A logout wins over every request that began before it."""

import pytest

from support.meetings import Meeting, Slow, started
from support.sessions import ReadmeBackend, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("url", ["/note", "/early", "/stream"])
async def test_logout_beats_a_slower_request(url):
    backend = WatchedBackend()
    app = Meeting(backend)
    browser = await started(app, user="bob")
    old = browser.clone()
    async with Slow(app, old, f"{url}?point=a&item=1") as slow:
        await browser.get("/logout")
    assert (slow.answer.status, slow.answer.complete) == (200, True)
    assert set_cookies(slow.answer) == []
    assert await backend.stored(old.session_id) == {}
    assert (await old.get("/")).json == {}


async def test_logout_beats_a_slower_request_that_only_reads():
    backend = ReadmeBackend()  # each of its sessions is touched, as it can't tell its age
    app = Meeting(backend)
    browser = await started(app, user="bob")
    old = browser.clone()
    async with Slow(app, old, "/read?point=a"):
        await browser.get("/logout")
    assert (await old.get("/")).json == {}


async def test_logout_beats_a_slower_request_with_a_backend_of_two_methods():
    app = Meeting(ReadmeBackend())
    browser = await started(app, user="bob")
    old = browser.clone()
    async with Slow(app, old, "/note?point=a&item=1"):
        await browser.get("/logout")
    assert (await old.get("/")).json == {}


async def test_a_slower_logout_beats_what_was_stored_meanwhile():
    app = Meeting()
    browser = await started(app, user="bob")
    old = browser.clone()
    async with Slow(app, browser, "/logout?point=a"):
        await old.get("/note?item=1")
    assert browser.session_id is None
    assert (await old.get("/")).json == {}


async def test_two_logouts_at_once_are_one():
    app = Meeting()
    browser = await started(app, user="bob")
    async with Slow(app, browser, "/logout?point=a") as slow:
        await browser.get("/logout")
    assert slow.answer.text == "logged out"
    assert browser.session_id is None


async def test_values_set_after_a_clear_start_a_session_under_a_new_id():
    backend = WatchedBackend()
    browser = await started(Meeting(backend), user="bob", cart=1)
    old = browser.clone()
    await browser.get("/restart?user=eve")
    assert browser.session_id not in (None, old.session_id)
    assert (await browser.get("/")).json == {"user": "eve"}
    assert await backend.stored(old.session_id) == {}


async def test_the_same_values_after_a_clear_start_a_session_too():
    browser = await started(Meeting(), user="bob")
    old = browser.clone()
    await browser.get("/restart?user=bob")
    assert browser.session_id != old.session_id
    assert (await browser.get("/")).json == {"user": "bob"}
    assert (await old.get("/")).json == {}
