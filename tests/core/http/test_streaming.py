"""Streamed responses: chunks, errors, and clients that leave."""

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import PATIENCE, Client

pytestmark = pytest.mark.anyio

HTML = "text/html; charset=utf-8"

# How a handler can come by a stream: every one of these must behave alike.
KINDS = ["async", "async returned", "sync", "sync returned", "sync handler"]


def streaming(kind: str, chunks: Callable[[], Any]) -> App:
    """Return an app whose index streams `chunks()`, an iterable, in the way of *kind*."""

    class Streaming(App):
        async def _async(self):
            for chunk in chunks():
                yield chunk

        def _sync(self):
            yield from chunks()

    app = Streaming()

    async def returned():
        return app._async() if kind == "async returned" else app._sync()

    def sync_handler():
        return app._sync()

    app.index = {"async": app._async, "sync": app._sync, "sync handler": sync_handler}.get(
        kind, returned
    )
    return app


async def event(flag: threading.Event | asyncio.Event) -> None:
    """Wait for *flag*, or fail."""
    if isinstance(flag, threading.Event):
        assert await asyncio.to_thread(flag.wait, PATIENCE)
    else:
        async with asyncio.timeout(PATIENCE):
            await flag.wait()


# Chunks.


@pytest.mark.parametrize("kind", KINDS)
async def test_a_generator_is_sent_chunk_by_chunk(kind):
    app = streaming(kind, lambda: ["one", b"two\xff", "dreié"])
    answer = await Client(app).get("/")
    assert (answer.status, answer.complete) == (200, True)
    assert answer.chunks == [b"one", b"two\xff", "dreié".encode()]
    assert answer.headers == [("content-type", HTML)]


@pytest.mark.parametrize("kind", KINDS)
async def test_an_empty_generator_is_an_empty_body(kind):
    answer = await Client(streaming(kind, list)).get("/")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer.header("content-length") is None


@pytest.mark.parametrize("kind", KINDS)
async def test_empty_chunks_do_not_end_the_stream(kind):
    answer = await Client(streaming(kind, lambda: ["", "a", b"", "b", ""])).get("/")
    assert answer.chunks == [b"a", b"b"]
    assert all(message["body"] for message in answer.messages[1:-1])
    assert answer.complete


@pytest.mark.parametrize("kind", KINDS)
async def test_many_chunks_all_arrive_in_order(kind):
    answer = await Client(streaming(kind, lambda: (f"{n}," for n in range(200)))).get("/")
    assert answer.text == "".join(f"{n}," for n in range(200))


async def test_the_examples_of_the_documentation_stream():
    class MyApp(App):
        async def stream(self):
            async def generator():
                for i in range(1, 6):
                    yield f"Chunk {i}\n"

            return generator()

    answer = await Client(MyApp()).get("/stream")
    assert answer.chunks == [f"Chunk {i}\n".encode() for i in range(1, 6)]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_stream_may_have_a_status_and_headers(kind):
    app = App()
    source = streaming(kind, lambda: ["a,b\n"])

    async def index():
        headers = {"Content-Type": "text/csv", "Content-Length": "4"}
        return 202, source.index(), headers

    app.index = index
    answer = await Client(app).get("/")
    assert (answer.status, answer.body) == (202, b"a,b\n")
    assert answer.headers == [("content-type", "text/csv"), ("content-length", "4")]


async def test_a_generator_handler_binds_its_arguments():
    class Counting(App):
        async def up(self, to: int):
            for n in range(to):
                yield f"{n} "

        def down(self, start: int, *, step: int = 1):
            for n in range(start, 0, -step):
                yield f"{n} "

    client = Client(Counting())
    assert (await client.get("/up/3")).text == "0 1 2 "
    assert (await client.get("/down?start=4&step=2")).text == "4 2 "
    assert (await client.get("/up/x")).status == 400


async def test_a_chunk_is_sent_before_the_next_is_made():
    made: list[int] = []

    class Slow(App):
        async def index(self):
            for n in count():
                made.append(n)
                yield str(n)

    async with Client(Slow()).open("GET", "/") as exchange:
        exchange.pause()
        await exchange.started()
        await asyncio.sleep(0.01)
        assert made == [0]
        assert len(exchange.messages) == 1, "a client that takes nothing is sent nothing more"


async def test_the_head_is_sent_before_a_slow_first_chunk():
    go = asyncio.Event()

    class Slow(App):
        async def index(self):
            await go.wait()
            yield "late"

    async with Client(Slow()).open("GET", "/") as exchange:
        assert (await exchange.started())["status"] == 200
        go.set()
        assert await exchange.chunk() == b"late"


# HEAD, and statuses without a body.


@pytest.mark.parametrize("kind", KINDS)
async def test_head_of_a_stream_has_its_headers_and_does_not_run_it(kind):
    def chunks():
        raise AssertionError("ran")

    answer = await Client(streaming(kind, chunks)).head("/")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer.headers == [("content-type", HTML)]


async def test_head_of_a_stream_may_tell_its_length():
    class Sized(App):
        async def index(self):
            return 200, self._chunks(), {"Content-Length": "2"}

        async def _chunks(self):
            yield "ab"

    head, get = await Client(Sized()).head("/"), await Client(Sized()).get("/")
    assert head.headers == get.headers
    assert ("content-length", "2") in head.headers


@pytest.mark.parametrize("status", [204, 304])
async def test_a_stream_that_must_have_no_body_is_closed_unsent(status):
    log = []

    class Bodiless(App):
        async def index(self):
            return status, self._chunks()

        async def _chunks(self):
            log.append("began")
            try:
                yield "a"
                yield "b"
            finally:
                log.append("closed")

    answer = await Client(Bodiless()).get("/")
    assert (answer.status, answer.body, answer.headers) == (status, b"", [])
    assert log in ([], ["began", "closed"])


# Errors.


def failing_after(good: list[Any], error: Exception | None = None) -> Callable[[], Any]:
    def chunks():
        yield from good
        raise error or ValueError("broken")

    return chunks


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


# Clients that leave.


async def test_a_generator_that_waits_is_closed_when_the_client_leaves():
    waiting, closed = asyncio.Event(), asyncio.Event()

    class Waiting(App):
        async def index(self):
            try:
                yield "a"
                waiting.set()
                await asyncio.Event().wait()
            finally:
                closed.set()

    async with Client(Waiting()).open("GET", "/") as exchange:
        await event(waiting)
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()
        assert (await exchange.finish()).error is None


async def test_a_generator_that_waits_before_its_first_chunk_is_closed_too():
    closed = asyncio.Event()

    class Waiting(App):
        async def index(self):
            try:
                await asyncio.Event().wait()
                yield "never"
            finally:
                closed.set()

    async with Client(Waiting()).open("GET", "/") as exchange:
        await exchange.started()
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


async def test_a_generator_that_never_waits_is_closed_when_the_client_leaves():
    closed = asyncio.Event()

    class Endless(App):
        async def index(self):
            try:
                while True:
                    yield "a"
            finally:
                closed.set()

    async with Client(Endless()).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


async def test_a_generator_that_never_waits_does_not_keep_others_waiting():
    class Endless(App):
        async def index(self):
            while True:
                yield ""

        async def hello(self):
            return "hello"

    client = Client(Endless())
    async with client.open("GET", "/") as exchange:
        await exchange.started()
        assert (await client.get("/hello")).text == "hello"
        assert exchange.running


async def test_others_get_their_turn_after_every_chunk_that_took_long():
    turns, seen = [], []

    class Slow(App):
        async def index(self):
            for number in range(5):
                seen.append(len(turns))
                time.sleep(0.001)  # noqa: ASYNC251 - stands for work
                asyncio.get_running_loop().call_soon(turns.append, number)
                yield "a"

    await Client(Slow()).get("/")
    assert seen == [0, 1, 2, 3, 4]


async def test_a_generator_is_closed_while_a_slow_client_keeps_send_waiting():
    closed = asyncio.Event()

    class Endless(App):
        async def index(self):
            try:
                while True:
                    yield "a"
            finally:
                closed.set()

    async with Client(Endless()).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.pause()
        await asyncio.sleep(0.01)
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


async def test_a_client_that_is_gone_from_the_start_gets_its_generator_closed():
    closed = asyncio.Event()

    class Endless(App):
        async def index(self):
            try:
                while True:
                    yield "a"
            finally:
                closed.set()

    async with Client(Endless()).open("GET", "/") as exchange:
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


async def test_the_clients_body_is_passed_over_while_streaming():
    class Waiting(App):
        async def index(self):
            yield "a"
            await asyncio.Event().wait()

    async with Client(Waiting()).open("POST", "/", body=[b"x", b"y", b"z"]) as exchange:
        assert await exchange.chunk() == b"a"
        await asyncio.sleep(0.01)
        assert exchange.running
        exchange.disconnect()
        await exchange.ended()


async def test_a_client_that_leaves_is_noticed_though_nobody_reads_its_body():
    closed = asyncio.Event()

    class Ignoring(App):
        async def index(self):
            try:
                yield "a"
                await asyncio.Event().wait()
            finally:
                closed.set()

    headers = {"Content-Type": "text/plain", "Content-Length": "3"}
    async with Client(Ignoring()).open("POST", "/", headers=headers, body=b"abc") as exchange:
        assert await exchange.chunk() == b"a"
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


@pytest.mark.parametrize("kind", ["sync", "sync returned", "sync handler"])
async def test_a_sync_generator_is_closed_in_a_worker_thread(kind):
    closed_in: list[threading.Thread] = []
    closed = threading.Event()

    def chunks():
        try:
            while True:
                yield "a"
        finally:
            closed_in.append(threading.current_thread())
            closed.set()

    async with Client(streaming(kind, chunks)).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()
    assert closed_in[0] is not threading.main_thread()


async def test_a_sync_generator_at_work_is_closed_as_soon_as_it_yields():
    working, go, closed = threading.Event(), threading.Event(), threading.Event()

    class Busy(App):
        def index(self):
            try:
                yield "a"
                working.set()
                go.wait(PATIENCE)
                yield "b"
                raise AssertionError("went on after the client had left")
            finally:
                closed.set()

    async with Client(Busy()).open("GET", "/") as exchange:
        await event(working)
        exchange.disconnect()
        await asyncio.sleep(0.01)
        assert not closed.is_set()
        go.set()
        await exchange.ended()
        assert closed.is_set()
        assert (await exchange.finish()).error is None


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_finally_block_may_wait(kind):
    closed = threading.Event()

    class Careful(App):
        async def _async(self):
            try:
                while True:
                    yield "a"
                    await asyncio.sleep(0)
            finally:
                await asyncio.sleep(0.01)
                closed.set()

        def _sync(self):
            try:
                while True:
                    yield "a"
            finally:
                threading.Event().wait(0.01)
                closed.set()

    app = Careful()
    app.index = app._async if kind == "async" else app._sync
    async with Client(app).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_app_that_is_cancelled_closes_its_generator(kind):
    closed = threading.Event()

    def chunks():
        try:
            while True:
                yield "a"
        finally:
            closed.set()

    async with Client(streaming(kind, chunks)).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.cancel()
        await exchange.ended()
        assert closed.is_set()


async def test_a_sync_generator_cancelled_before_its_first_chunk_is_closed_in_its_thread():
    working, go = threading.Event(), threading.Event()
    closed_in: list[threading.Thread] = []

    class Busy(App):
        def index(self):
            try:
                working.set()
                go.wait(PATIENCE)
                yield "a"
            finally:
                closed_in.append(threading.current_thread())

    async with Client(Busy()).open("GET", "/") as exchange:
        await event(working)
        exchange.cancel()
        await asyncio.sleep(0.01)
        go.set()
        await exchange.ended()
    assert [thread is threading.main_thread() for thread in closed_in] == [False]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_client_that_send_reports_gone_is_no_error(kind):
    """ASGI 2.4: `send` raises OSError once the client has left."""
    closed = threading.Event()

    def chunks():
        try:
            while True:
                yield "a"
        finally:
            closed.set()

    async with Client(streaming(kind, chunks)).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.break_sending(ConnectionResetError("gone"))
        await exchange.ended()
        assert closed.is_set()
        assert (await exchange.finish()).error is None


async def test_an_os_error_of_the_generator_is_an_error(logged):
    app = streaming("async", failing_after(["a"], FileNotFoundError("x")))
    answer = await Client(app).get("/")
    assert isinstance(answer.error, FileNotFoundError)
    assert len(logged) == 1


async def test_an_error_in_a_finally_block_is_logged_when_the_client_has_left(logged):
    class Failing(App):
        async def index(self):
            try:
                yield "a"
                await asyncio.Event().wait()
            finally:
                raise ValueError("broken clean-up")

    async with Client(Failing()).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
    (record,) = logged
    assert str(record.exc_info[1]) == "broken clean-up"


async def test_a_generator_that_takes_its_closing_for_an_end_is_done():
    class Swallowing(App):
        async def index(self):
            yield "a"
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return

    async with Client(Swallowing()).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        answer = await exchange.finish()
        assert answer.error is None


async def test_a_generator_that_will_not_be_closed_ends_with_its_client(logged):
    class Stubborn(App):
        async def index(self):
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.001)
                yield "a"

    async with Client(Stubborn()).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()


# One task, one context.


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


# Hooks and streams.


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
