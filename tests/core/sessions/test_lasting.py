"""Sessions that outlast the browser: persistent cookies, and sessions with a life of their own."""

import math

import pytest

from micropie import App, HttpMiddleware, InMemorySessionBackend
from support.asgi import Client
from support.notes import Aging
from support.sessions import Browser, ReadmeBackend, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio

DAY = 86400


class Site(App):
    async def index(self):
        return dict(self.session)

    async def login(self, user, days=30, regenerate=""):
        if regenerate:
            self.request.regenerate_session()
        self.session["user"] = user
        self.request.session_lifetime(float(days) * DAY)

    async def put(self, **values):
        self.session.update(values)

    async def remember(self, days):
        self.request.session_lifetime(float(days) * DAY)

    async def regenerate(self):
        self.request.regenerate_session()

    async def forget(self, name):
        del self.session[name]

    async def logout(self):
        self.session.clear()


def max_ages(answer):
    return [cookie.get("Max-Age") for cookie in set_cookies(answer)]


async def left(app, browser):
    return (await InMemorySessionBackend.load(app.session_backend, browser.session_id)).expires_in


@pytest.mark.parametrize("age", [0, -1, 1.5, "60", True, 400 * DAY + 1])
def test_a_wrong_age_is_refused_by_its_name(age):
    with pytest.raises((TypeError, ValueError), match="session_cookie_max_age"):
        App(session_cookie_max_age=age)


async def test_a_cookie_may_outlive_the_browser():
    browser = Browser(Site(session_cookie_max_age=7 * DAY))
    assert max_ages(await browser.get("/put?a=1")) == [str(7 * DAY)]
    assert max_ages(await browser.get("/regenerate")) == [str(7 * DAY)]
    assert max_ages(await browser.get("/logout")) == ["0"]


async def test_without_it_the_cookie_has_no_age():
    assert max_ages(await Browser(Site()).get("/put?a=1")) == [None]


@pytest.mark.parametrize(
    ("timeout", "age", "seconds_left", "is_renewed"),
    [
        (1000, 1000, 901, False),
        (1000, 1000, 900, True),
        (1000, 5000, 900, True),
        (1000, 100, 991, False),
        (1000, 100, 990, True),  # the cookie has lived a tenth of its life
        (1000, 100, None, True),
    ],
)
async def test_a_persistent_cookie_is_renewed_as_it_is_used(timeout, age, seconds_left, is_renewed):
    backend = Aging()
    browser = Browser(Site(backend, session_timeout=timeout, session_cookie_max_age=age))
    await browser.get("/put?a=1")
    backend.calls.clear()
    backend.left = seconds_left
    answer = await browser.get("/")
    assert max_ages(answer) == ([str(age)] if is_renewed else [])
    assert backend.calls == (["load", "touch"] if is_renewed else ["load"])


async def test_a_change_renews_the_cookie_since_it_pushes_the_expiry_out():
    browser = Browser(Site(session_cookie_max_age=DAY))
    await browser.get("/put?a=1")
    answer = await browser.get("/put?a=2")
    assert max_ages(answer) == [str(DAY)]
    assert set_cookies(answer)[0]["value"] == browser.session_id


async def test_a_response_of_a_mount_renews_no_cookie():
    async def page(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})

    class Hook(HttpMiddleware):
        async def before_request(self, request):
            request.session.get("a")

    backend = Aging()
    app = Site(backend, session_cookie_max_age=DAY)
    app.mount("/page", page)
    app.mount("/child", Site())
    app.middlewares.append(Hook())
    browser = Browser(app)
    await browser.get("/put?a=1")
    backend.left = 1
    for url in ("/page", "/child"):
        assert set_cookies(await browser.get(url)) == []
    assert max_ages(await browser.get("/")) == [str(DAY)]
    # What a handler of a mounted App says itself is another thing.
    assert max_ages(await browser.get("/child/remember?days=3")) == [str(3 * DAY)]


# A life of its own


@pytest.mark.parametrize("before", [[], ["/put?cart=pie"]])
@pytest.mark.parametrize("regenerate", ["", "yes"])
async def test_a_session_gets_a_life_of_its_own(before, regenerate):
    app = Site(session_timeout=60)
    browser = Browser(app)
    for url in before:
        await browser.get(url)
    answer = await browser.get(f"/login?user=ann&regenerate={regenerate}")
    assert max_ages(answer) == [str(30 * DAY)]
    assert 29 * DAY < await left(app, browser) <= 30 * DAY
    session = (await browser.get("/")).json
    assert session == {"user": "ann", **({"cart": "pie"} if before else {})}


async def test_it_is_kept_by_whatever_comes_later_until_the_session_is_cleared():
    app = Site(session_timeout=60)
    browser = Browser(app)
    await browser.get("/login?user=ann")
    for url in ("/put?a=1", "/regenerate", "/forget/a"):
        assert max_ages(await browser.get(url)) == [str(30 * DAY)]
        assert await left(app, browser) > 29 * DAY
    assert max_ages(await browser.get("/remember?days=1")) == [str(DAY)]
    assert await left(app, browser) <= DAY
    await browser.get("/logout")
    assert max_ages(await browser.get("/put?a=1")) == [None]
    assert await left(app, browser) <= 60


async def test_others_keep_theirs():
    app = Site(session_timeout=60)
    one, other = Browser(app), Browser(app)
    await one.get("/login?user=ann")
    await other.get("/put?a=1")
    assert await left(app, other) <= 60


@pytest.mark.parametrize(("seconds_left", "is_due"), [(28, False), (27, True)])
async def test_it_is_renewed_after_a_tenth_of_it(seconds_left, is_due):
    backend = Aging()
    browser = Browser(Site(backend, session_timeout=60))
    await browser.get("/login?user=ann&days=30")
    backend.left = seconds_left * DAY
    backend.calls.clear()
    assert max_ages(await browser.get("/")) == ([str(30 * DAY)] if is_due else [])
    assert backend.calls == (["load", "touch"] if is_due else ["load"])


async def test_a_backend_of_two_methods_keeps_it_too():
    backend = ReadmeBackend()
    timeouts = []
    save = backend.save

    async def note(session_id, data, timeout):
        timeouts.append(timeout)
        await save(session_id, data, timeout)

    backend.save = note
    browser = Browser(Site(backend, session_timeout=60))
    await browser.get("/login?user=ann&days=2")
    assert (await browser.get("/put?a=1")).status == 204
    assert (await browser.get("/")).json == {"user": "ann", "a": "1"}
    assert set(timeouts) == {2 * DAY}


async def test_an_empty_session_is_none_however_long_it_was_to_live():
    backend = WatchedBackend()
    browser = Browser(Site(backend))
    await browser.get("/remember?days=3")
    assert (browser.cookies, backend.calls) == ({}, [])
    await browser.get("/login?user=ann")
    session_id = browser.session_id
    await browser.get("/forget/user")
    assert browser.cookies == {}
    assert await backend.stored(session_id) == {}


@pytest.mark.parametrize(
    "seconds", [0, 0.5, -1, math.inf, math.nan, 400 * DAY + 1, "60", None, True]
)
async def test_a_wrong_lifetime_is_an_error(seconds, logged):
    class Wrong(App):
        async def index(self):
            self.request.session_lifetime(seconds)

    assert (await Client(Wrong()).get("/")).status == 500
    assert "seconds" in str(logged[0].exc_info[1])


async def test_the_key_of_the_lifetime_is_reserved(logged):
    browser = Browser(Site())
    assert (await browser.get("/put?micropie.lifetime=1")).status == 500
    assert "session_lifetime()" in str(logged[0].exc_info[1])
