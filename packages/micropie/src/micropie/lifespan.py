"""The ASGI lifespan protocol: start-up and shutdown, told to and reported by the server."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from micropie.errors import logger
from micropie.types import Receive, Send

LifespanHandler = Callable[[], Any]


async def serve_lifespan(
    receive: Receive,
    send: Send,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Run *start* and *stop* when the server says so (ASGI lifespan 2.0).

    A *start* that raises is reported to the server, which then exits; what had been started is
    for *start* itself to stop.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await start()
            except Exception as error:
                logger.error("start-up failed", exc_info=error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


async def run_handler(handler: LifespanHandler) -> None:
    """Call a start-up or shutdown handler, and await what it returns if that can be."""
    result = handler()
    if inspect.isawaitable(result):
        await result


class StartupError(Exception):
    """A start-up handler failed; the message names it and the error."""

    def __init__(self, handler: LifespanHandler, error: Exception) -> None:
        name = getattr(handler, "__qualname__", repr(handler))
        super().__init__(f"start-up handler {name} failed: {type(error).__name__}: {error}")
