"""How large a body may be, and how long its client may take.

Those of a form's parts are in forms/; serving/bad_input asks the same of real servers.
"""

import asyncio
import gc

import pytest

from micropie import App
from support.asgi import Client, settled
from support.bodies import BINARY, FORM, JSON, MULTIPART
from support.body_app import A_FORM, A_MULTIPART, AN_OBJECT, CHUNKED, Bodies, Small, head, sending

pytestmark = pytest.mark.anyio

TOO_LARGE = (413, "413 Content Too Large: the body is over 100 bytes")

# Each way to read a body with each type that is read in that way: /parsed leaves BINARY alone.
READERS = [
    (path, content_type)
    for path in ("/parsed", "/raw", "/chunks")
    for content_type in (JSON, FORM, MULTIPART, BINARY)
    if (path, content_type) != ("/parsed", BINARY)
]


def padded(content_type: str, body: bytes, size: int) -> bytes:
    """Return *body* made *size* bytes long, without a change of meaning."""
    padding = b" " if content_type == JSON else b"x" if content_type == FORM else b"\n"
    return body + padding * (size - len(body))


@pytest.mark.parametrize(("path", "content_type"), READERS)
async def test_a_body_announced_over_the_limit_is_refused_before_it_is_received(path, content_type):
    app = Small()
    async with Client(app).open("POST", path, headers=head(content_type, 101)) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 0
        assert app.runs == (content_type == BINARY)


@pytest.mark.parametrize(
    ("path", "content_type"), [pair for pair in READERS if pair[1] != MULTIPART]
)
async def test_a_body_without_length_is_refused_as_soon_as_it_is_over_the_limit(path, content_type):
    options = {"headers": {**head(content_type, None), **CHUNKED}, "unfinished": True}
    async with Client(Small()).open("POST", path, body=[b"1" * 50] * 9, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 3


async def test_a_multipart_body_is_refused_as_soon_as_it_is_over_the_limit():
    body = [A_MULTIPART[:90], b"x" * 10, b"x", b"x"]
    options = {"headers": {**head(MULTIPART, None), **CHUNKED}, "unfinished": True}
    async with Client(Small()).open("POST", "/parsed", body=body, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 3


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("content_type", [JSON, FORM, BINARY])
async def test_a_body_of_just_the_limit_is_fine(content_type, announced):
    body = padded(content_type, A_FORM if content_type == FORM else b'{"name":"Ada"}', 100)
    headers = head(content_type, 100) if announced else {**head(content_type, None), **CHUNKED}
    answer = await Client(Small()).post("/raw", headers=headers, body=[body[:60], body[60:]])
    assert (answer.status, answer.body) == (200, body)


async def test_there_may_be_no_limit():
    body = b"x" * (17 * 1024**2)
    app = Bodies(max_body_size=None)
    answer = await Client(app).request(url="/pieces", **sending(body, BINARY))
    assert answer.json == [len(body)]
    assert (await Client(Bodies()).request(url="/pieces", **sending(body, BINARY))).status == 413


@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART, BINARY])
async def test_a_limit_of_nothing_takes_empty_bodies_only(content_type):
    client = Client(Bodies(max_body_size=0))
    assert (await client.request(url="/raw", **sending(b"", content_type))).status == 200
    assert (await client.request(url="/raw", **sending(b"1", content_type))).status == 413
    headers = {**head(content_type, None), **CHUNKED}
    assert (await client.post("/raw", headers=headers, body=b"1")).status == 413


async def test_tiny_chunks_take_no_more_memory_than_large_ones():
    import tracemalloc

    class Chunks:
        """Chunks of two bytes, each made when it is asked for."""

        left = 20_000

        async def receive(self):
            await asyncio.sleep(0)
            self.left -= 1
            body = b"%02d" % (self.left % 100)
            return {"type": "http.request", "body": body, "more_body": self.left > 0}

    answers = []

    async def send(message):
        answers.append(message)

    class Length(App):
        async def index(self):
            return len(await self.request.read())

    app, scope = Length(), Client(None).scope("POST", "/", CHUNKED)
    await app(dict(scope), Chunks().receive, send)  # what the first request imports is not counted
    gc.collect()
    tracemalloc.start()
    try:
        await app(scope, Chunks().receive, send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers[1]["body"] == answers[3]["body"] == b"40000"
    assert peak < 400_000


@pytest.mark.parametrize(("path", "content_type"), READERS)
async def test_a_client_that_stalls_is_given_up(path, content_type):
    app = Bodies(body_timeout=0.02)
    options = {"headers": head(content_type, 100), "body": b"--pie", "unfinished": True}
    async with Client(app).open("POST", path, **options) as exchange:
        answer = await exchange.finish()
    assert (answer.status, answer.text) == (408, "408 Request Timeout: no data came for too long")
    assert answer.header("connection") == "close"
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_a_408_over_http_2_has_no_connection_header():
    # RFC 9113, 8.2.2: such a header is an error there.
    options = {"headers": head(JSON, 9), "body": b"{", "unfinished": True, "http_version": "2"}
    async with Client(Bodies(body_timeout=0.02)).open("POST", "/raw", **options) as exchange:
        answer = await exchange.finish()
    assert (answer.status, answer.header("connection")) == (408, None)


async def test_a_slow_client_has_its_time_for_every_chunk(clock):
    options = {"headers": CHUNKED, "unfinished": True}
    async with Client(Bodies(body_timeout=1000)).open("POST", "/raw", **options) as exchange:
        for number in range(4):
            await settled()
            clock.move(900)
            await settled()
            exchange.feed(b"x", more=number < 3)
        assert (await exchange.finish()).body == b"xxxx"


class Arrival:
    """What `receive` of a server that is not written in Python gives: `__await__`, and no more."""

    def __init__(self, arrived: asyncio.Future, body: bytes) -> None:
        self._waiting = arrived.__await__()
        self._message = {"type": "http.request", "body": body}

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._waiting)
        except StopIteration:
            raise StopIteration(self._message) from None


@pytest.mark.parametrize(("arrives", "status"), [("before", 200), ("late", 200), ("never", 408)])
async def test_a_server_may_have_awaitables_of_its_own(arrives, status):
    arrived = asyncio.get_running_loop().create_future()
    sent = []

    async def send(message):
        sent.append(message)

    if arrives == "before":
        arrived.set_result(None)
    elif arrives == "late":
        asyncio.get_running_loop().call_soon(arrived.set_result, None)
    app = Bodies(body_timeout=0.02 if arrives == "never" else 30)
    scope = Client(None).scope("POST", "/parsed", head(JSON, len(AN_OBJECT)))
    await app(scope, lambda: Arrival(arrived, AN_OBJECT), send)
    assert sent[0]["status"] == status


async def test_there_may_be_no_timeout():
    options = {"headers": CHUNKED, "unfinished": True}
    async with Client(Bodies(body_timeout=None)).open("POST", "/raw", **options) as exchange:
        exchange.feed(b"x", more=False)
        assert (await exchange.finish()).body == b"x"
