"""A handler that has another ASGI app answer."""

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse

from micropie import App, ASGIResponse, HTTPError, HttpMiddleware
from support.asgi import Client
from support.sessions import Browser, WatchedBackend, varies_by_cookie

pytestmark = pytest.mark.anyio


class Pages(App):
    async def index(self):
        return ASGIResponse(PlainTextResponse("an answer", 203, {"X-Own": "yes"}))

    def plain(self):
        return ASGIResponse(PlainTextResponse("from a thread"))

    async def stream(self):
        async def chunks():
            yield b"one,"
            yield b"two"

        return ASGIResponse(StreamingResponse(chunks()))

    async def login(self):
        self.session["user"] = "ada"
        return ASGIResponse(PlainTextResponse("welcome"))

    async def forbid(self):
        async def refuse(scope, receive, send):
            raise HTTPError(403, "not yours")

        return ASGIResponse(refuse)

    async def fail(self, *, late=False):
        self.session["user"] = "nobody"

        async def broken(scope, receive, send):
            if late:
                await send({"type": "http.response.start", "status": 200, "headers": []})
            raise RuntimeError("broken")

        return ASGIResponse(broken)

    async def echo(self):
        async def app(scope, receive, send):
            message = await receive()
            await PlainTextResponse(message["body"] + scope["path"].encode())(scope, receive, send)

        return ASGIResponse(app)

    async def mixed(self):
        return 200, ASGIResponse(PlainTextResponse("x"))


class Noting(HttpMiddleware):
    def __init__(self, changes=None):
        self.seen = []
        self.changes = changes

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append((status_code, response_body))
        extra_headers.append(("X-Hook", "yes"))
        return self.changes


@pytest.mark.parametrize("hooked", [True, False])
async def test_the_app_answers(hooked):
    app = Pages()
    if hooked:
        app.middlewares.append(HttpMiddleware())
    client = Client(app)
    answer = await client.get("/")
    assert (answer.status, answer.text, answer.header("x-own")) == (203, "an answer", "yes")
    assert (await client.get("/plain")).text == "from a thread"
    assert (await client.get("/stream")).chunks == [b"one,", b"two"]
    assert (await client.post("/echo", body=b"at ")).text == "at /echo"


async def test_the_session_is_stored_before_the_app_answers():
    backend = WatchedBackend()
    browser = Browser(Pages(session_backend=backend))
    answer = await browser.get("/login")
    assert answer.text == "welcome"
    assert varies_by_cookie(answer)
    assert await backend.stored(browser.session_id) == {"user": "ada"}


async def test_the_session_of_a_mounted_app_is_stored_as_well():
    backend = WatchedBackend()
    root = App(session_backend=backend)
    root.mount("/pages", Pages())
    browser = Browser(root)
    assert (await browser.get("/pages/login")).text == "welcome"
    assert await backend.stored(browser.session_id) == {"user": "ada"}


async def test_a_session_store_that_fails_is_a_503_in_place_of_the_answer(logged):
    backend = WatchedBackend()
    backend.failing.add("save")
    answer = await Browser(Pages(session_backend=backend)).get("/login")
    assert (answer.status, answer.complete) == (503, True)
    assert len(logged) == 1


async def test_hooks_see_the_head_and_may_change_it():
    app = Pages()
    hook = Noting({"status_code": 418})
    app.middlewares.append(hook)
    answer = await Client(app).get("/")
    assert (answer.status, answer.text, answer.header("x-hook")) == (418, "an answer", "yes")
    assert hook.seen == [(203, None)]


async def test_hooks_may_give_another_body():
    app = Pages()
    app.middlewares.append(Noting({"body": "another"}))
    answer = await Client(app).get("/")
    assert (answer.status, answer.text, answer.header("x-hook")) == (203, "another", "yes")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("path", ["/", "/stream", "/mounted"])
async def test_a_status_without_a_body_takes_body_and_length_away(path, status):
    app = Pages()
    app.mount("/mounted", PlainTextResponse("an answer"))
    app.middlewares.append(Noting({"status_code": status}))
    answer = await Client(app).get(path)
    assert (answer.status, answer.body, answer.complete) == (status, b"", True)
    assert answer.header("content-length") is None


async def test_an_http_error_of_the_app_is_answered_as_one_of_the_handler():
    app = Pages()
    hook = Noting()
    app.middlewares.append(hook)
    answer = await Client(app).get("/forbid")
    assert (answer.status, answer.text, answer.header("x-hook")) == (403, "not yours", "yes")
    assert hook.seen == [(403, "not yours")]


async def test_an_app_that_fails_is_a_logged_500_that_stores_nothing(logged):
    backend = WatchedBackend()
    browser = Browser(Pages(session_backend=backend))
    answer = await browser.get("/fail")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert browser.session_id is None
    assert "fail failed" in logged[0].getMessage()


async def test_an_app_that_fails_after_its_head_ends_the_connection():
    answer = await Client(Pages()).get("/fail?late=1")
    assert not answer.complete
    assert type(answer.error) is RuntimeError


async def test_it_is_no_body(logged):
    assert (await Client(Pages()).get("/mixed")).status == 500
    assert "a handler returns it alone" in logged[0].getMessage()
