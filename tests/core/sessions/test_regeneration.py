"""An id that a request regenerates moves once, whatever else is under way."""

import pytest

from support.meetings import Meeting, Slow, started
from support.sessions import Browser, ReadmeBackend, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio


async def test_regeneration_gives_a_new_id_and_deletes_the_old_one():
    backend = WatchedBackend()
    browser = await started(Meeting(backend), cart=1)
    old = browser.clone()
    backend.calls.clear()
    answer = await browser.get("/login?user=bob")
    assert backend.calls == ["load", "take", "save"]
    assert len(set_cookies(answer)) == 1
    assert browser.session_id != old.session_id
    assert (await browser.get("/")).json == {"cart": "1", "user": "bob"}
    assert await backend.stored(old.session_id) == {}
    assert (await old.get("/")).json == {}


async def test_regeneration_works_with_a_backend_of_two_methods():
    backend = ReadmeBackend()
    browser = await started(Meeting(backend), cart=1)
    old = browser.clone()
    await browser.get("/login?user=bob")
    assert (await browser.get("/")).json == {"cart": "1", "user": "bob"}
    assert (await old.get("/")).json == {}


async def test_regeneration_without_a_session_starts_one():
    browser = Browser(Meeting())
    await browser.get("/login?user=bob")
    assert (await browser.get("/")).json == {"user": "bob"}


async def test_regeneration_of_nothing_is_nothing():
    backend = WatchedBackend()
    browser = Browser(Meeting(backend))
    assert set_cookies(await browser.get("/renew")) == []
    assert backend.calls == []


async def test_regeneration_of_an_unknown_id_does_not_adopt_it():
    backend = WatchedBackend()
    browser = Browser(Meeting(backend), {"session_id": "forged"})
    await browser.get("/login?user=bob")
    assert browser.session_id != "forged"
    assert backend.calls == ["load", "save"]


async def test_regeneration_takes_along_what_others_stored_meanwhile():
    app = Meeting()
    browser = await started(app, cart=1, old=1)
    async with Slow(app, browser, "/login?point=a&user=bob"):
        await browser.get("/note?cart=2&seen=1")
        async with Slow(app, browser, "/drop?point=b&name=old"):
            pass
    assert (await browser.get("/")).json == {"cart": "2", "seen": "1", "user": "bob"}


async def test_regeneration_removes_what_its_request_removed():
    class Removing(Meeting):
        async def change(self):
            del self.session["old"]
            self.request.regenerate_session()

    browser = await started(Removing(), old=1, kept=1)
    await browser.get("/change")
    assert (await browser.get("/")).json == {"kept": "1"}


async def test_a_session_emptied_and_regenerated_is_gone():
    class Removing(Meeting):
        async def change(self):
            self.request.regenerate_session()
            self.session.pop("a")

    backend = WatchedBackend()
    browser = await started(Removing(backend), a=1)
    old = browser.clone()
    answer = await browser.get("/change")
    assert [cookie["Max-Age"] for cookie in set_cookies(answer)] == ["0"]
    assert await backend.stored(old.session_id) == {}


@pytest.mark.parametrize("order", ["clear first", "regenerate first"])
@pytest.mark.parametrize("values", [{}, {"user": "eve"}])
async def test_regeneration_with_a_clear_keeps_nothing_of_the_old(order, values):
    class Both(Meeting):
        async def change(self):
            if order == "clear first":
                self.session.clear()
            self.request.regenerate_session()
            if order != "clear first":
                self.session.clear()
            self.session.update(values)

    backend = WatchedBackend()
    browser = await started(Both(backend), user="bob", cart=1)
    old = browser.clone()
    await browser.get("/change")
    assert await backend.stored(old.session_id) == {}
    assert (await browser.get("/")).json == values
    assert browser.session_id != old.session_id
    assert (browser.session_id is None) == (not values)


@pytest.mark.parametrize(
    "url",
    ["/note?point=a&x=1", "/early?point=a&x=1", "/stream?point=a&x=1", "/drop?point=a&name=x"],
)
async def test_a_request_under_the_old_id_stores_nothing_and_sends_no_cookie(url):
    backend = WatchedBackend()
    app = Meeting(backend)
    browser = await started(app, cart=1)
    old = browser.clone()
    async with Slow(app, old, url) as slow:
        await browser.get("/login?user=bob")
    assert slow.answer.status in (200, 204)
    assert set_cookies(slow.answer) == []
    assert await backend.stored(old.session_id) == {}
    assert (await browser.get("/")).json == {"cart": "1", "user": "bob"}


async def test_two_renewals_at_once_leave_the_browser_its_session():
    app = Meeting()
    browser = await started(app, cart=1)
    async with Slow(app, browser, "/renew?point=a") as slow:
        await browser.get("/renew")
        renewed = browser.session_id
    assert set_cookies(slow.answer) == []
    assert browser.session_id == renewed
    assert (await browser.get("/")).json == {"cart": "1"}


async def test_of_two_logins_at_once_each_is_one_whichever_answer_the_browser_keeps():
    app = Meeting()
    browser = await started(app, cart=1)
    twin = browser.clone()
    async with Slow(app, browser, "/login?point=a&user=bob") as slow:
        await twin.get("/login?user=bob")
    assert (await twin.get("/")).json == {"cart": "1", "user": "bob"}
    # The old session was gone, so this one begins with what its request has set.
    (cookie,) = set_cookies(slow.answer)
    browser.cookies["session_id"] = cookie["value"]
    assert (await browser.get("/")).json == {"user": "bob"}
    assert browser.session_id != twin.session_id


async def test_a_regeneration_that_sets_nothing_brings_no_dead_session_back():
    backend = WatchedBackend()
    app = Meeting(backend)
    browser = await started(app, user="bob")
    async with Slow(app, browser, "/renew?point=a") as slow:
        await browser.get("/renew")
    assert set_cookies(slow.answer) == []
    assert (await browser.get("/")).json == {"user": "bob"}


async def test_logout_beats_a_slower_regeneration():
    backend = WatchedBackend()
    app = Meeting(backend)
    browser = await started(app, user="bob")
    old = browser.clone()
    async with Slow(app, old, "/renew?point=a") as slow:
        await browser.get("/logout")
    assert set_cookies(slow.answer) == []
    assert (await old.get("/")).json == {}


async def test_a_failing_take_is_a_503_and_leaves_the_session(logged):
    backend = WatchedBackend()
    browser = await started(Meeting(backend), cart=1)
    backend.failing = {"take"}
    answer = await browser.get("/login?user=bob")
    assert (answer.status, set_cookies(answer)) == (503, [])
    assert (await browser.get("/")).json == {"cart": "1"}
    assert len(logged) == 1


async def test_regeneration_with_a_value_that_is_no_json_leaves_the_session(logged):
    class Careless(Meeting):
        async def change(self):
            self.session["when"] = object()
            self.request.regenerate_session()

    backend = WatchedBackend()
    browser = await started(Careless(backend), cart=1)
    assert (await browser.get("/change")).status == 500
    assert (await browser.get("/")).json == {"cart": "1"}
    assert "take" not in backend.calls
    assert len(logged) == 1


async def test_a_handler_that_fails_does_not_regenerate(logged):
    class Failing(Meeting):
        async def change(self):
            self.request.regenerate_session()
            raise RuntimeError("broken")

    browser = await started(Failing(), cart=1)
    before = browser.session_id
    assert (await browser.get("/change")).status == 500
    assert browser.session_id == before
    assert (await browser.get("/")).json == {"cart": "1"}
    assert len(logged) == 1
