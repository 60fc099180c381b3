"""What a handler and the middleware see of an HTTP request."""

from typing import Any

from micropie.cookies import parse_cookies
from micropie.lazy import lazy
from micropie.paths import below
from micropie.types import Handler, Receive, Scope
from micropie.urlencoded import parse_urlencoded


class Request:
    """An HTTP request. Everything in it is decoded when first asked for.

    Middleware may set attributes of its own, and `handler` and `path_params` to route by hand.

    Attributes:
        scope: the ASGI connection scope.
        handler: set by middleware to a handler's name or to a callable; None for the path's own.
    """

    # Defaults live on the class: most requests never need an entry of their own.
    handler: str | Handler | None = None
    _route_handler: str | Handler | None = None  # the spelling of older middleware

    _handler_name: str | None = None  # for the log

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive

    @lazy
    def path_params(self) -> list[str]:
        """The decoded path segments after the handler's name."""
        return []

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        method: str = self.scope["method"]
        return method

    @lazy
    def path(self) -> str:
        """The decoded path below `root_path`."""
        return below(self.scope["path"], self.scope.get("root_path", "")) or "/"

    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port as the server saw them; None if it can't know."""
        client = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @lazy
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; repeated ones joined (RFC 9110, 5.3)."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in self.scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in headers:
                # HTTP/2 may split the cookies over several fields (RFC 9113, 8.2.3).
                value = headers[name] + ("; " if name == "cookie" else ", ") + value
            headers[name] = value
        return headers

    @lazy
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return parse_cookies(self.headers.get("cookie", ""))

    @lazy
    def query_params(self) -> dict[str, list[str]]:
        """All values of every name in the query string."""
        return parse_urlencoded(self.scope.get("query_string", b""))

    def query(self, name: str, default: Any = None) -> Any:
        """Return the first query value of *name*, or *default*."""
        values = self.query_params.get(name)
        return values[0] if values else default

    async def _client_gone(self) -> None:
        """Wait until the client has left."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
