"""Apps that stream the same chunks from handlers of every kind."""

import asyncio
from collections.abc import Callable
from typing import Any

from micropie import App
from support.asgi import PATIENCE, Client

# How a handler can come by a stream: every one of these must behave alike.
KINDS = ["async", "async returned", "sync", "sync returned", "sync handler"]


def streaming(kind: str, chunks: Callable[[], Any]) -> App:
    """Return an app whose index streams `chunks()`, an iterable, in the way of *kind*."""

    class Streaming(App):
        async def _async(self):
            for chunk in chunks():
                yield chunk

        def _sync(self):
            yield from chunks()

    app = Streaming()

    async def returned():
        return app._async() if kind == "async returned" else app._sync()

    def sync_handler():
        return app._sync()

    app.index = {"async": app._async, "sync": app._sync, "sync handler": sync_handler}.get(
        kind, returned
    )
    return app


def failing_after(good: list[Any], error: Exception | None = None) -> Callable[[], Any]:
    def chunks():
        yield from good
        raise error or ValueError("broken")

    return chunks


async def served(client: Client, url: str) -> str:
    """Return what *url* answers, as soon as a thread that was given back a moment ago is there."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await client.get(url)
            if answer.status != 503:
                return answer.text
            await asyncio.sleep(0.01)
