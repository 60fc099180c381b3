"""Event handlers as python-socketio is to call them: what they raise goes no further."""

import asyncio
import inspect
import logging
from contextvars import ContextVar
from typing import Any

from socketio.exceptions import (  # type: ignore[import-untyped] # has no annotations
    ConnectionRefusedError as Refusal,
)

from micropie import HTTPError

logger = logging.getLogger("micropie")

_LOGGED = 100  # characters of an event's name, which the client chose


class Client:
    """One connection: the tasks of its events, whether it has joined a namespace, who attends."""

    def __init__(self) -> None:
        self.events: set[asyncio.Task[Any]] = set()
        self.joined = asyncio.Event()
        self.attendant: asyncio.Task[Any] | None = None


# Whose message the library takes; None inside of handlers.
current_client: ContextVar[Client | None] = ContextVar("micropie_socketio_client", default=None)


def guarded(event: str, handler: Any, unhandled: Any, method: Any = None) -> Any:
    """Return *handler* as a coroutine function that logs what it raises.

    A connect handler that fails refuses the client, which would wait otherwise.

    Args:
        event: its event, "*" for one that takes all.
        handler: a function or coroutine function.
        unhandled: what is returned when it was not called, or failed: no acknowledgement then.
        method: the function that gets the arguments in the end; None if it is *handler*.
    """
    signature = inspect.signature(method or handler)

    async def call(*args: Any) -> Any:
        name = (args[0] if event == "*" else event)[:_LOGGED]
        current_client.set(None)
        spellings = [args]
        if event in ("connect", "disconnect"):
            # The last one, `auth` or `reason`, may be left out by the handler, and by older
            # libraries if it is an `auth` that the client did not send: then the environ is last.
            has_auth = event == "disconnect" or "asgi.scope" not in (args[-1] or ())
            spellings.append(args[:-1] if has_auth else (*args, None))
        try:
            for some in spellings:
                if _fits(signature, some):
                    result = handler(*some)
                    return await result if inspect.isawaitable(result) else result
            logger.warning("Socket.IO event %r: its handler does not take its arguments", name)
        except HTTPError as error:
            logger.warning("Socket.IO event %r: its handler ended with %s", name, error)
        except Exception as error:
            if event == "connect" and isinstance(error, Refusal | ConnectionRefusedError):
                raise
            logger.error("Socket.IO event %r: its handler failed", name, exc_info=error)
        if event == "connect":
            raise Refusal
        return unhandled

    return call


def report(event: "asyncio.Task[Any]") -> None:
    """Log what the library does not get done with the result of a handler."""
    if not event.cancelled() and (error := event.exception()):
        logger.error("Socket.IO: an event could not be acknowledged", exc_info=error)


def _fits(signature: inspect.Signature, args: tuple[Any, ...]) -> bool:
    try:
        signature.bind(*args)
    except TypeError:
        return False
    return True
