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

# Their last argument, `auth` or `reason`, may be left out, as python-socketio has it.
_SHORTER = ("connect", "disconnect")

# What a connect handler may raise to say no.
_REFUSALS = (Refusal, ConnectionRefusedError)

# The tasks of the client whose message the library takes; None inside of handlers.
current_events: ContextVar[set[asyncio.Task[Any]] | None] = ContextVar(
    "micropie_socketio_events", default=None
)


def guarded(event: str, handler: Callable[..., Any], unhandled: Any) -> Callable[..., Any]:
    """Return *handler* as a coroutine function that logs what it raises.

    A connect handler that fails refuses the client, which would wait otherwise.

    Args:
        event: its event, "*" for one that takes all.
        handler: a function or coroutine function.
        unhandled: what is returned when it was not called, or failed: no acknowledgement then.
    """
    choose = _chooser(event, handler)

    @wraps(handler)
    async def call(*args: Any) -> Any:
        name = args[0] if event == "*" and args else event
        return await _call(name, handler, choose(args), unhandled)

    return call


class GuardedNamespace(socketio.AsyncNamespace):  # type: ignore[misc] # has no annotations
    """A class-based namespace whose handlers are guarded, whatever its `trigger_event` does."""

    def __init__(self, inner: Any, unhandled: Any) -> None:
        super().__init__(inner.namespace)
        self._inner = inner
        self._unhandled = unhandled
        self._choosers: dict[str, Callable[..., Any]] = {}

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Have *event* handled, by `on_EVENT` or however the namespace does it."""
        method = getattr(self._inner, f"on_{event}", None)
        if method is not None:
            choose = self._choosers.setdefault(event, _chooser(event, method))
            chosen = choose(args)
        else:
            chosen = args
        trigger = partial(self._inner.trigger_event, event)
        return await _call(event, trigger, chosen, self._unhandled)


async def run_event(target: Callable[..., Awaitable[Any]], *args: Any) -> None:
    """Run what the library does for one event; what is left to fail there is the answer."""
    try:
        await target(*args)
    except Exception as error:
        _logger.error("Socket.IO: an event could not be acknowledged", exc_info=error)


def _chooser(
    event: str, handler: Callable[..., Any]
) -> Callable[[tuple[Any, ...]], tuple[Any, ...] | None]:
    """Return a function that gives the arguments which *handler* takes, None if they don't fit."""
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):  # of a function in C
        return lambda args: args

    def choose(args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        for chosen in (args, args[:-1]) if event in _SHORTER else (args,):
            try:
                signature.bind(*chosen)
            except TypeError:
                continue
            return chosen
        return None

    return choose


async def _call(
    event: str, handler: Callable[..., Any], args: tuple[Any, ...] | None, unhandled: Any
) -> Any:
    name = event[:_LOGGED]
    current_events.set(None)
    try:
        if args is not None:
            result = handler(*args)
            return await result if inspect.isawaitable(result) else result
        _logger.warning("Socket.IO event %r: its handler does not take these arguments", name)
    except Exception as error:
        if event == "connect" and isinstance(error, _REFUSALS):
            raise
        if isinstance(error, HTTPError):
            _logger.warning("Socket.IO event %r: its handler ended with %s", name, error)
        else:
            _logger.error("Socket.IO event %r: its handler failed", name, exc_info=error)
    if event == "connect":
        raise Refusal
    return unhandled
