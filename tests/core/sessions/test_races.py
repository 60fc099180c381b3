"""Requests of one browser at the same time: nothing is lost, a logout wins, ids move once."""

import asyncio
import random
from collections import defaultdict

import pytest

from micropie import App, HttpMiddleware, InMemorySessionBackend
from support.asgi import PATIENCE, Client
from support.sessions import Browser, ReadmeBackend, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio


class Meeting(App):
    """Handlers that a test holds up at a named point: each arrives, and waits to be let go."""

    def __init__(self, backend=None):
        super().__init__(backend)
        self._arrived = defaultdict(asyncio.Event)
        self._let_go = defaultdict(asyncio.Event)

    async def _meet(self, point):
        self._arrived[point].set()
        async with asyncio.timeout(PATIENCE):
            await self._let_go[point].wait()

    async def index(self):
        return dict(self.session)

    async def note(self, point=None, **values):
        if point:
            await self._meet(point)
        self.session.update(values)
        return "noted"

    async def early(self, point, **values):
        self.session.update(values)
        await self._meet(point)
        return "noted"

    def sync(self, **values):
        self.session.update(values)

    async def drop(self, point, name):
        await self._meet(point)
        self.session.pop(name, None)

    async def stream(self, point, **values):
        await self._meet(point)
        self.session.update(values)
        return self._chunks()

    async def _chunks(self):
        yield "one"
        yield "two"

    async def logout(self, point=None):
        if point:
            await self._meet(point)
        self.session.clear()
        return "logged out"

    async def restart(self, **values):
        self.session.clear()
        self.session.update(values)

    async def login(self, point=None, **values):
        if point:
            await self._meet(point)
        self.session.update(values)
        self.request.regenerate_session()

    async def renew(self, point=None):
        return await self.login(point)

    async def read(self, point):
        await self._meet(point)
        return dict(self.session)


async def started(app, **values):
    browser = Browser(app)
    await browser.get("/note?" + "&".join(f"{key}={value}" for key, value in values.items()))
    assert browser.session_id
    return browser


class Slow:
    """A request that is held up in its handler until the block ends."""

    def __init__(self, app, browser, url, method="GET"):
        self._app = app
        self._point = url.partition("point=")[2].partition("&")[0]
        self._task = asyncio.create_task(browser.request(method, url))

    async def __aenter__(self):
        async with asyncio.timeout(PATIENCE):
            await self._app._arrived[self._point].wait()
        return self

    async def __aexit__(self, *error):
        self._app._let_go[self._point].set()
        self.answer = await self._task


# No lost updates.


async def test_a_hundred_requests_that_set_a_key_each_all_keep_theirs():
    together = asyncio.Barrier(100)

    class Crowd(App):
        async def set(self, key):
            async with asyncio.timeout(PATIENCE):
                await together.wait()
            self.session[key] = key

    app = Crowd()
    browser = Browser(app)
    app.middlewares.append(Starter())
    await browser.get("/nowhere")
    app.middlewares.clear()
    answers = await asyncio.gather(*(browser.get(f"/set/k{number}") for number in range(100)))
    assert {answer.status for answer in answers} == {204}
    assert [cookie for answer in answers for cookie in set_cookies(answer)] == []
    stored = await app.session_backend.load(browser.session_id)
    assert stored == {"start": 1} | {f"k{number}": f"k{number}" for number in range(100)}


class Starter(HttpMiddleware):
    async def before_request(self, request):
        request.session["start"] = 1


async def test_a_hundred_synchronous_handlers_all_keep_their_keys():
    app = Meeting()
    browser = await started(app, start=1)
    await asyncio.gather(*(browser.get(f"/sync?k{number}=1") for number in range(100)))
    assert len(await app.session_backend.load(browser.session_id)) == 101


async def test_a_logout_in_the_middle_of_a_hundred_requests_stands():
    app = Meeting()
    browser = await started(app, start=1)
    old_id = browser.session_id
    twin = browser.clone()
    tasks = [
        asyncio.create_task(twin.get(f"/note?point={number}&k{number}=1")) for number in range(100)
    ]
    async with asyncio.timeout(PATIENCE):
        for number in range(100):
            await app._arrived[str(number)].wait()
    for number in range(50):
        app._let_go[str(number)].set()
    await asyncio.gather(*tasks[:50])
    assert len(await app.session_backend.load(old_id)) == 51
    await browser.get("/logout")
    for number in range(50, 100):
        app._let_go[str(number)].set()
    answers = await asyncio.gather(*tasks)
    assert {answer.status for answer in answers} == {200}
    assert [cookie for answer in answers for cookie in set_cookies(answer)] == []
    assert await app.session_backend.load(old_id) == {}
    assert (await twin.get("/")).json == {}


@pytest.mark.parametrize("seed", range(5))
async def test_in_whatever_order_they_end_a_logout_stands(seed):
    chance = random.Random(seed)
    app = Meeting()
    browser = await started(app, start=1)
    old = browser.clone()
    urls = [
        *(f"/note?point=n{number}&k{number}=1" for number in range(10)),
        *(f"/early?point=e{number}&k{number}=2" for number in range(10)),
        *(f"/stream?point=s{number}&k{number}=3" for number in range(10)),
        *(f"/drop?point=d{number}&name=start" for number in range(5)),
        "/logout?point=out",
    ]
    chance.shuffle(urls)
    points = [url.partition("point=")[2].partition("&")[0] for url in urls]
    tasks = [asyncio.create_task(old.clone().get(url)) for url in urls]
    async with asyncio.timeout(PATIENCE):
        for point in points:
            await app._arrived[point].wait()
    chance.shuffle(points)
    for point in points:
        app._let_go[point].set()
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    answers = await asyncio.gather(*tasks)
    assert all(answer.status < 300 for answer in answers)
    assert await app.session_backend.load(old.session_id) == {}


async def test_of_two_requests_that_set_the_same_key_the_later_counts():
    app = Meeting()
    browser = await started(app, who="nobody", other=0)
    async with Slow(app, browser, "/note?point=a&who=slow&x=1"):
        await browser.get("/note?who=fast&y=1")
    assert (await browser.get("/")).json == {"who": "slow", "other": "0", "x": "1", "y": "1"}


async def test_a_removed_key_stays_removed_while_others_are_set():
    app = Meeting()
    browser = await started(app, a=1, b=1)
    async with Slow(app, browser, "/drop?point=a&name=a"):
        await browser.get("/note?c=1")
    assert (await browser.get("/")).json == {"b": "1", "c": "1"}


async def test_a_key_removed_meanwhile_does_not_come_back_by_being_read():
    app = Meeting()
    browser = await started(app, a=1, b=1)
    async with Slow(app, browser, "/note?point=a&c=1"), Slow(app, browser, "/drop?point=d&name=a"):
        app._let_go["d"].set()
    assert (await browser.get("/")).json == {"b": "1", "c": "1"}


async def test_a_key_added_meanwhile_keeps_a_session_whose_last_key_goes():
    app = Meeting()
    browser = await started(app, a=1)
    async with Slow(app, browser, "/drop?point=a&name=a") as slow:
        await browser.get("/note?b=2")
    assert set_cookies(slow.answer) == []
    assert (await browser.get("/")).json == {"b": "2"}


async def test_a_request_that_only_reads_sees_what_was_there_when_it_began():
    app = Meeting()
    browser = await started(app, a=1)
    async with Slow(app, browser, "/read?point=a") as slow:
        await browser.get("/note?a=2")
    assert slow.answer.json == {"a": "1"}
    assert (await browser.get("/")).json == {"a": "2"}


async def test_two_new_sessions_of_one_browser_do_not_mix():
    app = Meeting()
    one, other = Browser(app), Browser(app)
    async with Slow(app, one, "/early?point=a&a=1"), Slow(app, other, "/early?point=b&b=1"):
        pass
    assert one.session_id != other.session_id
    assert (await one.get("/")).json == {"a": "1"}
    assert (await other.get("/")).json == {"b": "1"}


# Logout wins.


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


# Regeneration.


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


async def test_of_two_logins_at_once_the_first_one_counts_and_nothing_is_lost():
    app = Meeting()
    browser = await started(app, cart=1)
    async with Slow(app, browser, "/login?point=a&user=bob") as slow:
        await browser.get("/login?user=bob")
    assert set_cookies(slow.answer) == []
    assert (await browser.get("/")).json == {"cart": "1", "user": "bob"}


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


# Stores that take their time.


@pytest.mark.parametrize("method", ["load", "merge"])
async def test_a_slow_store_holds_up_nobody_else(method):
    backend = WatchedBackend()
    app = Meeting(backend)
    browser = await started(app, a=1)
    backend.gates[method] = asyncio.Event()
    task = asyncio.create_task(browser.get("/note?a=2"))
    async with asyncio.timeout(PATIENCE):
        await backend.arrived[method].wait()
    assert (await Client(app).get("/")).json == {}
    backend.gates.pop(method).set()
    assert (await task).status == 200
    assert (await browser.get("/")).json == {"a": "2"}


async def test_a_session_that_is_changed_while_it_is_stored_is_stored_as_it_was():
    class Slow(InMemorySessionBackend):
        async def save(self, session_id, data, timeout):
            await asyncio.sleep(0)
            await super().save(session_id, data, timeout)

    class Restless(App):
        async def index(self):
            self.session["a"] = 1
            session = self.session
            asyncio.get_running_loop().call_soon(lambda: session.update(b=2))

        async def read(self):
            return dict(self.session)

    browser = Browser(Restless(Slow()))
    await browser.get("/")
    assert (await browser.get("/read")).json == {"a": 1}
