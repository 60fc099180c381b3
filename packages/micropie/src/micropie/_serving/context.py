"""The connection being served, known to everything that runs on its behalf."""

from contextvars import ContextVar, Token
from threading import Lock
from typing import Any

from micropie._http.request import Connection, Request

# Holds either the one connection, or what the Request of a plain HTTP request is to be made from
# when somebody asks for it: most handlers never do. Every server runs a request in a task of its
# own, and so in a context of its own.
_current: ContextVar[list[Any]] = ContextVar("micropie.connection")

# For the way of every request: to look a method up on an imported name makes a new object of it.
set_current = _current.set
reset_current = _current.reset

# What `set_current` returns and `reset_current` takes; None once the variable is reset.
Reset = Token[list[Any]] | None

# Threads that a handler starts see its context, and may ask at the same time.
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
                holder[:] = [Request(*holder)]
    connection: Connection = holder[0]
    return connection
