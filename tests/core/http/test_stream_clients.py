"""Clients that leave amid a stream, or are slow to take it."""

import asyncio
import contextlib
import threading
import time

import pytest

from micropie import App
from support.asgi import PATIENCE, Client, settled
from support.streaming import KINDS, failing_after, streaming

pytestmark = pytest.mark.anyio


class Endless(App):
    """Streams without an end; `closed` is set when its generator was."""

    def __init__(self):
        super().__init__()
        self.closed = asyncio.Event()

    async def index(self):
        try:
            while True:
                yield "a"
        finally:
            self.closed.set()


async def event(flag: threading.Event | asyncio.Event) -> None:
    """Wait for *flag*, or fail."""
    if isinstance(flag, threading.Event):
        assert await asyncio.to_thread(flag.wait, PATIENCE)
    else:
        async with asyncio.timeout(PATIENCE):
            await flag.wait()


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


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_generator_that_waits_before_its_first_chunk_is_closed_too(method):
    waiting, closed = asyncio.Event(), asyncio.Event()

    class Waiting(App):
        async def index(self):
            try:
                waiting.set()
                await asyncio.Event().wait()
                yield "never"
            finally:
                closed.set()

    async with Client(Waiting()).open(method, "/") as exchange:
        await event(waiting)
        exchange.disconnect()
        await exchange.ended()
        assert closed.is_set()
        assert exchange.messages == []


@pytest.mark.parametrize("ending", ["catches its closing", "fails in its finally block"])
async def test_a_generator_may_end_as_it_likes_when_its_client_leaves_early(ending, logged):
    waiting = asyncio.Event()

    class Waiting(App):
        async def index(self):
            waiting.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if ending == "fails in its finally block":
                    raise ValueError("broken clean-up") from None
            yield "too late"

    async with Client(Waiting()).open("GET", "/") as exchange:
        await event(waiting)
        exchange.disconnect()
        await exchange.ended()
    assert len(logged) == (ending == "fails in its finally block")


async def test_a_generator_that_never_waits_is_closed_when_the_client_leaves():
    app = Endless()
    async with Client(app).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
        assert app.closed.is_set()


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
    app = Endless()
    async with Client(app).open("GET", "/") as exchange:
        await exchange.chunk()
        exchange.pause()
        await exchange.stuck()
        exchange.disconnect()
        await exchange.ended()
        assert app.closed.is_set()


async def test_a_client_that_is_gone_from_the_start_gets_its_generator_closed():
    app = Endless()
    async with Client(app).open("GET", "/") as exchange:
        exchange.disconnect()
        await exchange.ended()
        assert app.closed.is_set()


async def test_the_clients_body_is_passed_over_while_streaming():
    class Waiting(App):
        async def index(self):
            yield "a"
            await asyncio.Event().wait()

    async with Client(Waiting()).open("POST", "/", body=[b"x", b"y", b"z"]) as exchange:
        assert await exchange.chunk() == b"a"
        await settled()
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
        await settled()
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
        await settled()
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
