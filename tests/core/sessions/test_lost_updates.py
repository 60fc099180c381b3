"""Requests of one browser at the same time lose nothing of what each stored."""

import asyncio
import random

import pytest

from micropie import App, HttpMiddleware, InMemorySessionBackend
from support.asgi import PATIENCE, Client
from support.meetings import Meeting, Slow, started
from support.sessions import Browser, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio

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
