"""Streams that fail, before their first chunk and after."""

import asyncio
from itertools import count

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import Client
from support.streaming import KINDS, failing_after, streaming

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_before_the_first_chunk_is_a_clean_500(kind, logged):
    answer = await Client(streaming(kind, failing_after([]))).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert answer.complete
    assert answer.error is None
    assert len(logged) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_an_http_error_before_the_first_chunk_is_the_answer(kind):
    app = streaming(kind, failing_after([], HTTPError(404, "no such file")))
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (404, "no such file")


class Late(App):
    """Fails before its first chunk, but not at once."""

    async def index(self, status: int = 0):
        self.session["seen"] = True
        await asyncio.sleep(0.001)
        raise HTTPError(status, "gone") if status else ValueError("broken")
        yield

    async def empty(self):
        await asyncio.sleep(0.001)
        return
        yield


class Noting(HttpMiddleware):
    def __init__(self):
        self.seen = []

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append(status_code)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("hooks", [0, 1])
async def test_an_error_after_a_wait_but_before_the_first_chunk_is_an_answer(method, hooks, logged):
    app = Late()
    app.middlewares += [Noting()] * hooks
    answer = await Client(app).request(method, "/")
    assert (answer.status, answer.complete, answer.error) == (500, True, None)
    assert answer.header("set-cookie") is None  # what fails stores no session
    assert len(logged) == 1
    answer = await Client(app).request(method, "/?status=410")
    assert (answer.status, answer.complete) == (410, True)
    assert "session_id=" in answer.header("set-cookie")
    assert len(logged) == 1
    assert all(middleware.seen == [500, 410] for middleware in app.middlewares)


async def test_an_empty_stream_that_took_a_while_is_an_empty_body():
    answer = await Client(Late()).get("/empty")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)


async def test_an_error_before_the_first_chunk_of_a_mounted_app_reaches_the_hooks_in_front(logged):
    app = App()
    app.mount("/inner", Late())
    app.middlewares.append(Noting())
    assert (await Client(app).get("/inner")).status == 500
    assert (await Client(app).get("/inner/?status=404")).status == 404
    assert app.middlewares[0].seen == [500, 404]


async def test_a_hooks_stream_that_fails_after_a_wait_is_a_500(logged):
    async def failing():
        await asyncio.sleep(0.001)
        raise ValueError("broken")
        yield

    class Replacing(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": failing()}

    class Page(App):
        async def index(self):
            return "text"

    app = Page()
    app.middlewares.append(Replacing())
    answer = await Client(app).get("/")
    assert (answer.status, answer.complete) == (500, True)
    assert len(logged) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", [204, 304])
async def test_an_error_counts_where_no_body_is_sent(kind, status, logged):
    source = streaming(kind, failing_after([], HTTPError(403)))

    async def index():
        return status, source._sync() if "sync" in kind.split() else source._async()

    app = App()
    app.index = index
    assert (await Client(app).get("/")).status == 403


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_midway_ends_the_stream_without_the_final_chunk(kind, logged):
    answer = await Client(streaming(kind, failing_after(["a", "b"]))).get("/")
    assert (answer.status, answer.chunks) == (200, [b"a", b"b"])
    assert not answer.complete
    assert isinstance(answer.error, ValueError), "the server must hear of it, to cut the connection"
    (record,) = logged
    assert record.exc_info[1] is answer.error
    assert "failed" in record.getMessage()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_http_error_midway_is_too_late_to_be_an_answer(kind, logged):
    app = streaming(kind, failing_after(["a"], HTTPError(404)))
    answer = await Client(app).get("/")
    assert (answer.status, answer.complete) == (200, False)
    assert len(logged) == 1


@pytest.mark.parametrize("kind", KINDS)
async def test_in_debug_no_traceback_gets_into_a_stream(kind, logged):
    app = streaming(kind, failing_after(["a"]))
    app.debug = True
    answer = await Client(app).get("/")
    assert answer.body == b"a"


WRONG = [5, None, ["a"], {"a": 1}, object(), bytearray(b"x"), memoryview(b"x"), True]


@pytest.mark.parametrize("chunk", WRONG, ids=count())
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_first_chunk_of_a_wrong_type_is_a_clean_500(kind, chunk, logged):
    answer = await Client(streaming(kind, lambda: [chunk, "more"])).get("/")
    assert (answer.status, answer.complete) == (500, True)
    (record,) = logged
    assert f"must be str or bytes, not {type(chunk).__name__}" in str(record.exc_info[1])


@pytest.mark.parametrize("chunk", WRONG, ids=count())
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_later_chunk_of_a_wrong_type_ends_the_stream(kind, chunk, logged):
    answer = await Client(streaming(kind, lambda: ["a", chunk, "more"])).get("/")
    assert (answer.body, answer.complete) == (b"a", False)
    assert f"must be str or bytes, not {type(chunk).__name__}" in str(answer.error)
    assert len(logged) == 1


async def test_an_error_midway_runs_finally_blocks(logged):
    closed = []

    class Failing(App):
        async def index(self):
            try:
                yield "a"
                raise ValueError("x")
            finally:
                closed.append(True)

    await Client(Failing()).get("/")
    assert closed == [True]


@pytest.mark.parametrize("path", ["/stream", "/sync"])
async def test_what_a_finally_block_raises_is_logged_where_no_body_is_sent(path, logged):
    class Closing(App):
        async def stream(self):
            try:
                yield "x"
            finally:
                raise ValueError("broken")

        def sync(self):
            try:
                yield "x"
            finally:
                raise ValueError("broken")

    assert (await Client(Closing()).head(path)).status == 200
    (record,) = logged
    assert str(record.exc_info[1]) == "broken"


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_half_a_surrogate_pair_does_not_break_a_stream(kind):
    answer = await Client(streaming(kind, lambda: ["a", "b\ud800c"])).get("/")
    assert (answer.body, answer.complete) == (b"ab?c", True)
