"""Conditional requests and ranges (RFC 9110, 13 and 14): what of a file a client wants to have."""

import re
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

# The headers that are looked at here.
CONDITIONS = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"}
    | {b"if-range", b"range"}
)

_ETAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)

# No file has more bytes than that many digits can say; int() of thousands takes its time.
_MOST_DIGITS = 18


def precondition(headers: Mapping[bytes, str], etag: str, mtime: int) -> int:
    """Return the status that the conditions lead to: 200, 304 or 412 (RFC 9110, 13.2.2).

    Args:
        headers: the conditional headers of the request, by lower-case name.
        etag: that of the file, with quotes.
        mtime: when the file was changed, in seconds.
    """
    if (tags := headers.get(b"if-match")) is not None:
        if not _matches(tags, etag, weakly=False):
            return 412
    elif (date := _seconds(headers.get(b"if-unmodified-since"))) is not None and mtime > date:
        return 412
    if (tags := headers.get(b"if-none-match")) is not None:
        return 304 if _matches(tags, etag, weakly=True) else 200
    date = _seconds(headers.get(b"if-modified-since"))
    return 304 if date is not None and mtime <= date else 200


def byte_range(
    headers: Mapping[bytes, str], etag: str, mtime: int, size: int
) -> tuple[int, int] | None:
    """Return offset and length of the part that is asked for; None for the whole.

    What is malformed is ignored, and so are several ranges in one request, as a server may (RFC
    9110, 14.2): they serve little but to make it work.

    Raises:
        ValueError: the file has no such part (416).
    """
    match = _RANGE.fullmatch(headers.get(b"range", ""))
    if match is None or not _may_resume(headers.get(b"if-range"), etag, mtime):
        return None
    first, last = match.groups()
    if not first and not last:
        return None
    start, end = _number(first), _number(last)
    if not first:
        start, end = max(size - end, 0), size - 1
    elif not last:
        end = size - 1
    elif end < start:
        return None
    if start >= size:
        raise ValueError(f"there is no byte {start} in {size} bytes")
    return start, min(end, size - 1) - start + 1


def _matches(header: str, etag: str, *, weakly: bool) -> bool:
    if header.strip() == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _ETAG.findall(header))


def _may_resume(if_range: str | None, etag: str, mtime: int) -> bool:
    """Tell whether what the client has a part of is still this file (RFC 9110, 13.1.5)."""
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip() == etag
    return _seconds(if_range) == mtime


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[: _MOST_DIGITS + 1] or "0")


def _seconds(date: str | None) -> int | None:
    """Return the time that an HTTP date means; None if it is none."""
    try:
        parsed = parsedate_tz(date) if date else None
        return None if parsed is None else mktime_tz(parsed)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
