"""How many synchronous handlers run and wait, what becomes of more, and how threads end."""

import asyncio
import gc
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import micropie
from micropie import App, ASGIResponse, HttpMiddleware
from micropie.concurrency import run_in_thread
from support.asgi import PATIENCE, Client, settled
from support.streaming import served

pytestmark = pytest.mark.anyio


class Busy(App):
    """Its sync handlers and generators run until `go` is set; `began` lists them."""

    def __init__(self, **options):
        super().__init__(**options)
        self.go = threading.Event()
        self.began = []
        self.news = threading.Semaphore(0)

    def index(self, name=""):
        self._begin(name)
        assert self.go.wait(PATIENCE)
        return name

    def stream(self, name=""):
        self._begin(name)
        assert self.go.wait(PATIENCE)
        yield name
        yield "."

    def returned(self, name=""):
        return self.stream(name)

    async def hello(self):
        return "hello"

    def _begin(self, name):
        self.began.append(name)
        self.news.release()

    async def _have_begun(self, number):
        """Wait until *number* more have begun."""
        for _ in range(number):
            assert await asyncio.to_thread(self.news.acquire, timeout=PATIENCE)


class Crowd:
    """Sends requests to one app, all at once."""

    def __init__(self, app):
        self.client = Client(app)
        self.tasks = []

    async def send(self, *paths):
        """Send requests, in this order; return when each runs, waits or has been answered."""
        for path in paths:
            self.tasks.append(asyncio.create_task(self.client.get(path)))
            await settled()

    async def answers(self):
        return await asyncio.gather(*self.tasks)


KINDS = ["", "stream"]


@pytest.mark.parametrize("kind", KINDS)
async def test_more_than_may_wait_are_told_to_come_back(kind):
    app = Busy(sync_workers=2, sync_queue=3)
    crowd = Crowd(app)
    await crowd.send(*(f"/{kind}/{number}" if kind else f"/{number}" for number in range(8)))
    assert [task.done() for task in crowd.tasks] == [False] * 5 + [True] * 3
    app.go.set()
    answers = await crowd.answers()
    assert [answer.status for answer in answers] == [200] * 5 + [503] * 3
    assert answers[-1].text == "503 Service Unavailable: too many requests are waiting"
    assert int(answers[-1].header("retry-after")) > 0
    assert sorted(app.began) == ["0", "1", "2", "3", "4"]


async def test_with_no_queue_nobody_waits():
    app = Busy(sync_workers=1, sync_queue=0)
    crowd = Crowd(app)
    await crowd.send("/a", "/b")
    app.go.set()
    assert [answer.status for answer in await crowd.answers()] == [200, 503]
    assert (await crowd.client.get("/c")).status == 200


async def test_those_that_wait_get_their_turn_in_order():
    app = Busy(sync_workers=1)
    crowd = Crowd(app)
    await crowd.send(*(f"/{number}" for number in range(5)))
    app.go.set()
    await crowd.answers()
    assert app.began == ["0", "1", "2", "3", "4"]


async def test_hooks_see_the_503():
    seen = []

    class Noting(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            seen.append(status_code)

    app = Busy(sync_workers=1, sync_queue=0)
    app.middlewares.append(Noting())
    crowd = Crowd(app)
    await crowd.send("/a", "/b")
    assert seen == [503]
    app.go.set()
    await crowd.answers()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["disconnect", "cancel"])
async def test_work_whose_client_has_left_is_skipped_and_makes_room(kind, how):
    app = Busy(sync_workers=1, sync_queue=1)
    client = Client(app)
    crowd = Crowd(app)
    path = f"/{kind}/" if kind else "/"
    await crowd.send(path + "first")
    await app._have_begun(1)
    async with client.open("GET", path + "left") as exchange:
        await settled()
        getattr(exchange, how)()
        await exchange.ended()
    await crowd.send(path + "last")
    app.go.set()
    assert [answer.status for answer in await crowd.answers()] == [200, 200]
    assert app.began == ["first", "last"]


async def test_a_client_that_leaves_late_has_its_handler_run_to_the_end():
    app = Busy(sync_workers=1)
    client = Client(app)
    async with client.open("GET", "/first") as first, client.open("GET", "/second") as second:
        await app._have_begun(1)
        await settled()
        first.disconnect()
        app.go.set()
        await app._have_begun(1)
        second.disconnect()
        await first.ended()
        await second.ended()
    assert app.began == ["first", "second"]


async def test_a_body_that_arrives_while_its_handler_waits_is_not_lost():
    class Reading(Busy):
        def late(self):
            return self._read()

        async def _read(self):
            return await self.request.read()

        def inner(self):
            return ASGIResponse(self._echo)

        async def _echo(self, scope, receive, send):
            body, more = b"", True
            while more:
                message = await receive()
                assert message["type"] == "http.request"
                body += message["body"]
                more = message["more_body"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

    app = Reading(sync_workers=1)
    client = Client(app)
    crowd = Crowd(app)
    await crowd.send("/")
    headers = {"Content-Type": "text/plain", "Content-Length": "6"}
    posts = [
        asyncio.create_task(client.post(path, headers=headers, body=[b"ab", b"cd", b"ef"]))
        for path in ("/late", "/inner")
    ]
    await settled()
    app.go.set()
    assert [(await post).text for post in posts] == ["abcdef"] * 2
    await crowd.answers()


async def test_streams_and_handlers_do_not_take_each_others_threads():
    app = Busy(sync_workers=1, sync_queue=0)
    crowd = Crowd(app)
    await crowd.send("/stream/a", "/b", "/stream/c", "/d")
    await app._have_begun(2)
    assert sorted(app.began) == ["a", "b"]
    app.go.set()
    assert [answer.status for answer in await crowd.answers()] == [200, 200, 503, 503]


async def test_a_stream_does_not_wait_for_one_that_waited_before_it():
    class Gated(Busy):
        def stream(self, name):
            self._begin(name)
            assert self.gates[name].wait(PATIENCE)
            yield name

    app = Gated(sync_workers=2)
    app.gates = {name: threading.Event() for name in "abcd"}
    crowd = Crowd(app)
    await crowd.send("/stream/a", "/stream/b", "/stream/c", "/stream/d")
    app.gates["a"].set()
    await app._have_begun(3)  # the third in the place of the first
    app.gates["b"].set()
    app.gates["d"].set()
    async with asyncio.timeout(PATIENCE / 2):
        assert (await crowd.tasks[3]).text == "d"
    app.gates["c"].set()
    await crowd.answers()


async def test_a_slow_client_of_a_returned_generator_takes_no_handlers_thread():
    app = Busy(sync_workers=1, sync_queue=0)
    app.go.set()
    async with Client(app).open("GET", "/returned/a") as exchange:
        await exchange.chunk()
        exchange.pause()
        await exchange.stuck()
        await app._have_begun(1)
        assert (await Client(app).get("/b")).text == "b"
        assert (await Client(app).get("/returned/c")).status == 503
    assert (await Client(app).get("/returned/d")).text == "d."


# Other work.


async def test_idle_threads_of_generators_are_no_reason_to_refuse_returned_ones():
    app = Busy(sync_workers=2)
    app.go.set()
    first, second = Crowd(app), Crowd(app)
    await first.send("/stream/a", "/stream/b")
    assert [answer.body for answer in await first.answers()] == [b"a.", b"b."]
    app.go.clear()
    await second.send("/returned/c", "/stream/d")
    await app._have_begun(4)
    assert (await second.client.get("/returned/e")).status == 503  # two are busy now
    app.go.set()
    assert [answer.body for answer in await second.answers()] == [b"c.", b"d."]


async def test_files_wait_neither_for_handlers_nor_for_users_threads():
    app = Busy(sync_workers=1)
    crowd = Crowd(app)
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1))
    await crowd.send("/a", "/b", "/stream/c", "/stream/d")
    elsewhere = [asyncio.create_task(asyncio.to_thread(app.go.wait, PATIENCE)) for _ in range(3)]
    async with asyncio.timeout(PATIENCE):
        assert await run_in_thread(pow, 2, 3) == 8
    assert not any(task.done() for task in [*crowd.tasks, *elsewhere])
    app.go.set()
    await crowd.answers()
    assert await asyncio.gather(*elsewhere) == [True] * 3


# Ends.


def threads():
    return {thread for thread in threading.enumerate() if thread.name == "micropie"}


async def ended(left):
    """Wait until the threads *left* have ended."""
    for thread in left:
        await asyncio.to_thread(thread.join, PATIENCE)
        assert not thread.is_alive()


async def lifespan(app, within):
    """Start *app*, await *within*, and shut it down."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        if len(messages) == 1:
            await within()
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_no_thread_outlives_its_app():
    before = threads()
    app = Busy()
    app.go.set()
    made = set()

    async def visit():
        crowd = Crowd(app)
        await crowd.send("/a", "/stream/b", "/returned/c", "/d")
        await app._have_begun(4)
        await crowd.answers()
        await run_in_thread(pow, 2, 3)
        made.update(threads() - before)

    await lifespan(app, visit)
    assert made
    await ended(made)
    assert (await Client(app).get("/again")).text == "again"


async def test_idle_threads_end_by_themselves(monkeypatch):
    module = sys.modules.get("micropie._threads", micropie)  # the single file has no other
    monkeypatch.setattr(module, "_IDLE", 0.01)
    before = threads()
    app = Busy()
    app.go.set()
    crowd = Crowd(app)
    await crowd.send("/a", "/stream/b", "/returned/c")
    await crowd.answers()
    await ended(threads() - before)
    assert (await Client(app).get("/again")).text == "again"


@pytest.mark.skipif(sys.platform == "emscripten", reason="needs another thread")
def test_an_app_works_in_several_event_loops_at_once_and_within_its_bounds():
    app = Busy(sync_workers=2, sync_queue=2)
    statuses = []

    async def visit(number):
        client = Client(app)
        answers = await asyncio.gather(*(client.get(f"/{number}") for _ in range(3)))
        statuses.extend(answer.status for answer in answers)

    visitors = [threading.Thread(target=asyncio.run, args=(visit(n),)) for n in range(4)]
    for visitor in visitors:
        visitor.start()
    for _ in range(2):
        assert app.news.acquire(timeout=PATIENCE)
    app.go.set()
    for visitor in visitors:
        visitor.join(PATIENCE)
    assert set(statuses) <= {200, 503}
    assert len(statuses) == 12
    assert statuses.count(200) == len(app.began) >= 4


def test_a_request_that_its_event_loop_abandons_leaves_its_thread_to_the_others():
    app = Busy(sync_workers=1)

    async def begin():
        task = asyncio.create_task(Client(app).get("/"))
        await app._have_begun(1)
        task.cancel()

    asyncio.run(begin())
    app.go.set()
    assert asyncio.run(Client(app).get("/a")).text == "a"


@pytest.mark.parametrize("path", ["/returned", "/"])
async def test_a_request_that_is_cancelled_gives_back_its_thread(path):
    app = Busy(sync_workers=1, sync_queue=0)
    entered = threading.Event()

    def returned():
        entered.set()
        assert app.go.wait(PATIENCE)
        return app.stream()

    app.returned = returned
    async with Client(app).open("GET", path) as exchange:
        assert await asyncio.to_thread(
            entered.wait if path == "/returned" else lambda _: True, PATIENCE
        )
        exchange.cancel()
        await exchange.ended()
    app.go.set()
    assert await served(Client(app), "/stream/a") == "a."


async def test_nobody_misses_what_a_handler_raises_whose_request_was_cancelled(caplog):
    class Failing(Busy):
        def fail(self):
            self._begin("fail")
            assert self.over.wait(PATIENCE)
            raise ValueError("too late")

    app = Failing(sync_workers=1)
    app.over = threading.Event()
    crowd = Crowd(app)
    await crowd.send("/a")
    async with Client(app).open("GET", "/fail") as exchange:
        await settled()
        app.go.set()
        await app._have_begun(2)  # it waited, and has a thread now
        exchange.cancel()
        await exchange.ended()
    app.over.set()
    assert (await Client(app).get("/b")).text == "b"  # after it, in the same thread
    await crowd.answers()
    del exchange
    gc.collect()
    assert not caplog.records


HANGING = """
import asyncio, threading, sys
from micropie import App

class Hanging(App):
    def index(self):
        print("began", flush=True)
        threading.Event().wait()

async def receive():
    await asyncio.Event().wait()

async def main():
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    task = asyncio.create_task(Hanging()(scope, receive, None))
    await asyncio.sleep(0.1)
    task.cancel()

asyncio.run(main())
"""


def test_a_handler_that_hangs_does_not_keep_its_process_alive():
    done = subprocess.run(
        [sys.executable, "-c", HANGING],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("began\n", "")
