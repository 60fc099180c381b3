"""Response headers that users add to those of a file."""

import re
from collections.abc import Mapping

from micropie.types import RawHeaders

# RFC 9110, 5.6.2 and 5.5.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

# Computed from the file: a second one would contradict.
_COMPUTED = frozenset({"accept-ranges", "content-length", "content-range", "etag", "last-modified"})


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers that users add.

    Raises:
        ValueError: one is malformed, or computed from the file.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(f"headers: {name!r}: {value!r} is not a valid header")
        if name.lower() in _COMPUTED:
            raise ValueError(f"headers: {name!r} is made from the file; leave it out")


def raw_headers(usual: Mapping[str, str], added: Mapping[str, str]) -> RawHeaders:
    """Return *usual* and *added* headers as ASGI has them; *added* ones replace *usual* ones."""
    replaced = {name.lower() for name in added}
    kept = [pair for pair in usual.items() if pair[0].lower() not in replaced]
    pairs = [*kept, *added.items()]
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
