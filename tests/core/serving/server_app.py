"""The app that test_servers.py runs under each server."""

import asyncio
import threading
import time

from micropie import App, HTTPError, allow

PATIENCE = 45.0  # seconds to wait for another request; its client waits for longer


class ServerApp(App):
    def __init__(self, **options):
        super().__init__(**options)
        self._events: dict[str, threading.Event] = {}
        self._together = threading.Barrier(20, timeout=PATIENCE)

    def _event(self, key):
        return self._events.setdefault(key, threading.Event())

    # How a test and a handler tell each other where they are.

    async def signal(self, key):
        self._event(key).set()

    async def wait(self, key):
        deadline = time.monotonic() + PATIENCE
        while not self._event(key).is_set():
            if time.monotonic() > deadline:
                raise HTTPError(504)
            await asyncio.sleep(0.005)
        return f"{key} was signalled"

    # Answers of every kind.

    async def index(self):
        return "<h1>Pie 🥧</h1>"

    async def greet(self, name="Guest"):
        return f"Hello, {name}!"

    async def number(self, number: int):
        return {"number": number}

    @allow("GET")
    async def readable(self):
        return "read"

    async def away(self, to="/greet/Zoë?from=here&to=there"):
        return self._redirect(to)

    async def fail(self):
        raise RuntimeError("a detail that is nobody's business")

    async def nothing(self):
        return None

    async def unchanged(self):
        return 304, None, {"ETag": '"pie"'}

    async def header(self, value):
        return 200, "sent", {"X-Value": value}

    # Handlers in threads.

    def blocked(self, key):
        self._event(f"{key}-begun").set()
        return "released" if self._event(key).wait(PATIENCE) else (504, "never released")

    def together(self):
        self._together.wait()
        return "all here"

    # Streams.

    async def thousand(self):
        for number in range(1000):
            yield f"line {number}\n"

    def thousand_in_threads(self):
        for number in range(1000):
            yield f"line {number}\n"

    async def two_steps(self, key):
        yield "first\n"
        await self.wait(key)
        yield "second\n"

    async def broken(self):
        yield "partial"
        await asyncio.sleep(0)
        raise RuntimeError("broke midway")

    async def late(self, status: int):
        await asyncio.sleep(0.01)
        raise HTTPError(status, "no such stream")
        yield

    async def unbegun(self, key):
        self._event(f"{key}-begun").set()
        try:
            await asyncio.Event().wait()
            yield "never"
        finally:
            self._event(f"{key}-closed").set()

    async def idle(self, key):
        try:
            yield "begun\n"
            await asyncio.Event().wait()
        finally:
            self._event(f"{key}-closed").set()

    async def ticking(self, key):
        try:
            while True:
                yield "tick\n"
                await asyncio.sleep(0.005)
        finally:
            self._event(f"{key}-closed").set()

    def ticking_in_threads(self, key):
        try:
            while True:
                yield "tick\n"
                time.sleep(0.005)
        finally:
            self._event(f"{key}-closed").set()

    async def torrent(self, key):
        try:
            # Not without end: Daphne keeps in memory whatever the client has not read yet.
            for _ in range(2_000_000):
                yield "x" * 16
        except BaseException:  # being closed, not having come to the end
            self._event(f"{key}-closed").set()
            raise


app = ServerApp()
app.mount("/narrow", ServerApp(sync_workers=1, sync_queue=1))
