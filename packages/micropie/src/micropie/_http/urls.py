"""Paths and URLs: what a request's path says below `root_path`, and the URLs that handlers make."""

from collections.abc import Iterable

from micropie._headers import header_pairs
from micropie._percent import quoted, unquoted
from micropie.types import Headers, HeadersInput, Scope

# Searching bytes for a number is several times faster than for other bytes.
_PERCENT = ord("%")

_DOTS = frozenset((".", ".."))


def path_segments(scope: Scope) -> list[str] | None:
    """Split the path below `root_path` into decoded segments; "/a/b/" gives ["a", "b"].

    None for a path with an empty segment anywhere else, or with dots: a rule on "/admin", of a hook
    or a proxy, would not see that "//admin" or "/admin/.." leads there as well.
    """
    path: str = scope["path"]
    if "/." in path and has_dots(path):
        return None
    root_path: str = scope.get("root_path") or ""
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path and _PERCENT in raw_path and b"%2f" in raw_path.lower():
        segments = _raw_segments(raw_path, root_path)
        segments = segments[1 : -1 if segments[-1] == "" else None]
        return None if "" in segments else segments
    if root_path:
        path = below(path, root_path)
    if "//" in path:
        return None
    path = path.strip("/")
    return path.split("/") if path else []


def routed_path(scope: Scope) -> str:
    """Return the path below `root_path` as it is routed: what `path_segments` says, as a string.

    A slash inside a segment reads "%2F", and the one at the end is left out. A path with an empty
    segment, which no handler serves, has all its slashes.
    """
    raw_path: bytes | None = scope.get("raw_path")
    root_path: str = scope.get("root_path") or ""
    if raw_path and _PERCENT in raw_path and b"%2f" in raw_path.lower():
        segments = _raw_segments(raw_path, root_path)
        path = "/".join(segment.replace("/", "%2F") for segment in segments)
    else:
        path = below(scope["path"], root_path)
    return (path if "//" in path else path.rstrip("/")) or "/"


def has_dots(path: str) -> bool:
    """Tell whether "." or ".." is a segment of a decoded path.

    Clients resolve them (RFC 3986, 5.2.4). So may a proxy, those at encoded slashes too, to compare
    with its rules what it then sends on as it came.
    """
    return "/." in path and not _DOTS.isdisjoint(path.split("/"))


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
    """Split before decoding, so that an encoded slash stays inside its segment.

    The first one, before the first slash, is empty.
    """
    segments = [
        unquoted(segment).decode("utf-8", "replace")
        for segment in raw_path.decode("latin-1").split("/")
    ]
    prefix = root_path.rstrip("/").split("/")
    if len(prefix) > 1 and segments[: len(prefix)] == prefix:
        return ["", *segments[len(prefix) :]]
    return segments


def quoted_path(segments: Iterable[object]) -> str:
    """Return the path of *segments*, each encoded: "/a%2Fb/c" for "a/b" and "c".

    Raises:
        ValueError: one of them can't be in a path: it is empty, or has dots, see `has_dots`.
    """
    path = ""
    for segment in segments:
        text = str(segment)
        if not text or has_dots("/" + text):
            raise ValueError(f"a segment of a path can't be {text!r}")
        path += "/" + quoted(text, safe="")
    return path


def redirection(
    location: str, status_code: int, extra_headers: HeadersInput | None
) -> tuple[int, str, Headers]:
    """Return the response that sends a client to *location*.

    Raises:
        ValueError: *status_code* is not that of a redirect.
    """
    if status_code not in (301, 302, 303, 307, 308):
        raise ValueError(f"{status_code!r} is not a redirect: use 301, 302, 303, 307 or 308")
    encoded = quoted(location, safe=_URL_CHARACTERS, errors="replace")
    return status_code, "", [("Location", encoded), *header_pairs(extra_headers)]


# RFC 3986: everything that has a meaning in a URL, and "%" because it is encoded already.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
