"""An App that hears of the stop: how it hears, and what becomes of all that is open."""

import asyncio
import os
import signal
import sys
import threading

import pytest

from micropie import App, ConnectionClosed, EventStream, HttpMiddleware
from micropie._http import streaming
from micropie._serving import websocket
from support.asgi import Client, settled
from support.asgi_websocket import WebSocketClient
from support.lifespans import Life, life

pytestmark = pytest.mark.anyio


class Site(App):
    """Has one of each that stays open."""

    def __init__(self, **options):
        super().__init__(**options)
        self.ended = []
        self.go_on = threading.Event()
        self.entered = asyncio.Event()

    async def asks(self):
        return self.is_stopping

    def asks_in_thread(self):
        return self.is_stopping

    async def events(self):
        return EventStream(self._events())

    async def _events(self):
        try:
            yield {"retry": 100}
            await asyncio.Event().wait()
        finally:
            self.ended.append("events")

    async def chunks(self):
        try:
            yield "one"
            await asyncio.Event().wait()
        finally:
            self.ended.append("chunks")

    async def short(self):
        yield "one"
        while not self.is_stopping:  # noqa: ASYNC110 - what users write
            await asyncio.sleep(0)
        await settled()
        yield "two"

    async def silent(self):
        try:
            self.entered.set()
            await asyncio.Event().wait()
            yield "never"
        finally:
            self.ended.append("silent")

    async def blocking(self):
        return EventStream(self._block())

    def _block(self):
        yield "one"
        self.go_on.wait()

    async def ws_listening(self, ws):
        await ws.accept()
        async for message in ws:
            await ws.send_text(message)
        self.ended.append(("listening", ws.closed))

    async def ws_raising(self, ws):
        await ws.accept()
        try:
            await ws.receive_text()
        except ConnectionClosed as closed:
            self.ended.append(closed.code)
            raise

    async def ws_deaf(self, ws):
        await ws.accept()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append("deaf")

    async def ws_late(self, ws):
        await asyncio.sleep(0)
        await ws.accept()


@pytest.fixture
def served(monkeypatch):
    """What a server does that handles signals: it counts them, and goes on."""
    heard = []

    def handler(number, frame):
        heard.append(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGTERM, signal.SIGINT)}
    yield heard, handler
    for number, previous in before.items():
        signal.signal(number, previous)


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_event_stream_whole_and_reaches_the_server(served, number):
    app, (heard, handler) = Site(), served
    async with life(app):
        assert (await Client(app).get("/asks")).text == "false"
        async with Client(app).open("GET", "/events") as exchange:
            await exchange.chunk()
            os.kill(os.getpid(), number)
            answer = await exchange.finish()
        assert (answer.complete, app.ended) == (True, ["events"])
        assert (await Client(app).get("/asks")).text == "true"
        assert (await Client(app).get("/asks_in_thread")).text == "true"
    assert heard == [number]
    assert signal.getsignal(number) is handler


async def test_an_app_without_a_lifespan_listens_once_something_is_open(served):
    app = Site()
    async with Client(app).open("GET", "/events") as exchange:
        await exchange.chunk()
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await exchange.finish()).complete
    assert app.is_stopping
    async with life(app):  # it starts anew
        assert not app.is_stopping


async def test_every_app_of_the_process_hears(served):
    root, child, other = Site(), Site(), Site()
    root.mount("/child", child)
    async with life(root), life(other):
        async with (
            Client(root).open("GET", "/child/events") as first,
            Client(other).open("GET", "/events") as second,
        ):
            await first.chunk()
            await second.chunk()
            os.kill(os.getpid(), signal.SIGTERM)
            assert (await first.finish()).complete
            assert (await second.finish()).complete
        assert [app.is_stopping for app in (root, child, other)] == [True] * 3


@pytest.mark.skipif(sys.platform == "emscripten", reason="there are no signals")
async def test_a_handler_set_by_somebody_else_meanwhile_stays(served):
    app = Site()

    def theirs(number, frame):
        pass

    async with life(app):
        signal.signal(signal.SIGTERM, theirs)
    assert signal.getsignal(signal.SIGTERM) is theirs


async def test_where_nobody_handles_the_signal_it_stays_the_systems():
    theirs = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # what measures coverage may have one
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    app = Site()
    try:
        async with life(app), Client(app).open("GET", "/events") as exchange:
            await exchange.chunk()
            assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    finally:
        signal.signal(signal.SIGTERM, theirs)


async def test_a_loop_in_a_thread_hears_of_the_signal_as_well(served):
    app, (heard, _) = Site(), served
    began = threading.Event()

    def serve():
        async def main():
            async with Client(app).open("GET", "/events") as exchange:
                await exchange.chunk()
                began.set()
                return await exchange.finish()

        return asyncio.run(main())

    async with life(Site()):  # the main thread's
        running = asyncio.create_task(asyncio.to_thread(serve))
        await asyncio.to_thread(began.wait)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (await running).complete
    assert heard == [signal.SIGTERM]


async def test_the_end_of_the_lifespan_ends_what_is_open(monkeypatch):
    monkeypatch.setattr(streaming, "_BREAK_OFF_AFTER", 0.01)
    app = Site()
    running = Life(app)
    await running.start()
    async with (
        Client(app).open("GET", "/events") as events,
        Client(app).open("GET", "/chunks") as chunks,
        WebSocketClient(app).connect("/listening") as listening,
        WebSocketClient(app).connect("/raising") as raising,
    ):
        await events.chunk()
        await chunks.chunk()
        await running.stop()
        assert {*app.ended} == {"events", "chunks", ("listening", True), 1012}
        assert (await events.finish()).complete
        assert not (await chunks.finish()).complete
        assert (await listening.ended()).closed == (1012, "the server is stopping")
        assert (await raising.ended()).closed == (1012, "the server is stopping")


async def test_a_handler_that_does_not_listen_is_cancelled(monkeypatch):
    monkeypatch.setattr(websocket, "_HANDLER_WAITS", 0.01)
    app = Site()
    running = Life(app)
    await running.start()
    async with WebSocketClient(app).connect("/deaf") as socket:
        await running.stop()
        assert app.ended == ["deaf"]
        assert (await socket.ended()).closed == (1012, "the server is stopping")


async def test_a_body_that_comes_to_its_end_soon_is_whole():
    app = Site()
    running = Life(app)
    await running.start()
    async with Client(app).open("GET", "/short") as exchange:
        await exchange.chunk()
        await running.stop()
        answer = await exchange.finish()
    assert (answer.text, answer.complete) == ("onetwo", True)


async def test_a_stream_that_has_not_begun_is_a_503(monkeypatch):
    monkeypatch.setattr(streaming, "_BREAK_OFF_AFTER", 0.01)
    app = Site()
    running = Life(app)
    await running.start()
    async with Client(app).open("GET", "/silent") as exchange:
        await app.entered.wait()
        await running.stop()
        assert (await exchange.finish()).status == 503
    assert app.ended == ["silent"]


async def test_what_is_opened_during_the_stop_ends_as_well(served):
    app = Site()
    async with life(app):
        os.kill(os.getpid(), signal.SIGTERM)
        await settled()
        assert app.is_stopping
        answer = await Client(app).get("/events")
        assert (answer.status, answer.complete) == (200, True)
        async with WebSocketClient(app).open("/late") as socket:
            assert (await socket.ended()).refused == (1012, "the server is stopping")


async def test_a_thread_that_never_returns_is_left_behind(monkeypatch, logged):
    monkeypatch.setattr(streaming, "_END_WAITS", 0.01)
    app = Site(sync_workers=1)
    running = Life(app)
    await running.start()
    async with Client(app).open("GET", "/blocking") as exchange:
        await exchange.chunk()
        stop = asyncio.create_task(running.stop())
        assert (await exchange.finish()).complete
        app.go_on.set()
        await stop
    assert any("does not end" in record.getMessage() for record in logged)


async def test_a_stream_made_by_a_hook_of_another_ends_too():
    class Shouting(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            async def shout():
                async for chunk in response_body:
                    yield chunk.upper()

            return {"body": shout()}

    app = Site()
    app.middlewares.append(Shouting())
    running = Life(app)
    await running.start()
    async with Client(app).open("GET", "/events") as exchange:
        await exchange.chunk()
        await running.stop()
        await exchange.ended()
    assert app.ended == ["events"]
