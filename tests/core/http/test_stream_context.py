"""A stream runs in one task and one context."""

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from micropie import App
from support.asgi import Client
from support.streaming import KINDS, streaming

pytestmark = pytest.mark.anyio

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")


@pytest.mark.parametrize("kind", KINDS)
async def test_the_request_is_visible_inside_a_stream(kind):
    app = streaming(kind, lambda: (app.request.query("name") for _ in range(3)))
    assert (await Client(app).get("/?name=Bob")).text == "BobBobBob"


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_what_a_stream_sets_in_its_context_stays_to_the_end(kind):
    errors: list[Exception] = []
    closed = threading.Event()

    def chunks():
        token = variable.set("a")
        try:
            yield variable.get()
            variable.set("b")
            while True:
                yield variable.get()
        finally:
            try:
                variable.reset(token)
            except ValueError as error:  # another context than the one it was set in
                errors.append(error)
            closed.set()

    async with Client(streaming(kind, chunks)).open("GET", "/") as exchange:
        assert [await exchange.chunk() for _ in range(3)] == [b"a", b"b", b"b"]
        exchange.pause()
        await asyncio.sleep(0.01)
        exchange.disconnect()
        await exchange.ended()
    assert closed.is_set()
    assert errors == []
    with pytest.raises(LookupError):
        variable.get()


@pytest.mark.parametrize("paused", [False, True])
async def test_a_generator_lives_in_one_task_from_first_to_last(paused):
    tasks: set[Any] = set()

    class Telling(App):
        async def index(self):
            try:
                while True:
                    tasks.add(asyncio.current_task())
                    yield "a"
            finally:
                tasks.add(asyncio.current_task())

    async with Client(Telling()).open("GET", "/") as exchange:
        await exchange.chunk()
        if paused:
            exchange.pause()
            await asyncio.sleep(0.01)
        exchange.disconnect()
        await exchange.ended()
    assert len(tasks) == 1


async def test_timeouts_and_task_groups_work_inside_a_stream():
    class Grouped(App):
        async def index(self):
            async with asyncio.timeout(5), asyncio.TaskGroup() as group:
                task = group.create_task(asyncio.sleep(0, "a"))
                yield await task
                yield "b"
            try:
                async with asyncio.timeout(0.001):
                    await asyncio.Event().wait()
            except TimeoutError:
                yield "late"

    answer = await Client(Grouped()).get("/")
    assert (answer.text, answer.complete) == ("ablate", True)


async def test_streams_leave_no_task_behind():
    class Waiting(App):
        async def index(self):
            yield "a"

        async def forever(self):
            yield "a"
            await asyncio.Event().wait()

    client = Client(Waiting())
    before = asyncio.all_tasks()
    await client.get("/")
    async with client.open("GET", "/forever") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_stream_that_is_done_stops_waiting_for_its_client_to_leave():
    class Short(App):
        async def index(self):
            yield "a"

    waiting = asyncio.Event()

    async def receive():
        waiting.set()
        await asyncio.Event().wait()

    async def send(message):
        await waiting.wait()

    before = asyncio.all_tasks()
    await Short()(Client(None).scope("GET", "/"), receive, send)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
