"""Paths and URLs: what a request's path says below `root_path`, and the URLs that handlers make."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote, urlencode

from micropie._headers import header_pairs
from micropie.types import Headers, HeadersInput, Scope

# Searching bytes for a number is several times faster than for other bytes.
_PERCENT = ord("%")


def path_segments(scope: Scope) -> list[str]:
    """Split the path below `root_path` into decoded segments; "/a/b/" gives ["a", "b"]."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path") or ""
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path and _PERCENT in raw_path and b"%2f" in raw_path.lower():
        return _raw_segments(raw_path, root_path)
    if root_path:
        path = below(path, root_path)
    path = path.strip("/")
    return path.split("/") if path else []


def below(path: str, root_path: str) -> str:
    """Return what follows *root_path* in *path*; the whole path if that is not a prefix.

    Servers differ in whether a proxy's prefix is still part of the path they report.
    """
    root_path = root_path.rstrip("/")
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path[len(root_path) :]
    return path


def whole_path(scope: Scope) -> str:
    """Return the decoded path with all prefixes, those of mounts included: for the log."""
    path: str = scope["path"]
    root_path: str = (scope.get("root_path") or "").rstrip("/")
    return path if not root_path or below(path, root_path) != path else root_path + path


def _raw_segments(raw_path: bytes, root_path: str) -> list[str]:
    """Split before decoding, so that an encoded slash stays inside its segment."""
    raw_segments = raw_path.decode("latin-1").strip("/").split("/")
    segments = [unquote(segment) for segment in raw_segments]
    prefix = root_path.strip("/").split("/") if root_path.strip("/") else []
    return segments[len(prefix) :] if segments[: len(prefix)] == prefix else segments


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
        raise ValueError(f"{status_code!r} is not a redirect: use 301, 302, 303, 307 or 308")
    encoded = quote(location, safe=_URL_CHARACTERS, errors="replace")
    return status_code, "", [("Location", encoded), *header_pairs(extra_headers)]


# RFC 3986: everything that has a meaning in a URL, and "%" because it is encoded already.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
