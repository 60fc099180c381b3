"""Header fields: names and values that may be sent."""

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any

from micropie._errors import ResponseError
from micropie.types import Headers, HeadersInput, RawHeaders

# What HTTP makes names of: of headers, of cookies (RFC 9110, 5.6.2).
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

# RFC 9110, 5.5: a value with a line break would start another header, or the body, of the
# attacker's choice.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def header_pairs(headers: HeadersInput | None) -> Headers:
    """Return *headers* as a new list of (name, value) pairs."""
    if headers is None:
        return []
    if isinstance(headers, Mapping):
        return list(headers.items())
    return list(headers)


def add_missing(headers: Headers, added: Iterable[tuple[str, str]]) -> None:
    """Append those of *added* to *headers* whose names are not in there."""
    given = {name.lower() for name, _ in headers}
    headers += [(name, value) for name, value in added if name.lower() not in given]


def raw_headers(headers: HeadersInput | None) -> RawHeaders:
    """Return *headers* as ASGI carries them.

    Raises:
        ResponseError: one may not be sent.
    """
    return [raw_header(pair) for pair in header_pairs(headers)]


def raw_header(pair: Any) -> tuple[bytes, bytes]:
    try:
        name, value = pair
        raw = _raw_name(name), value.strip(" \t").encode("latin-1")
    except (AttributeError, TypeError, ValueError):
        raise ResponseError(f"gave the header {pair!r}; headers are pairs of latin-1 str") from None
    # A printable value has no control character, and isprintable() is ten times faster.
    if not value.isprintable() and _CONTROL.search(value):
        raise ResponseError(f"gave the header {name!r} a value with a control character")
    return raw


@functools.lru_cache(maxsize=256)
def _raw_name(name: str) -> bytes:
    if not TOKEN.fullmatch(name):
        raise ResponseError(f"gave the header name {name!r}, which is not a token")
    return name.lower().encode()
