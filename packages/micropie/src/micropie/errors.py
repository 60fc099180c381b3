"""Errors that user code raises or catches, and the logger they are reported on."""

import logging
from http import HTTPStatus
from typing import Any

from micropie.types import HeadersInput

logger = logging.getLogger("micropie")


class HTTPError(Exception):
    """Answer the request with an error status, from anywhere below the App.

    Args:
        status_code: the response's status, 200 to 599.
        body: what a handler might return as a body; None gives "404 Not Found" and the like.
        headers: extra response headers, as pairs or a dict.
    """

    def __init__(
        self, status_code: int, body: Any = None, headers: HeadersInput | None = None
    ) -> None:
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body
        self.headers = headers

    def __str__(self) -> str:
        return status_line(self.status_code) if self.body is None else str(self.body)


class BadRequest(HTTPError):
    """A 400 whose body says what was wrong with the request.

    Args:
        reason: for the client's eyes; must not repeat what the client sent.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"400 Bad Request: {reason}", {"Content-Type": PLAIN_TEXT})


class ContentTooLarge(HTTPError):
    """A 413 whose body says which limit the request exceeded.

    Args:
        reason: for the client's eyes; must not repeat what the client sent.
    """

    def __init__(self, reason: str) -> None:
        # Spelled out: HTTPStatus has the name of RFC 9110 from Python 3.13 on.
        super().__init__(413, f"413 Content Too Large: {reason}", {"Content-Type": PLAIN_TEXT})


PLAIN_TEXT = "text/plain; charset=utf-8"


def status_line(status_code: int) -> str:
    """Return "404 Not Found" for 404; the bare number for a status without a name."""
    try:
        return f"{int(status_code)} {HTTPStatus(status_code).phrase}"
    except ValueError:
        return str(int(status_code))
