"""The ASGI lifespan protocol: start-up and shutdown, told to and reported by the server."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from micropie._errors import logger
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


class StartupError(Exception):
    """A start-up handler failed; the message names it and the error."""


async def run_startup(handler: LifespanHandler) -> None:
    """Call a start-up handler, and await what it returns if that can be.

    Raises:
        StartupError: it failed.
    """
    try:
        await _run(handler)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise StartupError(f"start-up handler {_handler_name(handler)} failed: {what}") from error


async def run_shutdown(handler: LifespanHandler) -> None:
    """Call a shutdown handler likewise; if it fails that is logged, for others are to follow."""
    try:
        await _run(handler)
    except Exception as error:
        logger.error("shutdown handler %s failed", _handler_name(handler), exc_info=error)


async def _run(handler: LifespanHandler) -> None:
    result = handler()
    if inspect.isawaitable(result):
        await result


def _handler_name(handler: LifespanHandler) -> str:
    name: str = getattr(handler, "__qualname__", repr(handler))
    return name
