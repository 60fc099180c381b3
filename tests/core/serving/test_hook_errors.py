"""Hooks that fail, or return what is no answer."""

import asyncio

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import PATIENCE, Client
from support.hooks import Changing, Hook, Page, hooked

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_exception_in_a_hook_is_a_logged_500(when, logged):
    error = ValueError("broken hook")
    answer = await hooked(Hook(**{when: error})).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    (record,) = logged
    assert record.exc_info[1] is error


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_http_error_in_a_hook_is_the_answer(when):
    answer = await hooked(Hook(**{when: HTTPError(401, "who?", {"X-A": "1"})})).get("/")
    assert (answer.status, answer.text, answer.header("x-a")) == (401, "who?", "1")


async def test_an_error_in_before_ends_the_way_in():
    log: list[str] = []
    failing = Hook("b", log, before=HTTPError(401))
    await hooked(Hook("a", log), failing, Hook("c", log)).get("/")
    assert log == ["a before", "b before", "a after 401"]


async def test_an_error_in_after_does_not_end_the_way_out():
    log: list[str] = []
    failing = Hook("b", log, after=HTTPError(401))
    await hooked(Hook("a", log), failing, Hook("c", log)).get("/")
    assert log[3:] == ["c after 200", "b after 200", "a after 401"]


async def test_an_error_page_may_replace_the_error_of_another_hook(logged):
    pages = Changing(lambda status, body, headers: {"body": f"page {status}"})
    answer = await hooked(pages, Hook(after=ValueError("x"))).get("/")
    assert (answer.status, answer.text) == (500, "page 500")


async def test_a_failing_error_page_is_a_plain_500(logged):
    answer = await hooked(Hook(after=ValueError("x"))).get("/fails")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 2


async def test_in_debug_an_error_in_a_hook_shows_its_traceback(logged):
    answer = await hooked(Hook(before=ValueError("broken hook")), debug=True).get("/")
    assert "ValueError: broken hook" in answer.text


async def test_a_hook_that_reads_a_stream_and_gives_nothing_for_it_is_a_500(logged):
    class Reading(HttpMiddleware):
        async def before_request(self, request):
            return None

        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"headers": [("X-Size", str(len([c async for c in response_body])))]}

    class Streaming(App):
        async def index(self):
            yield "a"
            yield "b"

    app = Streaming()
    app.middlewares.append(Reading())
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    (record,) = logged
    assert "index streamed to a hook that gave no other body in its place" in record.getMessage()


async def test_an_error_of_a_hook_closes_the_stream():
    closed = []

    class Streaming(Page):
        async def index(self):
            try:
                yield "a"
            finally:
                closed.append(True)

    app = Streaming()
    app.middlewares.append(Hook(after=HTTPError(503)))
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (503, "503 Service Unavailable")
    assert closed == [True]


@pytest.mark.parametrize("after", [{"body": "replaced"}, HTTPError(503)], ids=["body", "error"])
async def test_what_replaces_a_stream_does_not_wait_for_its_end(after):
    may_end = asyncio.Event()

    class Streaming(Page):
        async def index(self):
            try:
                yield "a"
            finally:
                await may_end.wait()

    app = Streaming()
    app.middlewares.append(Hook(after=after))
    async with Client(app).open("GET", "/") as exchange:
        async with asyncio.timeout(PATIENCE):
            await exchange.started()
        may_end.set()
        assert (await exchange.finish()).complete


WRONG_ANSWERS = [
    {"status": 200},
    {"status_code": 200, "content": "x"},
    {5: "x"},
    {"status_code": "200"},
    {"status_code": 99},
    {"status_code": None},
    {"body": {1, 2}},
    {"headers": 5},
    {"headers": {"X-A": "a\r\nb"}},
    "text",
    (200, "text"),
    True,
    5,
]


@pytest.mark.parametrize("wrong", WRONG_ANSWERS, ids=repr)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_wrong_answer_of_a_hook_is_a_logged_500(when, wrong, logged):
    answer = await hooked(Hook(**{when: wrong})).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_unknown_keys_are_named_in_the_log(when, logged):
    await hooked(Hook(**{when: {"status": 200, "body": ""}})).get("/")
    assert "unknown keys from a hook: ['status']" in logged[0].getMessage()


async def test_a_header_that_a_hook_added_in_place_can_not_inject(logged):
    def change(status, body, headers):
        headers.append(("X-A", "a\r\nSet-Cookie: evil=1"))

    answer = await hooked(Changing(change)).get("/")
    assert (answer.status, answer.header("x-a")) == (500, None)
