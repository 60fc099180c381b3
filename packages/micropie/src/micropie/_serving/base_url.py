"""Absolute URLs: what stands before the path of a handler, by `base_url` or by the request."""

import re

from micropie._errors import BadRequest
from micropie._http.connection import Connection
from micropie._http.urls import below, has_dots
from micropie._percent import quoted, unquoted
from micropie._serving.context import current_connection
from micropie._serving.origins import DEFAULT_PORTS, HOST
from micropie._serving.parts import Parts

# RFC 3986, 3.3; a path is there as it is to be sent.
_BASE_URL = (
    rf"(?i)(?P<origin>https?://{HOST})(?P<path>(/([\w.~!$&'()*+,;=:@-]|%[0-9a-f]{{2}})+)*)/?"
)


def parse_base_url(url: object) -> tuple[str, str] | None:
    """Return App's `base_url` as an origin and a path, without the slash at its end; None for None.

    Raises:
        TypeError: it is not a str.
        ValueError: it is not a URL of http or https, or has more than a host and a path.
    """
    if url is None:
        return None
    if not isinstance(url, str):
        raise TypeError(f"base_url must be a str or None, not {url!r}")
    match = re.fullmatch(_BASE_URL, url) if url.isascii() else None
    if match is None or has_dots(unquoted(match["path"]).decode("utf-8", "replace")):
        raise ValueError(f'base_url: {url!r} is not a URL such as "https://example.com/shop"')
    return match["origin"].lower(), match["path"]


def absolute_root(parts: Parts, root_path: str) -> str:
    """Return the absolute URL below which clients find an App: "https://example.com/shop".

    It begins with the App's `base_url`, or that of the nearest App above it that has one. A path
    of that and *root_path* may both name the prefix of a proxy; it is there once.

    Raises:
        BadRequest: there is none, and the Host header is not a host.
        RuntimeError: there is none, and no request to take it from.
    """
    owner: Parts | None = parts
    while owner is not None:
        if owner.base_url is not None:
            origin, path = owner.base_url
            prefix = unquoted(path).decode("utf-8", "replace")
            return origin + path + quoted(below(root_path, prefix))
        owner = owner.parent
    try:
        connection = current_connection()
    except RuntimeError:
        raise RuntimeError("outside of a request an absolute URL takes App's base_url") from None
    return _request_origin(connection) + quoted(root_path)


def _request_origin(connection: Connection) -> str:
    """Return scheme and host as the client has named them."""
    address, port = connection.scope.get("server") or ("", "")
    server = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    host = connection.headers.get("host", server).lower()  # HTTP/1.0 needs none
    if not re.fullmatch(HOST, host):
        raise BadRequest("the Host header does not name a host")
    scheme = "https" if connection.scope.get("scheme") in ("https", "wss") else "http"
    return f"{scheme}://{host.removesuffix(DEFAULT_PORTS[scheme])}"
