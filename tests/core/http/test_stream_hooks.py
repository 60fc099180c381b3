"""Hooks around streams."""

import asyncio
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.streaming import KINDS, failing_after, streaming

pytestmark = pytest.mark.anyio


class Recording(HttpMiddleware):
    def __init__(self, changes: Callable[[Any], Any] = lambda body: None) -> None:
        self.seen: list[Any] = []
        self.changes = changes

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append((status_code, type(response_body).__name__))
        extra_headers.append(("X-Hook", "ran"))
        return self.changes(response_body)


def hooked(app: App, changes: Callable[[Any], Any] = lambda body: None) -> Client:
    app.middlewares.append(Recording(changes))
    return Client(app)


@pytest.mark.parametrize("kind", KINDS)
async def test_hooks_run_before_a_stream_is_sent(kind):
    client = hooked(streaming(kind, lambda: ["a", "b"]))
    answer = await client.get("/")
    assert (answer.text, answer.header("x-hook")) == ("ab", "ran")
    ((status, body),) = client.app.middlewares[0].seen
    assert status == 200
    assert "generator" in body


@pytest.mark.parametrize("kind", KINDS)
async def test_hooks_see_the_500_of_a_stream_that_fails_at_once(kind, logged):
    client = hooked(streaming(kind, failing_after([])))
    answer = await client.get("/")
    assert (answer.status, answer.header("x-hook")) == (500, "ran")
    assert client.app.middlewares[0].seen == [(500, "str")]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stream_that_a_hook_replaces_is_closed(kind):
    closed = threading.Event()

    def chunks():
        try:
            yield "a"
            yield "b"
        finally:
            closed.set()

    answer = await hooked(streaming(kind, chunks), lambda body: {"body": "instead"}).get("/")
    assert answer.body == b"instead"
    assert closed.is_set()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hook_may_change_the_status_of_a_stream(kind):
    client = hooked(streaming(kind, lambda: ["a", "b"]), lambda body: {"status_code": 206})
    answer = await client.get("/")
    assert (answer.status, answer.text) == (206, "ab")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hook_may_hand_a_stream_on_as_it_is(kind):
    client = hooked(streaming(kind, lambda: ["a", "b"]), lambda body: {"body": body})
    answer = await client.get("/")
    assert (answer.text, answer.complete) == ("ab", True)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hook_may_make_another_stream_of_a_stream(kind):
    async def upper(body):
        async for chunk in body:
            yield chunk.upper()

    source = streaming(kind, lambda: ["a", b"b", "", "c"])
    client = hooked(source, lambda body: {"body": upper(body)})
    client.app.middlewares.append(Recording(lambda body: {"body": body}))
    answer = await client.get("/")
    assert (answer.chunks, answer.complete) == ([b"A", b"B", b"C"], True)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_error_of_a_stream_passes_through_a_hooks_stream(kind, logged):
    async def upper(body):
        async for chunk in body:
            yield chunk.upper()

    client = hooked(streaming(kind, failing_after(["a", "b"])), lambda body: {"body": upper(body)})
    answer = await client.get("/")
    assert (answer.body, answer.complete) == (b"AB", False)
    assert isinstance(answer.error, ValueError)
    assert len(logged) == 1


async def test_a_stream_within_a_hooks_stream_is_closed_when_the_client_leaves():
    log = []

    class Waiting(App):
        async def index(self):
            try:
                yield "a"
                await asyncio.Event().wait()
            finally:
                log.append("inner")

    async def upper(body):
        try:
            async for chunk in body:
                yield chunk.upper()
        finally:
            log.append("outer")

    client = hooked(Waiting(), lambda body: {"body": upper(body)})
    async with client.open("GET", "/") as exchange:
        assert await exchange.chunk() == b"A"
        exchange.disconnect()
        await exchange.ended()
        assert sorted(log) == ["inner", "outer"]
        assert (await exchange.finish()).error is None


async def test_a_stream_runs_no_faster_than_a_hooks_stream_takes_it():
    made = []

    class Endless(App):
        async def index(self):
            for n in count():
                made.append(n)
                yield str(n)

    async def each(body):
        async for chunk in body:
            yield chunk

    client = hooked(Endless(), lambda body: {"body": each(body)})
    async with client.open("GET", "/") as exchange:
        assert await exchange.chunk() == b"0"
        exchange.pause()
        await asyncio.sleep(0.01)
        assert len(made) < len(exchange.messages) + 3


async def test_a_hook_may_answer_with_a_stream():
    async def chunks():
        yield "a"
        yield "b"

    class Answering(HttpMiddleware):
        async def before_request(self, request):
            return {"status_code": 203, "body": chunks()}

    app = App()
    app.middlewares += [Answering(), Recording()]
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (203, "ab")


async def test_a_hook_may_put_a_stream_in_place_of_a_body():
    async def chunks():
        yield "a"

    async def failing():
        raise ValueError("x")
        yield

    class Page(App):
        async def index(self):
            return "text"

    assert (await hooked(Page(), lambda body: {"body": chunks()}).get("/")).text == "a"


async def test_a_stream_of_a_hook_that_fails_at_once_is_a_500(logged):
    async def failing():
        raise ValueError("x")
        yield

    class Page(App):
        async def index(self):
            return "text"

    answer = await hooked(Page(), lambda body: {"body": failing()}).get("/")
    assert (answer.status, answer.complete) == (500, True)
    assert len(logged) == 1
