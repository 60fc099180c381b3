"""Streamed responses: their chunks, and where there is no body."""

import asyncio
from itertools import count

import pytest

from micropie import App
from support.asgi import Client, settled
from support.bodies import HTML
from support.streaming import KINDS, streaming

pytestmark = pytest.mark.anyio

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
        await exchange.stuck()
        await settled()
        assert made == [0]
        assert len(exchange.messages) == 1, "a client that takes nothing is sent nothing more"


class Slow(App):
    """Streams what `first` says, once `go` is set."""

    def __init__(self, *first):
        super().__init__()
        self.go = asyncio.Event()
        self.first = first

    async def index(self):
        for chunk in self.first:
            yield chunk
        await self.go.wait()
        yield "late"


async def test_the_head_waits_for_the_first_chunk():
    app = Slow()
    async with Client(app).open("GET", "/") as exchange:
        await settled()
        assert exchange.messages == []
        app.go.set()
        assert (await exchange.started())["status"] == 200
        assert await exchange.chunk() == b"late"


@pytest.mark.parametrize("empty", ["", b""], ids=["str", "bytes"])
async def test_an_empty_first_chunk_sends_the_head_at_once(empty):
    app = Slow(empty)
    async with Client(app).open("GET", "/") as exchange:
        assert (await exchange.started())["status"] == 200
        assert len(exchange.messages) == 1
        app.go.set()
        assert await exchange.chunk() == b"late"


# HEAD, and statuses without a body.


@pytest.mark.parametrize("kind", KINDS)
async def test_head_of_a_stream_has_its_headers_and_runs_it_to_the_first_chunk(kind):
    log = []

    def chunks():
        try:
            yield "a"
            log.append("went on")
        finally:
            log.append("closed")

    answer = await Client(streaming(kind, chunks)).head("/")
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert answer.headers == [("content-type", HTML)]
    assert log == ["closed"]


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
