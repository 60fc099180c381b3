"""Session stores that fail."""

import pytest

from micropie import App, HTTPError, HttpMiddleware, SecurityHeaders
from support.asgi import Client
from support.notes import Aging, Hooks, Notes, noted, one_error
from support.sessions import Browser, ReadmeBackend, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio


async def answer_of(browser, url, status, logged):
    answer = await browser.get(url)
    assert answer.status == status
    assert answer.text.startswith("503 Service Unavailable")
    assert "today" not in answer.text
    assert set_cookies(answer) == []
    assert isinstance(one_error(logged).exc_info[1], Exception)
    assert "today" in str(one_error(logged).exc_info[1])


@pytest.mark.parametrize("url", ["/", "/note?a=2", "/ignore", "/logout"])
async def test_a_failing_load_is_a_503(url, logged):
    called = []
    backend = WatchedBackend()

    class Called(Notes):
        async def ignore(self):
            called.append("ignore")

    browser = await noted(Called(backend), a=1)
    backend.failing = {"load"}
    await answer_of(browser, url, 503, logged)
    assert backend.calls == ["load"]
    assert called == []
    backend.failing = set()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_store_that_stays_away_is_a_line_of_the_log_for_each_request(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for method, url in (("load", "/"), ("merge", "/note?a=2")):
        backend.failing = {method}
        for _ in range(3):
            assert (await browser.get(url)).status == 503
    lines = [record.getMessage() for record in logged]
    assert [line.partition("WatchedBackend: ")[2] for line in lines] == [
        *3 * ["ConnectionError: no load today"],
        *3 * ["ConnectionError: no merge today"],
    ]
    # Dozens of lines, which say the same each time.
    assert [record.exc_info is not None for record in logged] == [True, *5 * [False]]


async def test_a_failing_load_is_no_matter_for_those_without_a_session():
    backend = WatchedBackend()
    backend.failing = {"load"}
    assert (await Client(Notes(backend)).get("/")).json == {}


async def test_a_failing_save_is_a_503(logged):
    backend = WatchedBackend()
    backend.failing = {"save"}
    browser = Browser(Notes(backend))
    await answer_of(browser, "/note?a=1", 503, logged)
    assert browser.cookies == {}


async def test_a_failing_merge_is_a_503_and_nothing_is_half_done(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"merge"}
    await answer_of(browser, "/note?a=2&b=3", 503, logged)
    assert await backend.stored(browser.session_id) == {"a": "1"}
    backend.failing = set()
    await browser.get("/note?b=3")
    assert (await browser.get("/")).json == {"a": "1", "b": "3"}


async def test_a_failing_logout_is_a_503_and_keeps_the_cookie(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"save"}
    await answer_of(browser, "/logout", 503, logged)
    backend.failing = set()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_store_that_fails_under_a_stream_is_a_503(logged):
    closed = []

    class Streaming(App):
        async def index(self):
            self.session["a"] = 1
            try:
                yield "one"
                yield "two"
            finally:
                closed.append(True)

    backend = WatchedBackend()
    backend.failing = {"save"}
    await answer_of(Browser(Streaming(backend)), "/", 503, logged)
    assert closed == [True]


async def test_hooks_run_once_when_storing_fails(logged):
    backend = WatchedBackend()
    app = Notes(backend)
    hooks = Hooks()
    app.middlewares.append(hooks)
    backend.failing = {"save"}
    await answer_of(Browser(app), "/note?a=1", 503, logged)
    assert len(hooks.seen) == 1
    assert backend.calls == ["save"]


POLICY = "default-src 'none'; script-src 'nonce-{nonce}'"


class Teller(HttpMiddleware):
    """Adds a header, and tells which statuses it has seen, before the hooks around it."""

    def __init__(self, **does):
        self.seen = []
        self.does = does

    async def before_request(self, request):
        return self.does.get("before", lambda request: None)(request)

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append(status_code)
        extra_headers.append(("X-Told", "yes"))


@pytest.mark.parametrize("is_mounted", [False, True])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("failing", ["load", "merge"])
async def test_the_503_of_a_store_has_the_headers_that_protect_visitors(
    failing, order, is_mounted, logged
):
    backend = WatchedBackend()
    app = inner = Notes(backend)
    if is_mounted:
        app = App(backend)
        app.mount("/in", Notes())
    app.middlewares = [Teller(), SecurityHeaders(POLICY)][::order]
    browser = await noted(inner, a=1)
    browser.client.app = app
    backend.failing = {failing}
    answer = await browser.get("/in/note?a=2" if is_mounted else "/note?a=2")
    assert answer.status == 503
    (policy,) = (value for name, value in answer.headers if name == "content-security-policy")
    assert len(policy) == len(POLICY) - len("{nonce}") + 32
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"


async def test_hooks_see_the_503_of_a_failing_load(logged):
    backend = WatchedBackend()
    app, told = Notes(backend), Teller()
    app.middlewares.append(told)
    browser = await noted(app, a=1)
    told.seen.clear()
    backend.failing = {"load"}
    answer = await browser.get("/")
    assert (answer.status, answer.header("X-Told"), told.seen) == (503, "yes", [503])


def looks(request):
    return {"body": "a login form"} if "a" not in request.session else None


def starts_another(request):
    request.session = {"a": "another"}


@pytest.mark.parametrize("before", [looks, starts_another, lambda request: {"body": "hello"}])
async def test_no_hook_takes_a_browser_for_a_new_one_while_its_session_can_not_be_loaded(
    before, logged
):
    backend = WatchedBackend()
    app, first = Notes(backend), Teller()
    browser = await noted(app, a=1)
    app.middlewares += [first, Teller(before=before)]
    backend.failing = {"load"}
    answer = await browser.get("/")
    assert (answer.status, set_cookies(answer), first.seen[-1]) == (503, [], 503)
    backend.failing = set()
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_what_a_hook_raises_while_a_session_can_not_be_loaded_is_logged(logged):
    def breaks(request):
        raise KeyError("broken")

    backend = WatchedBackend()
    app, first = Notes(backend), Teller()
    browser = await noted(app, a=1)
    app.middlewares += [first, Teller(before=breaks)]
    backend.failing = {"load"}
    answer = await browser.get("/")
    assert (answer.status, first.seen) == (503, [503])
    store, hook = (record.getMessage() for record in logged)
    assert "could not be loaded" in store
    assert "Teller.before_request failed" in hook


async def test_a_failing_touch_is_logged_and_the_request_goes_on(logged):
    backend = Aging()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"touch"}
    answer = await browser.get("/")
    assert (answer.status, answer.json) == (200, {"a": "1"})
    assert backend.calls == ["load", "touch"]
    record = one_error(logged)
    assert "kept alive" in record.getMessage()
    assert "no touch today" in str(record.exc_info[1])


@pytest.mark.parametrize("error", [TimeoutError(), HTTPError(418), KeyError("x"), OSError(5)])
async def test_whatever_a_backend_raises_is_a_503(error, logged):
    class Broken(ReadmeBackend):
        async def load(self, session_id):
            raise error

    answer = await Browser(Notes(Broken()), {"session_id": "x"}).get("/")
    assert answer.status == 503
    assert one_error(logged).exc_info[1] is error


async def test_an_id_never_gets_into_the_log(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for method, url in (("load", "/"), ("merge", "/note?a=2"), ("save", "/logout")):
        backend.failing = {method}
        await browser.get(url)
    assert len(logged) == 3
    for record in logged:
        assert browser.session_id not in record.getMessage()
