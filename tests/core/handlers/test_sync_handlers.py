"""Handlers written without `async`: in threads, with the context of their request."""

import asyncio
import contextvars
import functools
import gc
import threading

import pytest

from micropie import App, HTTPError, HttpMiddleware
from micropie.concurrency import run_in_thread
from support.asgi import PATIENCE, Client, settled

pytestmark = pytest.mark.anyio

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Sync(App):
    def index(self, *names):
        return [self.request.path, list(names), self.request.query("q")]

    def thread(self):
        return threading.current_thread() is threading.main_thread()


async def test_a_sync_handler_runs_in_a_thread_of_its_own():
    assert (await Client(Sync()).get("/thread")).json is False


async def test_a_sync_handler_sees_its_request():
    answer = await Client(Sync()).get("/a/b?q=1")
    assert answer.json == ["/a/b", ["a", "b"], "1"]


async def test_many_sync_handlers_at_once_each_see_their_request():
    meeting = threading.Barrier(20, timeout=PATIENCE)

    class Meeting(App):
        def index(self, number):
            before = self.request.query("q")
            meeting.wait()
            return [number, before, self.request.query("q")]

    client = Client(Meeting())
    answers = await asyncio.gather(*(client.get(f"/{n}?q={n}") for n in range(20)))
    assert [answer.json for answer in answers] == [[str(n)] * 3 for n in range(20)]


async def test_blocked_sync_handlers_do_not_delay_an_async_one():
    arrived = threading.Semaphore(0)
    go = threading.Event()

    class Blocking(App):
        def block(self):
            arrived.release()
            return go.wait(PATIENCE)

        async def hello(self):
            return "hello"

    client = Client(Blocking())
    blocked = [asyncio.create_task(client.get("/block")) for _ in range(20)]
    for _ in blocked:  # all twenty are in their handlers at once
        assert await asyncio.to_thread(arrived.acquire, timeout=PATIENCE)
    assert (await client.get("/hello")).text == "hello"
    assert not any(task.done() for task in blocked)
    go.set()
    assert all(answer.json is True for answer in await asyncio.gather(*blocked))


async def test_sync_workers_bounds_how_many_run_at_once():
    running, most = 0, 0
    lock = threading.Lock()
    meeting = threading.Barrier(3, timeout=PATIENCE)

    class Counting(App):
        def index(self):
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            meeting.wait()  # for two others
            threading.Event().wait(0.005)  # for more
            with lock:
                running -= 1

    client = Client(Counting(sync_workers=3))
    answers = await asyncio.gather(*(client.get("/") for _ in range(12)))
    assert {answer.status for answer in answers} == {204}
    assert most == 3


async def test_the_rest_wait_their_turn():
    first_in, second_in = threading.Event(), threading.Event()
    go = threading.Event()

    class One(App):
        def index(self, name):
            if name == "first":
                first_in.set()
                assert go.wait(PATIENCE)
            else:
                second_in.set()
            return name

    client = Client(One(sync_workers=1))
    first = asyncio.create_task(client.get("/first"))
    assert await asyncio.to_thread(first_in.wait, PATIENCE)
    second = asyncio.create_task(client.get("/second"))
    await settled()
    assert not await asyncio.to_thread(second_in.wait, 0.05)
    go.set()
    assert [(await task).text for task in (first, second)] == ["first", "second"]


# Context.


class Telling(HttpMiddleware):
    """Sends a header that tells what `variable` is after the handler."""

    async def after_request(self, request, status_code, response_body, extra_headers):
        extra_headers.append(("X-Variable", variable.get()))


class Context(App):
    """Sets `variable` in synchronous code of each kind."""

    def plain(self):
        seen = variable.get()
        variable.set("handler's")
        return [seen, variable.get()]

    def refused(self):
        variable.set("handler's")
        raise HTTPError(403)

    def broken(self):
        variable.set("handler's")
        raise ValueError("broken")

    def undone(self):
        variable.reset(variable.set("for a moment"))

    def generator(self):
        variable.set("handler's")
        yield "a"

    def returned(self):
        def chunks():
            yield variable.get()
            variable.set("too late")

        variable.set("handler's")
        return 200, chunks()

    async def asynchronous(self):
        return self._chunks()

    def _chunks(self):
        variable.set("handler's")
        yield "a"

    async def generator_too(self):
        await asyncio.sleep(0)
        variable.set("handler's")
        yield "a"

    async def helped(self):
        await run_in_thread(variable.set, "handler's")


def decorated(handler):
    @functools.wraps(handler)
    def wrapper(*args, **kwargs):
        variable.set("handler's")
        return handler(*args, **kwargs)

    return wrapper


SETTING = ["plain", "refused", "broken", "generator", "returned", "asynchronous", "generator_too"]


@pytest.mark.parametrize("path", [*SETTING, "helped", "partial", "decorated"])
async def test_what_a_handler_sets_in_its_context_is_seen_by_hooks(path, logged):
    app = Context()
    app.middlewares.append(Telling())
    app.partial = functools.partial(app.plain)
    app.decorated = decorated(app.helped)
    assert (await Client(app).get(f"/{path}")).header("x-variable") == "handler's"


async def test_a_handler_that_restores_its_context_leaves_no_trace():
    app = Context()
    app.middlewares.append(Telling())
    assert (await Client(app).get("/undone")).header("x-variable") == "unset"


async def test_an_async_handler_sees_what_its_sync_decorator_set():
    class Decorated(App):
        @decorated
        async def index(self):
            return variable.get()

    assert (await Client(Decorated()).get("/")).text == "handler's"


async def test_a_returned_generator_goes_on_in_the_context_of_its_handler():
    assert (await Client(Context()).get("/returned")).text == "handler's"


async def test_what_a_handler_sets_in_its_context_is_its_requests_alone():
    token = variable.set("server's")
    try:
        client = Client(Context())
        assert (await client.get("/plain")).json == ["server's", "handler's"]
        assert (await client.get("/plain")).json == ["server's", "handler's"]
        assert variable.get() == "server's"
    finally:
        variable.reset(token)


async def test_no_context_is_left_in_a_worker_thread():
    class Context(App):
        def leave(self):
            variable.set("left behind")

        def look(self):
            return variable.get()

    client = Client(Context(sync_workers=1))
    await client.get("/leave")
    assert (await client.get("/look")).text == "unset"


async def test_a_request_is_let_go_of_after_its_sync_handler():
    class Weighty:
        alive = 0

        def __init__(self):
            Weighty.alive += 1

        def __del__(self):
            Weighty.alive -= 1

    class Keeping(App):
        def index(self):
            self.request.weight = Weighty()

    client = Client(Keeping(sync_workers=1))
    await client.get("/")
    # The thread lets go of it a moment later.
    async with asyncio.timeout(PATIENCE):
        while Weighty.alive:
            gc.collect()
            await asyncio.sleep(0.01)


# Errors.


@pytest.mark.parametrize(
    "error",
    [StopIteration(), StopIteration(5), StopAsyncIteration(), TimeoutError(), KeyError("x")],
)
async def test_any_exception_of_a_sync_handler_is_a_500(error, logged):
    class Raising(App):
        def index(self):
            raise error

    async with asyncio.timeout(PATIENCE):  # asyncio loses a StopIteration, and the future with it
        answer = await Client(Raising()).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


async def test_a_stop_iteration_is_the_cause_in_the_log(logged):
    class Raising(App):
        def index(self):
            return next(iter([]))

    await Client(Raising()).get("/")
    assert isinstance(logged[0].exc_info[1].__cause__, StopIteration)


async def test_an_http_error_of_a_sync_handler_is_the_answer():
    class Raising(App):
        def index(self):
            raise HTTPError(404, "none")

    assert (await Client(Raising()).get("/")).text == "none"


async def test_a_thread_lives_on_after_an_exception(logged):
    class Raising(App):
        def index(self):
            raise ValueError

        def fine(self):
            return "fine"

    client = Client(Raising(sync_workers=1))
    for _ in range(3):
        assert (await client.get("/")).status == 500
    assert (await client.get("/fine")).text == "fine"


# What only looks sync.


async def test_a_sync_function_may_return_a_coroutine():
    def decorated(function):
        def wrapper(*args, **kwargs):  # without functools.wraps
            return function(*args, **kwargs)

        return wrapper

    class Decorated(App):
        @decorated
        async def index(self):
            return f"on the event loop: {threading.current_thread() is threading.main_thread()}"

        short = lambda self: self.index()  # noqa: E731

    client = Client(Decorated())
    for url in ("/", "/short"):
        assert (await client.get(url)).text == "on the event loop: True"


async def test_an_exception_of_such_a_coroutine_is_a_500(logged):
    class Decorated(App):
        def index(self):
            async def inner():
                raise ValueError("x")

            return inner()

    assert (await Client(Decorated()).get("/")).status == 500


async def test_a_wrapped_coroutine_function_binds_as_itself():
    def decorated(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            return function(*args, **kwargs)

        return wrapper

    class Decorated(App):
        @decorated
        async def index(self, number: int):
            return number + 1

    assert (await Client(Decorated()).get("/5")).json == 6


async def test_an_async_partial_does_not_need_a_thread():
    async def where():
        return threading.current_thread() is threading.main_thread()

    app = App()
    app.where = functools.partial(where)
    assert (await Client(app).get("/where")).json is True


# Ends.


async def test_a_request_that_is_cancelled_does_not_wait_for_its_thread():
    working, go = threading.Event(), threading.Event()
    done = threading.Event()

    class Busy(App):
        def index(self):
            working.set()
            go.wait(PATIENCE)
            done.set()

    async with Client(Busy()).open("GET", "/") as exchange:
        assert await asyncio.to_thread(working.wait, PATIENCE)
        exchange.cancel()
        await exchange.ended()
        assert not done.is_set()
        go.set()
        assert await asyncio.to_thread(done.wait, PATIENCE)


async def test_no_thread_is_started_for_async_handlers():
    class Async(App):
        async def index(self):
            return "x"

    before = set(threading.enumerate())
    await Client(Async()).get("/")
    assert set(threading.enumerate()) <= before
