"""Which requests store their session, and that it is stored before the first byte of the answer."""

import asyncio

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import Client
from support.notes import Hooks, Notes, noted, one_error
from support.sessions import Browser, WatchedBackend, set_cookies, varies_by_cookie

pytestmark = pytest.mark.anyio

# Which requests store.


class Outcomes(Notes):
    async def raising(self):
        self.session["a"] = "changed"
        raise RuntimeError("broken")

    async def unsendable(self):
        self.session["a"] = "changed"
        return object()

    async def bad_header(self):
        self.session["a"] = "changed"
        return 200, "x", {"X": "a\r\nb"}

    async def raising_stream(self):
        self.session["a"] = "changed"
        raise RuntimeError("broken before its first chunk")
        yield "never"

    async def error(self, status: int):
        self.session["a"] = "changed"
        raise HTTPError(status)

    async def status(self, status: int):
        self.session["a"] = "changed"
        return status, "x"

    async def nothing(self):
        self.session["a"] = "changed"

    async def away(self):
        self.session["a"] = "changed"
        return self._redirect("/")

    async def stream(self):
        self.session["a"] = "changed"
        yield "one"
        yield "two"

    def sync_stream(self):
        self.session["a"] = "changed"
        yield "one"

    async def returned_stream(self):
        self.session["a"] = "changed"

        async def chunks():
            yield "one"

        return chunks()


@pytest.mark.parametrize("url", ["/raising", "/unsendable", "/bad_header", "/raising_stream"])
@pytest.mark.parametrize("known", [False, True])
async def test_a_handler_that_fails_stores_nothing(url, known, logged):
    backend = WatchedBackend()
    app = Outcomes(backend)
    browser = await noted(app, a=1) if known else Browser(app)
    answer = await browser.get(url)
    assert answer.status == 500
    assert set_cookies(answer) == []
    assert backend.calls == (["load"] if known else [])
    assert (await browser.get("/")).json == ({"a": "1"} if known else {})
    assert one_error(logged)


@pytest.mark.parametrize(
    "url",
    [
        *("/error/400", "/error/404", "/error/503", "/status/200", "/status/404", "/status/500"),
        *("/nothing", "/away", "/stream", "/sync_stream", "/returned_stream", "/status/304"),
    ],
)
@pytest.mark.parametrize("known", [False, True])
async def test_every_other_answer_stores(url, known):
    app = Outcomes()
    browser = await noted(app, a=1) if known else Browser(app)
    await browser.get(url)
    assert (await browser.get("/")).json == {"a": "changed"}


async def test_hooks_can_read_and_write_the_session():
    app = Notes()
    hooks = Hooks()
    app.middlewares.append(hooks)
    browser = Browser(app)
    await browser.get("/note?a=1")
    assert (await browser.get("/")).json == {"before": 2, "a": "1", "after": 1}
    assert hooks.seen[1] == {"before": 2, "a": "1", "after": 1}
    assert (await browser.get("/")).json == {"before": 3, "a": "1", "after": 2}


async def test_hooks_and_the_app_mean_the_same_session():
    app = Notes()

    class Reading(HttpMiddleware):
        async def before_request(self, request):
            assert app.request is request
            assert app.session is request.session
            app.session["hook"] = 1

    app.middlewares.append(Reading())
    browser = Browser(app)
    await browser.get("/ignore")
    assert (await browser.get("/")).json == {"hook": 1}


@pytest.mark.parametrize("url", ["/note?a=1", "/nowhere"])
async def test_an_answer_of_a_hook_stores(url):
    app = Notes()
    app.middlewares.append(Hooks({"status_code": 403, "body": "no"}))
    browser = Browser(app)
    assert (await browser.get(url)).status == 403
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 1, "after": 1}


async def test_hooks_store_with_a_404_too():
    app = Notes()
    app.middlewares.append(Hooks())
    browser = Browser(app)
    assert (await browser.get("/nowhere")).status == 404
    assert (await browser.get("/nowhere")).status == 404
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 2, "after": 2}


async def test_an_http_error_of_a_hook_stores():
    app = Notes()
    app.middlewares.append(Hooks(error=HTTPError(403)))
    browser = Browser(app)
    assert (await browser.get("/note?a=1")).status == 403
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 1, "a": "1", "after": 1}


async def test_a_hook_that_fails_stores_nothing(logged):
    app = Notes()
    app.middlewares.append(Hooks(error=RuntimeError("broken")))
    browser = Browser(app)
    assert (await browser.get("/note?a=1")).status == 500
    assert browser.cookies == {}
    assert one_error(logged)


async def test_after_a_handler_that_failed_a_hook_can_store_nothing(logged):
    app = Outcomes()
    browser = await noted(app, a=1)
    app.middlewares.append(Hooks())
    assert (await browser.get("/raising")).status == 500
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"a": "1"}
    assert one_error(logged)


# Vary.


@pytest.mark.parametrize(
    ("url", "varies"), [("/", True), ("/note?a=1", True), ("/logout", True), ("/ignore", False)]
)
@pytest.mark.parametrize("known", [False, True])
async def test_what_used_the_session_varies_by_cookie(url, varies, known):
    app = Notes()
    browser = await noted(app, b=1) if known else Browser(app)
    assert varies_by_cookie(await browser.get(url)) is varies


@pytest.mark.parametrize("url", ["/stream", "/nothing", "/away", "/error/404", "/status/304"])
async def test_every_kind_of_answer_varies_by_cookie(url):
    assert varies_by_cookie(await Client(Outcomes()).get(url))
    assert varies_by_cookie(await Client(Outcomes()).head("/nothing"))


async def test_an_error_page_varies_by_cookie(logged):
    assert varies_by_cookie(await Client(Outcomes()).get("/raising"))
    assert one_error(logged)


async def test_a_session_that_only_a_hook_read_varies_by_cookie():
    class Reading(HttpMiddleware):
        async def after_request(self, request, *response):
            request.session.get("user")

    app = Notes()
    app.middlewares.append(Reading())
    assert varies_by_cookie(await Client(app).get("/ignore"))


@pytest.mark.parametrize("own", ["Accept-Encoding", "Accept, Cookie", "*"])
async def test_a_vary_of_the_handlers_own_stays(own):
    class Varying(App):
        async def index(self):
            return 200, str(len(self.session)), {"Vary": own}

    answer = await Client(Varying()).get("/")
    values = ", ".join(value for name, value in answer.headers if name == "vary")
    assert own in values
    assert varies_by_cookie(answer)


# Stored before the first byte.


def recording(app, events):
    """Note the messages that *app* sends among *events*."""

    async def recorded(scope, receive, send):
        async def noting(message):
            events.append(message["type"].removeprefix("http.response."))
            await send(message)

        await app(scope, receive, noting)

    return recorded


@pytest.mark.parametrize("url", ["/nothing", "/stream", "/sync_stream", "/error/404", "/away"])
async def test_the_session_is_stored_before_the_first_byte(url):
    backend = WatchedBackend()
    app = Outcomes(backend)
    browser = Browser(app)
    browser.client.app = recording(app, backend.calls)
    await browser.get(url)
    assert backend.calls[:2] == ["save", "start"]
    backend.calls.clear()
    await browser.get("/note?b=1")
    assert backend.calls == ["load", "merge", "start", "body"]


async def test_nothing_is_sent_while_the_store_is_slow():
    backend = WatchedBackend()
    backend.gates["save"] = asyncio.Event()
    async with Client(Outcomes(backend)).open("GET", "/stream") as exchange:
        await backend.arrived["save"].wait()
        assert exchange.messages == []
        backend.gates["save"].set()
        assert (await exchange.finish()).text == "onetwo"


class LateStream(Notes):
    async def late(self):
        yield "one"
        self.session["late"] = 1
        yield "two"

    async def late_logout(self):
        yield "one"
        self.session.clear()

    async def late_regeneration(self):
        yield "one"
        self.request.regenerate_session()

    async def late_object(self):
        yield "one"
        self.session["late"] = object()

    async def unused(self):
        yield "one"
        self.session.get("late")


@pytest.mark.parametrize("url", ["/late", "/late_logout", "/late_regeneration", "/late_object"])
async def test_a_change_after_the_response_began_is_logged(url, logged):
    backend = WatchedBackend()
    browser = await noted(LateStream(backend), a=1)
    answer = await browser.get(url)
    assert (answer.status, answer.error, answer.complete) == (200, None, True)
    message = one_error(logged).getMessage()
    assert "after its response had begun" in message
    assert url.strip("/") in message
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_reading_the_session_after_the_response_began_is_fine():
    browser = await noted(LateStream(), a=1)
    assert (await browser.get("/unused")).text == "one"


async def test_a_regeneration_without_a_session_leaves_nothing_to_store_after_a_stream():
    class Streaming(App):
        async def index(self):
            self.request.regenerate_session()
            yield "one"

    assert (await Client(Streaming()).get("/")).text == "one"


async def test_a_stream_that_fails_midway_has_stored_before(logged):
    class Breaking(Notes):
        async def stream(self):
            self.session["a"] = 1
            yield "one"
            raise RuntimeError("midway")

    app = Breaking()
    browser = Browser(app)
    assert (await browser.get("/stream")).error is not None
    assert one_error(logged)
    assert (await browser.get("/")).json == {"a": 1}
