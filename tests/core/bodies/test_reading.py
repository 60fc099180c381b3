"""A body that is read as bytes: again, in chunks, or while the response streams."""

import asyncio

import pytest

from micropie import App
from support.asgi import Client
from support.bodies import BINARY, FORM, MULTIPART
from support.body_app import A_FORM, A_MULTIPART, CHUNKED, PARSED, Bodies, head, sending, trace

pytestmark = pytest.mark.anyio

NOT_KEPT = "RuntimeError: the body was read already, and was not kept"


@pytest.mark.parametrize(
    ("content_type", "body"), [*PARSED[:2], (BINARY, b"\0\xff")], ids=["json", "form", "binary"]
)
async def test_a_body_can_be_read_after_it_was_parsed_and_again(content_type, body):
    client = Client(Bodies())
    assert (await client.request(url="/raw", **sending(body, content_type))).body == body
    assert (await client.request(url="/twice", **sending(body, content_type))).text == "same"


async def test_a_stream_gives_the_chunks_as_they_come():
    answer = await Client(Bodies()).post("/chunks", headers=CHUNKED, body=[b"a", b"bc", b"", b"d"])
    assert answer.json == ["a", "bc", "d"]


async def test_a_stream_of_a_parsed_body_is_one_chunk():
    answer = await Client(Bodies()).request(url="/chunks", **sending(A_FORM, FORM))
    assert answer.json == [A_FORM.decode()]


async def test_a_stream_begins_before_the_body_has_ended():
    options = {"headers": CHUNKED, "body": b"one", "unfinished": True}
    async with Client(Bodies()).open("POST", "/echo", **options) as exchange:
        assert await exchange.chunk() == b"one"
        exchange.feed(b"two", more=True)
        assert await exchange.chunk() == b"two"
        exchange.feed(b"three", more=False)
        assert (await exchange.finish()).body == b"onetwothree"


@pytest.mark.parametrize("then", ["read", "stream"])
async def test_a_streamed_body_is_not_kept(then, logged):
    answer = await Client(Bodies(debug=True)).request(
        url=f"/stream_and/{then}", **sending(b"abc", BINARY)
    )
    assert trace(answer) == NOT_KEPT


async def test_a_body_that_was_streamed_in_part_can_not_be_read(logged):
    answer = await Client(Bodies(debug=True)).request(url="/half", **sending(b"abc", BINARY))
    assert trace(answer) == NOT_KEPT


@pytest.mark.parametrize("path", ["/raw", "/chunks"])
async def test_a_multipart_body_is_not_kept(path, logged):
    app = Bodies(debug=True)
    answer = await Client(app).request(url=path, **sending(A_MULTIPART, MULTIPART))
    assert trace(answer) == NOT_KEPT


@pytest.mark.parametrize("chunks", [[b"abc"], [b"a", b"bc"], [b""]])
async def test_a_body_can_be_read_while_the_response_streams(chunks):
    # The App watches for the client's departure meanwhile: it must not eat the body.
    answer = await Client(Bodies(body_timeout=1)).post("/late", headers=CHUNKED, body=chunks)
    assert answer.text == "begun;" + b"".join(chunks).decode()
    assert answer.complete


async def test_a_long_body_waits_for_a_reader_while_the_response_streams():
    read_now = asyncio.Event()

    class Patient(App):
        async def index(self):
            yield "begun;"
            await read_now.wait()
            yield await self.request.read()

    options = {"headers": CHUNKED, "body": [b"x"] * 50}
    async with Client(Patient()).open("POST", "/", **options) as exchange:
        assert await exchange.chunk() == b"begun;"
        for _ in range(60):
            await asyncio.sleep(0)
        # Some of it is taken, so that a client that leaves is heard of, but never all.
        assert 1 < exchange.received < 20
        read_now.set()
        assert (await exchange.finish()).text == "begun;" + "x" * 50


async def test_a_body_that_nobody_announced_can_be_read_while_the_response_streams():
    answer = await Client(Bodies(body_timeout=1)).post("/late", body=b"abc", http_version="2")
    assert answer.text == "begun;abc"


async def test_a_stream_that_never_reads_the_body_is_closed_when_its_client_leaves():
    closed = []

    class Endless(App):
        async def index(self):
            try:
                yield "begun"
                await asyncio.Event().wait()
            finally:
                closed.append(True)

    for options in (
        sending(b"abc", BINARY),
        {"method": "POST", "headers": CHUNKED, "body": [b"a", b"b"]},
        {"method": "POST", "headers": head(BINARY, 9), "body": b"a", "unfinished": True},
    ):
        closed.clear()
        async with Client(Endless()).open(url="/", **options) as exchange:
            assert await exchange.chunk() == b"begun"
            exchange.disconnect()
            await exchange.ended()
            assert closed
