"""The ASGI lifespan protocol: starting and stopping an App, and the Apps mounted in it."""

import inspect

from micropie._bodies.spool import wait_for_deletions
from micropie._errors import logger
from micropie._serving.parts import LifespanHandler, Parts, parts_of
from micropie.types import Receive, Send

# Seconds that the shutdown waits for the temporary files of requests that the server has cancelled.
DELETION_TIMEOUT = 5.0


async def serve_lifespan(parts: Parts, receive: Receive, send: Send) -> None:
    """Start and stop an App when the server says so (ASGI lifespan 2.0).

    A start that fails is reported to the server, which then exits.
    """
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await _start_up(parts)
            except Exception as error:
                logger.error("start-up failed", exc_info=error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await _shut_down(parts)
            await send({"type": "lifespan.shutdown.complete"})
            return


class StartupError(Exception):
    """A start-up handler failed; the message names it and the error."""


async def _start_up(parts: Parts) -> None:
    """Start the session backend and run the start-up handlers, App by App.

    Raises:
        StartupError: one of them failed; all that had been started is stopped again.
    """
    try:
        for app in _with_mounted(parts, {}):
            await _run_startup(app.sessions.backend.startup)
            for handler in app.startup_handlers:
                await _run_startup(handler)
    except Exception:
        await _shut_down(parts)
        raise


async def _shut_down(parts: Parts) -> None:
    """Undo `_start_up` in reverse; a handler that fails is logged and does not stop the rest."""
    for app in reversed(_with_mounted(parts, {})):
        for handler in reversed(app.shutdown_handlers):
            await _run_shutdown(handler)
        await _run_shutdown(app.sessions.backend.shutdown)
        app.workers.shutdown()
    await wait_for_deletions(DELETION_TIMEOUT)


def _with_mounted(parts: Parts, found: dict[int, Parts]) -> list[Parts]:
    """Return *parts* and those of all Apps below, each once, however often it is mounted."""
    if id(parts) not in found:
        found[id(parts)] = parts
        for app in parts.mounts.values():
            mounted = parts_of(app)
            if mounted is not None:
                _with_mounted(mounted, found)
    return list(found.values())


async def _run_startup(handler: LifespanHandler) -> None:
    try:
        await _run(handler)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise StartupError(f"start-up handler {_handler_name(handler)} failed: {what}") from error


async def _run_shutdown(handler: LifespanHandler) -> None:
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
