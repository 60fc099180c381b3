"""Clients and handlers that leave a body before its end: no error, and no file left."""

import asyncio
import tempfile

import pytest

from micropie import App, HTTPError
from support.asgi import Client
from support.bodies import FORM, JSON, MIB, MULTIPART
from support.body_app import A_MULTIPART, CHUNKED, Bodies, Small, head, hooked, sending
from support.temporary_files import on_disk

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["/parsed", "/raw", "/chunks"])
@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART])
async def test_a_client_that_leaves_amid_its_body_is_no_error_of_ours(path, content_type):
    # That nothing was logged is checked after every test.
    app = Bodies()
    body = A_MULTIPART[:-30] if content_type == MULTIPART else b"{"
    options = {"headers": head(content_type, 1000), "body": body, "unfinished": True}
    async with Client(app).open("POST", path, **options) as exchange:
        exchange.disconnect()
        await exchange.ended()
        assert not exchange.messages
    assert app.runs == 0


async def test_a_handler_is_told_when_the_client_leaves_amid_its_body():
    told = []

    class Told(App):
        async def index(self):
            try:
                await self.request.read()
            except HTTPError as error:
                told.append(error.status_code)
                raise

    options = {"headers": CHUNKED, "body": b"a", "unfinished": True}
    async with Client(Told()).open("POST", "/", **options) as exchange:
        exchange.disconnect()
        await exchange.ended()
    assert told == [400]


async def test_a_client_that_leaves_amid_an_echo_is_no_error_of_ours():
    options = {"headers": CHUNKED, "body": b"one", "unfinished": True}
    async with Client(Bodies()).open("POST", "/echo", **options) as exchange:
        assert await exchange.chunk() == b"one"
        exchange.disconnect()
        await exchange.ended()


async def test_a_body_over_the_limit_breaks_off_an_echo(logged):
    options = {"headers": CHUNKED, "body": [b"x" * 60, b"x" * 60]}
    answer = await Client(Small()).post("/echo", **options)
    assert (answer.status, answer.body, answer.complete) == (200, b"x" * 60, False)


async def test_cancelling_a_request_amid_its_body_is_no_error():
    options = {"headers": head(JSON, 9), "body": b"{", "unfinished": True}
    async with Client(Bodies()).open("POST", "/parsed", **options) as exchange:
        for _ in range(5):
            await asyncio.sleep(0)
        assert exchange.received == 2
        exchange.cancel()
        await exchange.ended()
        assert not exchange.messages


async def test_a_form_that_a_hook_gave_up_leaves_no_file(tmp_path, monkeypatch, logged):
    async def before(request):
        with pytest.raises(HTTPError, match="malformed"):
            await request.parse_body()
        assert on_disk(tmp_path) == 1

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    head = b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    body = head + bytes(2 * MIB) + b"\r\n--pie is malformed"
    answer = await hooked(before).request(url="/parsed", **sending(body, MULTIPART))
    assert answer.status == 500
    (record,) = logged
    assert str(record.exc_info[1]) == "the body was read already, and was not kept"
    assert on_disk(tmp_path) == 0


@pytest.mark.parametrize("size", [MIB // 2, 2 * MIB])
async def test_a_form_that_goes_on_after_the_answer_leaves_no_file(tmp_path, monkeypatch, size):
    parsing = []

    async def before(request):
        parsing.append(asyncio.create_task(request.parse_body()))
        await wants_the_rest.wait()
        return {"status_code": 503}

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    head = b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    chunks = [head + bytes(size), b"\r\n" + head + bytes(2 * MIB) + b"\r\n--pie--\r\n"]
    client, wants_the_rest, is_answered = hooked(before), asyncio.Event(), asyncio.Event()

    async def receive():
        if len(chunks) == 1:
            wants_the_rest.set()
            await is_answered.wait()
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message):
        pass

    await client.app(
        client.scope("POST", "/parsed", headers={"Content-Type": MULTIPART, **CHUNKED}),
        receive,
        send,
    )
    is_answered.set()
    await asyncio.wait(parsing)
    with pytest.raises(ValueError, match="closed"):
        parsing[0].result()
    assert on_disk(tmp_path) == 0
