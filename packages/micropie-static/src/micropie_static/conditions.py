"""Conditional requests and ranges (RFC 9110, 13 and 14)."""

import re
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz

from micropie_static.files import Variant

_ETAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)

# Enough for the size of any file; int() of thousands of digits is slow.
_MOST_DIGITS = 18


def precondition(headers: Mapping[bytes, str], file: Variant) -> int:
    """Return the status that the preconditions call for: 200, 304 or 412 (RFC 9110, 13.2.2).

    Args:
        headers: of the request, by lower-case name.
        file: what they are about.
    """
    if (tags := headers.get(b"if-match")) is not None:
        if not _matches(tags, file.etag, weakly=False):
            return 412
    elif _is_newer(file, headers.get(b"if-unmodified-since")):
        return 412
    if (tags := headers.get(b"if-none-match")) is not None:
        return 304 if _matches(tags, file.etag, weakly=True) else 200
    return 304 if _is_newer(file, headers.get(b"if-modified-since")) is False else 200


def byte_range(headers: Mapping[bytes, str], file: Variant) -> tuple[int, int, int]:
    """Return the status that the range calls for (200, 206 or 416), and its offset and length.

    Malformed ranges are ignored, and so are several ranges in one request, as a server may (RFC
    9110, 14.2): they are of more use to attackers than to clients.
    """
    size = file.size
    match = _RANGE.fullmatch(headers.get(b"range", ""))
    if match is None or not _may_resume(headers.get(b"if-range"), file):
        return 200, 0, size
    first, last = match.groups()
    start, end = _number(first), _number(last)
    if not first and not last:
        return 200, 0, size
    if not first:
        start, end = max(size - end, 0), size - 1
    elif not last:
        end = size - 1
    elif end < start:
        return 200, 0, size
    return (206, start, min(end, size - 1) - start + 1) if start < size else (416, 0, 0)


def _is_newer(file: Variant, date: str | None) -> bool | None:
    """Return whether *file* was modified after *date*; None if one of the two is not known."""
    seconds = _seconds(date)
    return None if seconds is None or file.mtime is None else file.mtime > seconds


def _matches(header: str, etag: str, *, weakly: bool) -> bool:
    if header.strip() == "*":
        return True
    return any(tag == etag and (weakly or not weak) for weak, tag in _ETAG.findall(header))


def _may_resume(if_range: str | None, file: Variant) -> bool:
    """Return whether the client's part is of this version of the file (RFC 9110, 13.1.5)."""
    if if_range is None:
        return True
    if '"' in if_range:
        return if_range.strip() == file.etag
    return file.mtime is not None and _seconds(if_range) == file.mtime


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[: _MOST_DIGITS + 1] or "0")


def _seconds(date: str | None) -> int | None:
    """Return an HTTP date in seconds since the epoch; None if it is missing or malformed."""
    try:
        parsed = parsedate_tz(date) if date else None
        return None if parsed is None else mktime_tz(parsed)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None
