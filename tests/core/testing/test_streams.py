"""Test clients: responses that come chunk by chunk, end early, or never."""

import asyncio
import threading
from itertools import islice

import httpx2
import pytest

from micropie import App
from micropie.testing import AsyncTestClient, TestClient
from support.asgi import PATIENCE

pytestmark = pytest.mark.anyio


def test_a_chunk_is_read_before_the_next_one_is_made():
    asked = threading.Event()

    class Steps(App):
        async def index(self):
            yield "first"
            await asyncio.to_thread(asked.wait, PATIENCE)
            yield "second"

    with TestClient(Steps()) as client, client.stream("GET", "/") as response:
        chunks = response.iter_text()
        assert next(chunks) == "first"
        asked.set()
        assert [*chunks] == ["second"]


def test_a_stream_that_never_ends_is_closed_when_the_test_has_read_enough(site):
    with TestClient(site) as client:
        with client.stream("GET", "/forever") as response:
            assert [*islice(response.iter_lines(), 3)] == ["0", "1", "2"]
        assert site.closed.is_set()
        assert client.get("/").text == "Hello"


async def test_a_stream_that_never_ends_is_closed_asynchronously(site):
    async with AsyncTestClient(site) as client:
        async with client.stream("GET", "/forever") as response:
            lines = response.aiter_lines()
            assert [await anext(lines), await anext(lines)] == ["0", "1"]
        assert site.closed.is_set()


def test_a_stream_that_never_ends_can_not_be_read_as_a_whole(site):
    with TestClient(site, timeout=1) as client:
        with pytest.raises(httpx2.ReadTimeout, match=r"client\.stream"):
            client.get("/forever")
        assert site.closed.is_set()


def test_a_slow_reader_holds_the_app_up():
    made = []

    class Big(App):
        async def index(self):
            for number in range(100):
                made.append(number)
                yield b"x" * 10_000

    with TestClient(Big()) as client, client.stream("GET", "/") as response:
        chunks = response.iter_raw()
        next(chunks)
        assert len(made) < 20
        assert sum(map(len, chunks)) == 99 * 10_000
    assert len(made) == 100


def test_silence_in_a_stream_is_given_up(site):
    with TestClient(site) as client, client.stream("GET", "/stalls", timeout=1) as response:
        chunks = response.iter_text()
        assert next(chunks) == "first"
        with pytest.raises(httpx2.ReadTimeout):
            next(chunks)


def test_an_error_after_the_head_is_raised_where_the_chunk_would_come(site, logged):
    with TestClient(site) as client:
        with client.stream("GET", "/breaks") as response:
            assert response.status_code == 200
            chunks = response.iter_text()
            assert next(chunks) == "first"
            with pytest.raises(ValueError, match="a mistake in a stream"):
                next(chunks)
        with pytest.raises(ValueError, match="a mistake in a stream"):
            client.get("/breaks")


@pytest.mark.parametrize("path", ["/breaks"])
def test_without_exceptions_an_error_after_the_head_is_a_response_cut_short(site, path, logged):
    with (
        TestClient(site, raise_app_exceptions=False) as client,
        pytest.raises(httpx2.RemoteProtocolError),
    ):
        client.get(path)


def test_an_event_stream_is_read_event_by_event(site):
    with TestClient(site) as client:
        with client.sse("/ticks") as events:
            first, second = islice(events, 2)
        assert (first.json(), second.json(), second.id) == ({"tick": 0}, {"tick": 1}, "1")
        assert site.closed.wait(PATIENCE)


async def test_an_event_stream_is_read_asynchronously(site):
    async with AsyncTestClient(site) as client, client.sse("/ticks") as events:
        async for event in events:
            assert event.json() == {"tick": 0}
            break


def test_requests_can_be_made_while_a_stream_is_open(site):
    with TestClient(site) as client, client.stream("GET", "/forever") as response:
        lines = response.iter_lines()
        assert next(lines) == "0"
        assert client.get("/").text == "Hello"
        assert next(lines) == "1"


def test_streams_that_are_left_open_end_with_the_client(site):
    client = TestClient(site)
    response = client.send(client.build_request("GET", "/forever"), stream=True)
    assert next(response.iter_lines()) == "0"
    client.close()
    assert site.closed.is_set()
    assert site.events == ["start", "stop"]


class Endless:
    """A bare ASGI app that streams until its client leaves, and keeps what it learns of that."""

    def __init__(self):
        self.learnt = []

    async def __call__(self, scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0)
        except OSError:
            await receive()
            self.learnt.append((await receive())["type"])


@pytest.mark.parametrize("closes", ["response", "client"])
def test_an_app_learns_that_its_client_has_left(closes):
    app = Endless()
    with TestClient(app) as client:
        response = client.send(client.build_request("GET", "/"), stream=True)
        chunks = response.iter_raw()  # kept: to drop it is to leave
        assert next(chunks) == b"x"
        assert app.learnt == []
        if closes == "response":
            response.close()
            assert app.learnt == ["http.disconnect"]
    assert app.learnt == ["http.disconnect"]
