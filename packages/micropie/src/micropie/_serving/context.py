"""The current connection: a context variable, seen by everything that runs on its behalf."""

from contextvars import ContextVar, Token
from threading import Lock
from typing import Any

from micropie._http.connection import Connection
from micropie._http.request import Request
from micropie.types import Message

# A list, which holds either the connection alone, or what the Request is made of when somebody asks
# for it (scope, receive and the App's Parts): most handlers never do, and that saves 0.1 us. If
# only a task that outlives its request asks, receive is `disconnected`. Every server runs a request
# in its own task, and so in its own context.
_current: ContextVar[list[Any]] = ContextVar("micropie.connection")

# Bound once: every request calls them, and looking a method up creates an object.
set_current = _current.set
reset_current = _current.reset

# What `set_current` returns and `reset_current` takes; None once the variable is reset.
Reset = Token[list[Any]] | None

# Threads that a handler starts share its context, and may ask at the same time.
_lock = Lock()


def current_connection() -> Connection:
    """Return the connection being served.

    Raises:
        RuntimeError: nothing is being served, in this task or thread.
    """
    holder = _current.get(None)
    if holder is None:
        raise RuntimeError(
            "there is no current request: `request` and `session` are there for handlers, hooks "
            "and what these call, while a request is served"
        )
    if len(holder) > 1:
        with _lock:
            if len(holder) > 1:
                scope, receive, parts = holder
                request = Request(scope, receive, parts.limits)
                request._is_answered = receive is disconnected
                # App has found it by its path alone; it is None if the handler was deleted since.
                request._endpoint = parts.routes.by_path.get(scope["path"])
                holder[:] = [request]
    connection: Connection = holder[0]
    return connection


async def disconnected() -> Message:
    """Receive what there is after the response."""
    return {"type": "http.disconnect"}
