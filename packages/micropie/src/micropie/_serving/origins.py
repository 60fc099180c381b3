"""Origins: whose pages may open a WebSocket to an App, or send it what changes something."""

import re
from collections.abc import Iterable

from micropie._http.connection import Connection
from micropie._serving.parts import parts_of


def parse_origins(origins: Iterable[str] | None) -> frozenset[str] | None:
    """Return the origins of App's `websocket_origins` as browsers write them.

    Raises:
        ValueError: they are not a list, or one of them is not an origin.
    """
    if origins is None:
        return None
    if isinstance(origins, str) or not isinstance(origins, Iterable):
        if origins == "*":
            return frozenset("*")
        raise ValueError(f'websocket_origins must be a list of origins or "*", not {origins!r}')
    listed = list(origins)
    named = parse_named("websocket_origins", [origin for origin in listed if origin != "*"])
    return named | {"*"} if "*" in listed else named


def parse_named(parameter: str, origins: Iterable[str]) -> frozenset[str]:
    """Return *origins*, each a scheme and a host, as browsers write them.

    Raises:
        TypeError: they are not a list of strings.
        ValueError: one of them is not an origin; names the *parameter*.
    """
    if isinstance(origins, str | bytes) or not isinstance(origins, Iterable):
        raise TypeError(f"{parameter} must be a list of origins, not {origins!r}")
    return frozenset(_origin(parameter, origin) for origin in origins)


def is_allowed(request: Connection, origins: frozenset[str] | None) -> bool:
    """Tell whether the request's Origin is among *origins*; with None, whether it is the App's own.

    Browsers let any page open a WebSocket to any host, cookies included, and leave it to the
    host to look at Origin (RFC 6455, 10.2). Other clients send none and are let through.
    """
    origin = request.headers.get("origin")
    if origin is None:
        return True
    origin = origin.lower()
    if origins is not None:
        return "*" in origins or origin in origins
    scheme, _, host = origin.partition("://")
    own = request.headers.get("host", "").lower()
    if not host or scheme not in DEFAULT_PORTS:
        return False
    # An https page may reach a server without TLS, behind a proxy that terminates it. An http page
    # can be changed in transit, so it never has the origin of an https server.
    if scheme == "http" and request.scope.get("scheme") in ("https", "wss"):
        return False
    port = DEFAULT_PORTS[scheme]
    return host.removesuffix(port) == own.removesuffix(port)


def checks_origin(app: object) -> bool:
    """Tell whether a mounted *app* looks at Origin itself: an App, or one that says so."""
    return parts_of(app) is not None or getattr(app, "checks_origin", False)


def _origin(parameter: str, text: object) -> str:
    """Return an origin as browsers write it: in lower case, without its scheme's own port."""
    match = re.fullmatch(_ORIGIN, text.lower()) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f'{parameter}: {text!r} is not an origin such as "https://example.com"')
    scheme, origin = match["scheme"], match["origin"]
    return origin.removesuffix(DEFAULT_PORTS[scheme])


# A host with its port, in lower case; of RFC 3986, 3.2, without what no name in the DNS has.
HOST = r"(?a:[\w.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"

# RFC 6454, 6.2: no path and no wildcard. A slash at the end is what people copy.
_ORIGIN = rf"(?P<origin>(?P<scheme>https?)://{HOST})/?"

DEFAULT_PORTS = {"http": ":80", "https": ":443"}
