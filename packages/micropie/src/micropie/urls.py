"""URLs that handlers make: of a handler, and of where a redirect leads."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, urlencode

from micropie.response import header_pairs
from micropie.types import Headers, HeadersInput


def handler_url(
    root_path: str, name: str, segments: Iterable[object], query: Mapping[str, object]
) -> str:
    """Return the path that reaches the handler of the public *name* below *root_path*."""
    parts = [quote(str(segment), safe="") for segment in segments]
    # Before its segments index is named, for the first of them may be another's name.
    if name != "index" or parts:
        parts.insert(0, quote(name))
    url = quote(root_path) + "/" + "/".join(parts)
    return url + "?" + urlencode(query, doseq=True) if query else url


def redirection(
    location: str, status_code: int, extra_headers: HeadersInput | None
) -> tuple[int, str, Headers]:
    """Return the response that sends a client to *location*.

    Raises:
        ValueError: *status_code* is not that of a redirect.
    """
    if status_code not in (301, 302, 303, 307, 308):
        raise ValueError(f"{status_code!r} is no redirect: use 301, 302, 303, 307 or 308")
    encoded = quote(location, safe=_URL_CHARACTERS, errors="replace")
    return status_code, "", [("Location", encoded), *header_pairs(extra_headers)]


# RFC 3986: everything that has a meaning in a URL, and "%" because it is encoded already.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
