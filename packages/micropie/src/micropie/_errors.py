"""Errors that user code raises or catches, and the logger they are reported on."""

import asyncio
import functools
import logging
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

from micropie.types import HeadersInput

logger = logging.getLogger("micropie")

# Where a test client collects what failed on behalf of one of its connections.
FAILURES: ContextVar[list[BaseException] | None] = ContextVar("micropie.failures", default=None)


def report(error: BaseException) -> None:
    """Tell the test client, if one called the App, of an error that clients never see."""
    failures = FAILURES.get()
    if failures is not None:
        failures.append(error)


class HTTPError(Exception):
    """Answer the request with an error status, from anywhere below the App.

    Args:
        status_code: the response's status, 200 to 599.
        body: what a handler might return as a body; None gives "404 Not Found" and the like.
        headers: extra response headers, as pairs or a dict.

    Attributes:
        errors: which values did not fit, when a model was made of a request:
            `{"field": "items.0.price", "message": "must be a number"}` for each; else empty.
    """

    def __init__(
        self, status_code: int, body: Any = None, headers: HeadersInput | None = None
    ) -> None:
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body
        self.headers = headers
        self.errors: list[dict[str, str]] = []

    def __str__(self) -> str:
        return status_line(self.status_code) if self.body is None else str(self.body)


class ExplainedError(HTTPError):
    """An error of the framework's own, whose body says what was wrong.

    Args:
        status_code: the response's status.
        reason: shown to the client; must not repeat what the client sent.
    """

    def __init__(self, status_code: int, reason: str) -> None:
        super().__init__(status_code, f"{status_line(status_code)}: {reason}")


class BadRequest(ExplainedError):
    """A 400: the request is malformed or has invalid values.

    Args:
        reason: shown to the client; must not repeat what the client sent.
        errors: (path, message) pairs of the fields that are invalid.
    """

    def __init__(self, reason: str, errors: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(400, reason)
        self.errors = [{"field": path, "message": message} for path, message in errors]


class ContentTooLarge(ExplainedError):
    """A 413: the body, or a part of it, is over its limit."""

    def __init__(self, reason: str) -> None:
        super().__init__(413, reason)


class ClientDisconnected(BadRequest):
    """The client left before its request was complete; nobody sees the answer."""

    def __init__(self) -> None:
        super().__init__("the client disconnected")


class Overloaded(ExplainedError):
    """A 503: threads are busy, and as much work waits for them as may."""

    def __init__(self) -> None:
        super().__init__(503, "too many requests are waiting")
        # Seconds (RFC 9110, 10.2.3): unless it is an attack, the queue should be shorter by then.
        self.headers = {"Retry-After": "5"}


class ResponseError(Exception):
    """A handler or hook gave something that can't be sent; the message is for the log."""


# RFC 9110's phrases, which Python has had since 3.13.
_PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}


@functools.lru_cache(maxsize=512)
def status_line(status_code: int) -> str:
    """Return "404 Not Found" for 404; the bare number for a status without a name."""
    from http import HTTPStatus  # here: most answers are not errors

    try:
        return f"{int(status_code)} {_PHRASES.get(status_code) or HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(int(status_code))


def unwrap(error: Exception) -> Exception:
    """Return the HTTPError in *error* if that is a group, of a TaskGroup say, of nothing else.

    Of several the first counts. Any other *error* is returned as it is.
    """
    while isinstance(error, ExceptionGroup) and error.split(HTTPError)[1] is None:
        error = error.exceptions[0]
    return error


def cancelled_within(error: asyncio.CancelledError) -> RuntimeError:
    """Return the error for a CancelledError that came out of an awaited task or future.

    Raises:
        CancelledError: the current task itself is being cancelled, and must end.
    """
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise error
    failure = RuntimeError("something that was awaited here had been cancelled")
    failure.__cause__ = error
    return failure
