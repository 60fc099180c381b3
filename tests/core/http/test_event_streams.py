"""Server-sent events: what a handler yields, and what an EventSource gets of it."""

import asyncio
import threading

import pytest

from micropie import App, EventStream, HttpMiddleware
from support.asgi import Client

pytestmark = pytest.mark.anyio


class Site(App):
    """Sends the events that a test has put there."""

    def __init__(self, events, **options):
        super().__init__()
        self.events = events
        self.options = options

    async def index(self):
        return EventStream(self.events, **self.options)

    async def teapot(self):
        return 418, EventStream(self.events), {"Cache-Control": "no-cache", "X-Tea": "Earl Grey"}


async def told(*events):
    """Return the body for these events."""
    answer = await Client(Site(events)).get("/")
    assert answer.status == 200
    assert answer.complete
    return answer.text


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ("hello", "data: hello\n\n"),
        ("", "data: \n\n"),
        ("two\nlines", "data: two\ndata: lines\n\n"),
        ("a\r\nb\rc\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
        ("no\x0bline\u2028break\x85", "data: no\x0bline\u2028break\x85\n\n"),
        (" space", "data:  space\n\n"),
        ({"data": "hello"}, "data: hello\n\n"),
        ({"data": {"pie": [1, None, "ä"]}}, 'data: {"pie":[1,null,"ä"]}\n\n'),
        ({"data": 7}, "data: 7\n\n"),
        ({"data": None}, "data: null\n\n"),
        ({"data": "x", "event": "said", "id": "7"}, "id: 7\nevent: said\ndata: x\n\n"),
        ({"id": 7, "data": "x"}, "id: 7\ndata: x\n\n"),
        ({"id": "", "data": "x"}, "id: \ndata: x\n\n"),
        ({"retry": 2000}, "retry: 2000\n\n"),
        ({"retry": 0, "data": "x"}, "retry: 0\ndata: x\n\n"),
        ({}, "\n"),
    ],
)
async def test_an_event_is_written_as_the_standard_says(event, text):
    assert await told(event) == text


async def test_events_come_one_after_the_other():
    assert await told("a", {"data": "b"}, "c") == "data: a\n\ndata: b\n\ndata: c\n\n"


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (7, "an event must be a str or a dict, not int"),
        (b"bytes", "an event must be a str or a dict, not bytes"),
        (None, "an event must be a str or a dict, not NoneType"),
        ({"dat": "x"}, "unknown keys in an event: ['dat']"),
        ({"id": "a\nb"}, "id of an event can't have a line break or NUL"),
        ({"id": "a\rb"}, "id of an event can't have a line break or NUL"),
        ({"id": "a\0b"}, "id of an event can't have a line break or NUL"),
        ({"event": "a\r\ndata: forged"}, "event of an event can't have a line break or NUL"),
        ({"event": 7.5}, "event of an event must be a str, not float"),
        ({"retry": "2000"}, "retry must be an integer (milliseconds), not '2000'"),
        ({"retry": True}, "retry must be an integer (milliseconds), not True"),
        ({"retry": -1}, "retry must be at least 0 milliseconds, not -1"),
        ({"data": object()}, "object"),
    ],
)
async def test_what_is_no_event_ends_the_stream_and_is_logged(event, problem, logged):
    answer = await Client(Site(["first", event, "never"])).get("/")
    assert answer.text == "data: first\n\n"
    assert not answer.complete
    (record,) = logged
    assert problem in str(record.exc_info[1])


@pytest.mark.parametrize("events", [None, 7, "text", b"bytes"])
def test_what_can_not_be_iterated_is_refused(events):
    with pytest.raises(TypeError, match="events"):
        EventStream(events)


@pytest.mark.parametrize(
    ("ping", "error"),
    [(0, ValueError), (-1, ValueError), (float("inf"), ValueError), ("15", TypeError)],
)
def test_a_ping_is_a_number_of_seconds(ping, error):
    with pytest.raises(error, match="ping"):
        EventStream([], ping)


async def test_the_head_says_what_follows_and_keeps_it_out_of_caches():
    answer = await Client(Site([])).get("/")
    assert answer.header("Content-Type") == "text/event-stream"
    assert answer.header("Cache-Control") == "no-store"
    assert answer.header("X-Accel-Buffering") == "no"
    assert answer.header("Content-Length") is None


async def test_it_stands_in_a_tuple_and_headers_of_ones_own_win():
    answer = await Client(Site(["x"])).get("/teapot")
    assert (answer.status, answer.text) == (418, "data: x\n\n")
    assert answer.header("Cache-Control") == "no-cache"
    assert answer.header("X-Tea") == "Earl Grey"
    assert answer.header("Content-Type") == "text/event-stream"


async def test_a_head_request_gets_the_head():
    answer = await Client(Site(["x"])).request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("Content-Type") == "text/event-stream"


async def test_the_head_is_sent_before_the_first_event_and_pings_until_it_comes():
    go_on = asyncio.Event()

    async def events():
        await go_on.wait()
        yield "at last"

    async with Client(Site(events(), ping=0.001)).open("GET", "/") as exchange:
        assert (await exchange.started())["status"] == 200
        for _ in range(3):
            assert await exchange.chunk() == b": ping\n\n"
        go_on.set()
        while (chunk := await exchange.chunk()) == b": ping\n\n":
            pass
        assert chunk == b"data: at last\n\n"


async def test_no_pings_are_sent_if_none_are_wanted():
    async def events():
        for _ in range(100):
            await asyncio.sleep(0)
        yield "done"

    answer = await Client(Site(events(), ping=None)).get("/")
    assert answer.text == "data: done\n\n"


async def test_the_generator_is_closed_when_the_client_leaves_while_it_waits():
    closed = asyncio.Event()

    async def events():
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    async with Client(Site(events())).open("GET", "/") as exchange:
        assert await exchange.chunk() == b"data: first\n\n"
        exchange.disconnect()
        await exchange.ended()
    assert closed.is_set()


async def test_the_steps_of_a_generator_share_one_context_as_in_one_task():
    async def events():
        try:
            async with asyncio.timeout(60):
                yield "a"
                await asyncio.sleep(0)
                yield "b"
        finally:
            seen.append("closed")

    seen: list[str] = []
    assert (await Client(Site(events())).get("/")).text == "data: a\n\ndata: b\n\n"
    assert seen == ["closed"]


async def test_a_synchronous_generator_runs_in_one_thread():
    threads = []

    def events():
        try:
            for number in range(3):
                threads.append(threading.get_ident())
                yield str(number)
        finally:
            threads.append(threading.get_ident())

    answer = await Client(Site(events())).get("/")
    assert answer.text == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(threads) == 4
    assert len(set(threads)) == 1


async def test_any_async_iterable_will_do():
    class Countdown:
        def __init__(self):
            self.left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return {"data": self.left}

    assert (await Client(Site(Countdown())).get("/")).text == "data: 1\n\ndata: 0\n\n"


async def test_hooks_and_session_see_an_event_stream_as_any_stream():
    class Stamp(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            extra_headers.append(("X-Stamp", str(status_code)))

    class Counting(Site):
        async def index(self):
            self.session["visits"] = 1
            return EventStream(["x"])

    app = Counting([])
    app.middlewares.append(Stamp())
    answer = await Client(app).get("/")
    assert answer.header("X-Stamp") == "200"
    assert answer.header("Set-Cookie") is not None
    assert answer.text == "data: x\n\n"
