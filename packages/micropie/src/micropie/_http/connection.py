"""The head of a request, HTTP or WebSocket: what handlers and middleware see of it."""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import Context
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, overload

from micropie._bodies.body import ParsedBody
from micropie._bodies.urlencoded import parse_urlencoded
from micropie._cookies import cookie_values, parse_cookies
from micropie._errors import HTTPError
from micropie._http.urls import routed_path, whole_path
from micropie._lazy import lazy
from micropie._scope_keys import PARENT, REQUEST_STATE
from micropie._sessions.session import Session
from micropie.types import Scope

if TYPE_CHECKING:
    from micropie._http.route_info import RouteInfo

# Some servers, uvicorn with httptools among them, limit the head of a request by nothing but the
# time it takes. A browser sends 20 headers; 64 KiB is what others allow for all of them together.
MAX_HEADERS = 1000
_MAX_COOKIES = 64 * 1024

T = TypeVar("T")


# A function to call after the response, with its arguments, and the context to call it in.
Afterward = tuple[partial[Any], Context]


class RequestState(SimpleNamespace):
    """The `state` of a request; beside its attributes what mounted Apps leave to the outermost.

    Attributes:
        _afterwards: what these want to be called after the response.
    """

    __slots__ = ("_afterwards",)

    def __init__(self) -> None:
        super().__init__()
        self._afterwards: list[Afterward] = []


class Connection:
    """The head of a request, HTTP or WebSocket, decoded on first access.

    Attributes:
        scope: the ASGI connection scope.
    """

    # Defaults live on the class: most requests never set these.
    _session_used = False
    _discards_session = False
    _is_answered = False  # from the moment the head of the response is made
    _matched: Any = None  # what the path leads to, for hooks before the handler; an Endpoint
    _endpoint: Any = None  # what serves the request; for hooks after it, and the handler itself
    _culprit: str | None = None  # what failed, if not the handler
    # Why it is answered with an error, whatever the hooks before say: its session can't be loaded,
    # say. They run, as for any request, so that the hooks after see that answer.
    _early_error: HTTPError | None = None
    _parsed: ParsedBody | None = None  # until the body is parsed, so always for a WebSocket

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._session: Session | None = None

    if TYPE_CHECKING:  # hooks may set attributes: `request.user = user`

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @lazy
    def state(self) -> RequestState:
        """What hooks keep for this request, as attributes; Apps mounted below have it too."""
        return self.scope.get(REQUEST_STATE) or RequestState()

    @lazy
    def path(self) -> str:
        """The decoded path below `root_path`, as it is routed.

        It has no slash at the end, and "%2F" for a slash inside a segment. A path with an empty
        segment, as in "//admin", leads nowhere, and is as it came.
        """
        return routed_path(self.scope)

    @property
    def route(self) -> "RouteInfo | None":
        """What serves the request; None if that is a mount, or nothing.

        Hooks see what the path leads to before anything runs; once a hook has set `handler`, and
        the hooks before are through, it is the route of that one.
        """
        endpoint = self._endpoint or self._matched
        info: RouteInfo | None = None if endpoint is None else endpoint.info
        return info

    @property
    def _handler_name(self) -> str:
        """What log entries say that failed: the handler, unless another culprit is known."""
        return self._culprit or (
            self._endpoint.name if self._endpoint is not None else "the request"
        )

    @property
    def _is_unrouted(self) -> bool:
        """Whether nothing but the path has failed: it leads nowhere, and no hook says so."""
        return self._endpoint is None and self._culprit is None

    @lazy
    def path_params(self) -> list[str]:
        """The decoded path segments after the handler's name, or those of a route's parameters."""
        return []

    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port as the server saw them; None if it can't know."""
        client = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @property
    def _raw_headers(self) -> Iterable[tuple[bytes, bytes]]:
        headers: Sequence[tuple[bytes, bytes]] = self.scope["headers"]
        if len(headers) > MAX_HEADERS:
            raise HTTPError(431)
        return headers

    @lazy
    def _last_headers(self) -> dict[bytes, bytes]:
        """The last header of each name, undecoded: cheap, and enough to see which are there."""
        return dict(self._raw_headers)

    @lazy
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; repeated ones joined (RFC 9110, 5.3)."""
        headers: dict[str, str] = {}
        repeated: dict[str, list[str]] = {}
        for raw_name, raw_value in self._raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            if name in headers:
                repeated.setdefault(name, [headers[name]]).append(value)
            else:
                headers[name] = value
        for name, values in repeated.items():
            # HTTP/2 may split the cookies over several fields (RFC 9113, 8.2.3).
            headers[name] = ("; " if name == "cookie" else ", ").join(values)
        return headers

    @lazy
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return parse_cookies(self._cookie_header)

    def _cookie_values(self, name: str) -> list[str]:
        """Return all different values of the cookie *name*, which may be set for several paths."""
        return cookie_values(self._cookie_header, name)

    @property
    def _cookie_header(self) -> str:
        last_headers = self._last_headers
        value = last_headers.get(b"cookie")
        if value is not None and len(last_headers) == len(self.scope["headers"]):
            header = value.decode("latin-1")
        else:
            header = self.headers.get("cookie", "")  # it may be there twice, to be joined
        if len(header) > _MAX_COOKIES:
            raise HTTPError(431)
        return header

    @lazy
    def query_params(self) -> dict[str, list[str]]:
        """All values of every name in the query string."""
        return parse_urlencoded(self.scope.get("query_string", b""))

    @overload
    def query(self, name: str) -> str | None: ...
    @overload
    def query(self, name: str, default: T) -> str | T: ...
    def query(self, name: str, default: Any = None) -> Any:
        """Return the first query value of *name*, or *default*."""
        values = self.query_params.get(name)
        return values[0] if values else default

    @property
    def session(self) -> Session:
        """The browser's session; what changes in it is stored before the response goes out.

        To assign another mapping is to clear it, and to start a new one with those values.

        Raises:
            HTTPError: 503, the session store is unavailable.
        """
        self._session_used = True
        if self._session is None:
            if self._early_error is not None:
                raise self._early_error  # no empty one: a hook would take the browser for a new one
            # A mounted App without a backend of its own shares its parent's session.
            parent: Connection | None = self.scope.get(PARENT)
            self._session = Session() if parent is None else parent.session
            if self._is_answered:
                self._session.answered_by = self._log_names()
                self._session.finish()
        return self._session

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        # `request.session |= {...}` ends in assigning the very same object.
        if data is not self.session:
            data = dict(data)
            self.session.clear()
            self.session.update(data)

    def _log_names(self) -> tuple[str, str, str]:
        """Return what the log calls this: method, whole path and handler."""
        return self.scope.get("method", "WebSocket"), whole_path(self.scope), self._handler_name

    @property
    def _discards_shared_session(self) -> bool:
        """Whether this request, or one that it shares a session with, failed."""
        parent: Connection | None = self.scope.get(PARENT)
        return self._discards_session or (parent is not None and parent._discards_shared_session)

    def _discard_session(self) -> None:
        """Record that the handler failed, so that the session is not stored."""
        connection: Connection | None = self
        while connection is not None:
            connection._discards_session = True
            connection = connection.scope.get(PARENT)
