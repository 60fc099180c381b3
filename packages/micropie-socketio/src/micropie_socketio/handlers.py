"""Event handlers as python-socketio is to call them: what they raise goes no further."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from socketio.exceptions import (  # type: ignore[import-untyped] # has no annotations
    ConnectionRefusedError as Refusal,
)

import socketio  # type: ignore[import-untyped] # likewise
from micropie import HTTPError

_logger = logging.getLogger("micropie")

_LOGGED = 100  # characters of an event's name, which the client chose

# What a connect handler may raise to say no.
_REFUSALS = (Refusal, ConnectionRefusedError)

# The tasks of the client whose message the library takes; None inside of handlers.
current_events: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar("events", default=None)


def guarded(event: str, handler: Any, unhandled: Any, method: Any = None) -> Any:
    """Return *handler* as a coroutine function that logs what it raises.

    A connect handler that fails refuses the client, which would wait otherwise.

    Args:
        event: its event, "*" for one that takes all.
        handler: a function or coroutine function.
        unhandled: what is returned when it was not called, or failed: no acknowledgement then.
        method: the function that gets the arguments in the end; None if it is *handler*.
    """
    fits = _fitting(method or handler)

    @wraps(handler)
    async def call(*args: Any) -> Any:
        name = (args[0] if event == "*" else event)[:_LOGGED]
        current_events.set(None)
        try:
            for some in (args, *_spellings(event, args)):
                if fits(*some):
                    result = handler(*some)
                    return await result if inspect.isawaitable(result) else result
            _logger.warning("Socket.IO event %r: its handler does not take its arguments", name)
        except HTTPError as error:
            _logger.warning("Socket.IO event %r: its handler ended with %s", name, error)
        except Exception as error:
            if event == "connect" and isinstance(error, _REFUSALS):
                raise
            _logger.error("Socket.IO event %r: its handler failed", name, exc_info=error)
        if event == "connect":
            raise Refusal
        return unhandled

    return call


class GuardedNamespace(socketio.AsyncNamespace):  # type: ignore[misc] # has no annotations
    """A class-based namespace whose handlers are guarded, whatever its `trigger_event` does."""

    def __init__(self, inner: Any, unhandled: Any) -> None:
        super().__init__(inner.namespace)
        self._inner = inner
        self._unhandled = unhandled

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Have *event* handled, by `on_EVENT` or however the namespace does it."""
        method = getattr(self._inner, f"on_{event}", None)
        trigger = partial(self._inner.trigger_event, event)
        return await guarded(event, trigger, self._unhandled, method)(*args)


async def run_event(target: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Run what the library does for one event; what is left to fail there is the answer."""
    try:
        await target(*args)
    except Exception as error:
        _logger.error("Socket.IO: an event could not be acknowledged", exc_info=error)


def _spellings(event: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Return other arguments of a handler: its last one, `auth` or `reason`, may be left out.

    By the handler, and, if it is an `auth` that the client did not send, by older libraries.
    """
    if event == "connect" and "asgi.scope" in (args[-1] or ()):  # it is the environ
        return [(*args, None)]
    return [args[:-1]] if event in ("connect", "disconnect") else []


def _fitting(handler: Any) -> Callable[..., bool]:
    """Return a function that tells whether *handler* takes some arguments."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # of a function in C
        return lambda *args: True

    def fits(*args: Any) -> bool:
        try:
            signature.bind(*args)
        except TypeError:
            return False
        return True

    return fits
