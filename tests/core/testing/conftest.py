"""An App of everything that clients of the tests meet, and a client of either kind for it."""

import asyncio
import threading
from typing import Any

import pytest

from micropie import App, EventStream, HTTPError, HttpMiddleware, UploadFile

try:
    import httpx2  # noqa: F401
except ImportError:  # in Pyodide, or where it is not installed: these tests are left out
    collect_ignore_glob = ["*"]


class Answering(HttpMiddleware):
    """Answers a KeyError."""

    async def on_error(self, request, error):
        if isinstance(error, KeyError):
            return {"status_code": 418, "body": "answered"}
        return None


class Site(App):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.events: list[str] = []
        self.closed = threading.Event()  # a stream has been
        self.startup_handlers.append(self._start)
        self.shutdown_handlers.append(self._stop)
        self.middlewares.append(Answering())

    async def _start(self):
        self.events.append("start")

    async def _stop(self):
        self.events.append("stop")

    async def index(self):
        return "Hello"

    def thread(self):
        return "from a thread"

    async def visits(self):
        self.session["visits"] = self.session.get("visits", 0) + 1
        return {"visits": self.session["visits"]}

    async def leave(self):
        self.session.clear()
        return "left"

    async def elsewhere(self):
        return self._redirect("/")

    async def echo(self):
        body = await self.request.read()
        return {"method": self.request.method, "bytes": len(body)}

    async def form(self, name: str, file: UploadFile):
        return {"name": name, "filename": file.filename, "text": (await file.read()).decode()}

    async def scope(self):
        return {key: str(self.request.scope[key]) for key in ("scheme", "path", "query_string")}

    # What goes wrong.

    async def broken(self):
        raise ValueError("a mistake")

    def broken_thread(self):
        raise ValueError("a mistake in a thread")

    async def refused(self):
        raise HTTPError(403)

    async def answered(self):
        raise KeyError("x")

    async def unsendable(self):
        return object()

    async def hangs(self):
        await asyncio.sleep(3600)

    def hangs_in_a_thread(self):
        self.closed.wait(20)

    # Streams.

    async def forever(self):
        try:
            for number in range(10**9):
                yield f"{number}\n"
                await asyncio.sleep(0)
        finally:
            self.closed.set()

    async def stalls(self):
        yield "first"
        await asyncio.sleep(3600)

    async def breaks(self):
        yield "first"
        raise ValueError("a mistake in a stream")

    async def ticks(self):
        async def events():
            try:
                for number in range(10**9):
                    yield {"data": {"tick": number}, "id": str(number)}
                    await asyncio.sleep(0.001)
            finally:
                self.closed.set()

        return EventStream(events())

    # WebSockets.

    async def ws_echo(self, ws, name="nobody"):
        await ws.accept()
        async for message in ws:
            if isinstance(message, bytes):
                await ws.send_bytes(message)
            else:
                await ws.send_text(f"{name}: {message}")
        self.events.append("echo ended")

    async def ws_choosy(self, ws):
        await ws.accept("soup", headers=[("X-Pot", "big")])

    async def ws_count(self, ws):
        self.session["sockets"] = self.session.get("sockets", 0) + 1
        await ws.accept()
        await ws.send_json(self.session["sockets"])

    async def ws_ends(self, ws):
        await ws.accept()
        await ws.close(4001, "enough")

    async def ws_broken(self, ws):
        await ws.accept()
        await ws.receive_text()
        raise ValueError("a mistake in a WebSocket")

    async def ws_broken_before(self, ws):
        raise ValueError("a mistake before accept()")

    async def ws_hangs(self, ws):
        await asyncio.sleep(3600)

    async def ws_silent(self, ws):
        await ws.accept()
        await ws.receive_text()
        await ws.send_text("at last")


@pytest.fixture
def site() -> Site:
    return Site()
