"""Streams that fail, before their first chunk and after."""

from itertools import count

import pytest

from micropie import App, HTTPError
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


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_half_a_surrogate_pair_does_not_break_a_stream(kind):
    answer = await Client(streaming(kind, lambda: ["a", "b\ud800c"])).get("/")
    assert (answer.body, answer.complete) == (b"ab?c", True)
