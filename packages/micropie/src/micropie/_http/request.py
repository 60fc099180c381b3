"""Requests: what handlers and middleware see of an HTTP request or a WebSocket's handshake."""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from micropie._bodies.body import Body, BodyLimits, ParsedBody
from micropie._bodies.forms import Files, multipart_boundary, parse_multipart
from micropie._bodies.inbox import Inbox
from micropie._bodies.urlencoded import LONG_FORM, parse_long_form, parse_urlencoded
from micropie._errors import HTTPError
from micropie._headers import parse_cookies
from micropie._http.routes import RouteInfo
from micropie._http.urls import routed_path
from micropie._lazy import lazy
from micropie._sessions.session import Session
from micropie.types import Handler, Receive, Scope

# The types of bodies that are parsed.
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# The header values that most clients send for those that are read as a whole.
_PARSED = {media_type.encode(): media_type for media_type in (JSON, URLENCODED)}

# The key of a scope under which a mounted App finds the connection of the App that mounted it.
PARENT = "micropie.parent"

# Some servers, uvicorn with httptools among them, limit the head of a request by nothing but the
# time it takes. A browser sends 20 headers; 64 KiB is what others allow for all of them together.
MAX_HEADERS = 1000
_MAX_COOKIES = 64 * 1024

# The key of a scope under which a mounted app finds the `state` of the request.
STATE = "micropie.state"


class Connection:
    """The head of a request, HTTP or WebSocket, decoded on first access.

    Attributes:
        scope: the ASGI connection scope.
    """

    # Defaults live on the class: most requests never set these.
    _session_used = False
    _failed = False
    _found: Any = None  # what the path leads to, for hooks before the handler; a Route
    _route: Any = None  # what serves the request; for hooks after it, and the handler itself
    _parsed: ParsedBody | None = None  # until the body is parsed, so always for a WebSocket

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._session: Session | None = None

    if TYPE_CHECKING:  # hooks may set attributes: `request.user = user`

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @lazy
    def state(self) -> SimpleNamespace:
        """What hooks keep for this request, as attributes; Apps mounted below have it too."""
        return self.scope.get(STATE) or SimpleNamespace()

    @lazy
    def path(self) -> str:
        """The decoded path below `root_path`, as it is routed.

        It has no slash at the end, and "%2F" for a slash inside a segment. A path with an empty
        segment, as in "//admin", leads nowhere, and is as it came.
        """
        return routed_path(self.scope)

    @property
    def route(self) -> RouteInfo | None:
        """What serves the request; None if that is a mount, or nothing.

        Hooks see what the path leads to before anything runs; once a hook has set `handler`, and
        the hooks before are through, it is the route of that one.
        """
        route = self._route or self._found
        info: RouteInfo | None = None if route is None else route.info
        return info

    @property
    def _handler_name(self) -> str:
        """What log entries call the handler."""
        return self._route.name if self._route is not None else "no handler"

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
        names = self._last_headers
        value = names.get(b"cookie")
        if value is not None and len(names) == len(self.scope["headers"]):
            header = value.decode("latin-1")
        else:
            header = self.headers.get("cookie", "")  # it may be there twice, to be joined
        if len(header) > _MAX_COOKIES:
            raise HTTPError(431)
        return parse_cookies(header)

    @lazy
    def query_params(self) -> dict[str, list[str]]:
        """All values of every name in the query string."""
        return parse_urlencoded(self.scope.get("query_string", b""))

    def query(self, name: str, default: Any = None) -> Any:
        """Return the first query value of *name*, or *default*."""
        values = self.query_params.get(name)
        return values[0] if values else default

    @property
    def session(self) -> Session:
        """The browser's session; what changes in it is stored before the response goes out.

        To assign another mapping is to clear it, and to start a new one with those values.
        """
        self._session_used = True
        if self._session is None:
            # A mounted App without a backend of its own shares its parent's session.
            parent: Connection | None = self.scope.get(PARENT)
            self._session = Session() if parent is None else parent.session
        return self._session

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        # `request.session |= {...}` ends in assigning the very same object.
        if data is not self.session:
            data = dict(data)
            self.session.clear()
            self.session.update(data)

    @property
    def _has_failed(self) -> bool:
        """Whether this request, or one that it shares a session with, failed."""
        parent: Connection | None = self.scope.get(PARENT)
        return self._failed or (parent is not None and parent._has_failed)

    def _mark_failed(self) -> None:
        """Record that the handler failed, so that the session is not stored."""
        connection: Connection | None = self
        while connection is not None:
            connection._failed = True
            connection = connection.scope.get(PARENT)


class Request(Connection):
    """An HTTP request.

    Middleware may set attributes of its own, and `handler` and `path_params` to route by hand.

    Attributes:
        scope: the ASGI connection scope.
        handler: set by middleware to a handler's name or to a callable; None for the path's own.
    """

    handler: str | Handler | None = None
    _route_handler: str | Handler | None = None  # the spelling of older middleware
    # Made when something asks for them.
    _inbox: Inbox | None = None
    _opened: Body | None = None
    _files: Files | None = None  # of a multipart body, from the moment its parsing begins

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits) -> None:
        self.scope = scope
        self._receive = receive
        self._limits = limits
        self._session = None

    @property
    def method(self) -> str:
        """The HTTP method, in capitals."""
        method: str = self.scope["method"]
        return method

    @property
    def _body(self) -> Body:
        body = self._opened
        if body is None:
            inbox = self._inbox
            if inbox is None:
                inbox = self._inbox = Inbox(self._receive)
            body = Body(self.scope, self._last_headers, inbox, self._limits)
            self._opened = body
        return body

    @property
    def body_params(self) -> dict[str, list[Any]]:
        """All values of every name in a form; those of a JSON object, one each.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        return self._require_parsed("body_params").fields

    @property
    def files(self) -> Files:
        """The uploaded files by field name.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        parsed = self._require_parsed("files")
        if parsed.files is None:
            parsed.files = Files()
        return parsed.files

    @property
    def get_json(self) -> Any:
        """The value of a JSON body; `{}` for any other.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        parsed = self._require_parsed("get_json")
        return parsed.json if parsed.is_json else {}

    def form(self, name: str, default: Any = None) -> Any:
        """Return the first form value of *name*, or *default*."""
        values = self.body_params.get(name)
        return values[0] if values else default

    def json(self, name: str | None = None, default: Any = None) -> Any:
        """Return the value of a JSON body, or of its key *name*; *default* if there is none."""
        parsed = self._parsed or self._require_parsed("get_json")
        if not parsed.is_json:
            return default
        value = parsed.json
        if name is None:
            return value
        return value.get(name, default) if isinstance(value, dict) else default

    async def read(self) -> bytes:
        """Return the raw body, also after a JSON or urlencoded one was parsed.

        Raises:
            RuntimeError: it was streamed, or was multipart: such a body is not kept.
            HTTPError: 413 for a body over its limit, 408 for a client that stalls.
        """
        return await self._body.read()

    def stream(self) -> AsyncGenerator[bytes, None]:
        """Return the chunks of the raw body, as they come.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413 for a body over its limit, 408 for a client that stalls.
        """
        return self._body.stream()

    async def parse_body(self) -> None:
        """Receive and parse a JSON, urlencoded or multipart body; others are left to `read`.

        The App receives it before the handler runs, and JSON and short forms are parsed when they
        are first looked at. A hook that needs the body does it itself.

        Raises:
            HTTPError: 400 for what is malformed, 413 for what is over a limit, 408 for a client
                that stalls.
            RuntimeError: it is multipart, and the library for that is not installed.
        """
        await self._receive_body()
        if self._parsed is not None:
            _ = self._parsed.json if self._parsed.is_json else self._parsed.fields

    async def _receive_body(self) -> None:
        """Receive a body that can be parsed; parse it if that is not done in one step."""
        if self._parsed is not None:
            return
        body = self._body
        if not body.is_expected:
            return
        limits = body.limits
        content_type = self._last_headers.get(b"content-type", b"")
        media_type = _PARSED.get(content_type) or self._media_type
        if media_type == JSON:
            most, length = limits.max_json_size, body.length
            if most is not None and (length is None or length > most) and body.exceeds(most):
                self._parsed = ParsedBody(b"", limits.form, True)  # left to read() and stream()
                self._parsed.refused = f"the JSON is over {most} bytes"
                return
            data = await body.read()
            # A body that was announced without a length may turn out to be empty.
            self._parsed = ParsedBody(data, limits.form, data != b"")
            return
        form: dict[str, list[str]] = {}
        if media_type == URLENCODED:
            data = await body.read()
            if len(data) <= LONG_FORM:
                self._parsed = ParsedBody(data, limits.form, False)
                return
            form = await parse_long_form(data, limits.form)
        elif media_type == MULTIPART:
            boundary = multipart_boundary(self.headers["content-type"])
            if self._files is None:  # else an earlier parse failed, and left some
                self._files = Files()
            form = await parse_multipart(self.stream(), boundary, limits.form, self._files)
        self._parsed = ParsedBody(b"", limits.form, False)
        self._parsed.form = form
        self._parsed.files = self._files

    def regenerate_session(self) -> None:
        """Give the session a new id when it is stored; call it at login, against fixation."""
        self.session.is_moving = True

    async def _client_gone(self) -> None:
        """Wait until the client has left."""
        if self._inbox is None:
            self._inbox = Inbox(self._receive)
        await self._inbox.client_gone()

    def _receive_again(self) -> Receive:
        """Return a channel that gives another app the body from its beginning."""
        return self._receive if self._opened is None else self._opened.replayed()

    @lazy
    def _media_type(self) -> str:
        """The type of the body; JSON for all that are based on it (RFC 6839, 3.1)."""
        value = self._last_headers.get(b"content-type", b"").decode("latin-1")
        media_type = value.partition(";")[0].strip().lower()
        return JSON if media_type.endswith("+json") else media_type

    def _require_parsed(self, attribute: str) -> ParsedBody:
        parsed = self._parsed
        if parsed is None:
            if self._media_type in (JSON, URLENCODED, MULTIPART) and self._body.is_expected:
                raise RuntimeError(
                    f"request.{attribute}: the body was not read yet; await request.parse_body() "
                    "first"
                )
            parsed = self._parsed = ParsedBody(b"", self._limits.form, False)
        return parsed


class WebSocketRequest(Connection):
    """The handshake of a WebSocket, as `ws_middlewares` and the handler see it."""
