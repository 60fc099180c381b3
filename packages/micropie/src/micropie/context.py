"""The request being handled, known to everything that runs on its behalf."""

from contextvars import ContextVar

from micropie.request import Connection

# Every server runs a request in a task of its own, and so in a context of its own.
current: ContextVar[Connection] = ContextVar("micropie.request")
