"""What is open when a server is told to stop; each leaves a line in the file of STOPPING_LOG."""

import asyncio
import os

from micropie import App, EventStream


def note(line):
    with open(os.environ["STOPPING_LOG"], "a") as file:
        file.write(f"{line}\n")


class Site(App):
    async def index(self):
        return "Hello."

    async def events(self):
        return EventStream(self._events())

    async def _events(self):
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            note(f"events {self.is_stopping}")

    async def chunks(self):
        try:
            yield "first"
            await asyncio.Event().wait()
        finally:
            note("chunks")

    async def ws_listening(self, ws):
        await ws.accept()
        await ws.send_text("first")
        async for _ in ws:
            pass
        note("listening")

    async def ws_deaf(self, ws):
        await ws.accept()
        await ws.send_text("first")
        try:
            await asyncio.Event().wait()
        finally:
            note("deaf")

    async def later(self):
        self._after_response(self._work)
        return "Soon."

    async def _work(self):
        note("working")
        while not self.is_stopping:  # noqa: ASYNC110 - what users write
            await asyncio.sleep(0.01)
        note("worked")


class Wrapper:
    """Another framework, which tells what it mounts nothing of the lifespan."""

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            for event in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{event}.complete"})
        else:
            await app(scope, receive, send)


app = Site()
parent = App()
parent.mount("/", app)
wrapped = Wrapper()
