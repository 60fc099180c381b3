"""What handlers and middleware see of a request."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any

from micropie import codec
from micropie._bodies.body import Body, BodyLimits
from micropie._bodies.forms import (
    Files,
    multipart_boundary,
    parse_form,
    parse_multipart,
    parse_urlencoded,
)
from micropie._errors import BadRequest
from micropie._headers import parse_cookies
from micropie._http.urls import below
from micropie._lazy import lazy
from micropie._sessions.session import Session
from micropie.types import Handler, Receive, Scope

# The types of bodies that are parsed.
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# Those that are read as a whole, and how most clients write them.
_WHOLE = (JSON, URLENCODED)
_PARSED = {media_type.encode(): media_type for media_type in _WHOLE}

# The key of a scope under which a mounted App finds the connection of the App that mounted it.
PARENT = "micropie.parent"

# Bytes of a urlencoded body above which it is decoded in a thread: a MiB of nothing but "%" takes
# a quarter of a second, in which the event loop would serve nobody else.
_LONG_FORM = 64 * 1024


class Connection:
    """What the head of a request tells, HTTP or WebSocket, decoded when first asked for.

    Attributes:
        scope: the ASGI connection scope.
    """

    # Defaults live on the class: most requests never need an entry of their own.
    _session_used = False
    _failed = False
    _handler_name = "no handler"  # for the log
    # The parsed body; `_form` is None as long as there is none.
    _form: dict[str, list[Any]] | None = None
    _json: Any = None
    _is_json = False
    _files: Files | None = None

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._session: Session | None = None

    if TYPE_CHECKING:  # hooks may keep values of their own here: `request.user = user`

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @lazy
    def path(self) -> str:
        """The decoded path below `root_path`."""
        return below(self.scope["path"], self.scope.get("root_path", "")) or "/"

    @lazy
    def path_params(self) -> list[str]:
        """The decoded path segments after the handler's name."""
        return []

    @property
    def client(self) -> tuple[str, int] | None:
        """The client's address and port as the server saw them; None if it can't know."""
        client = self.scope.get("client")
        return (client[0], client[1]) if client else None

    @lazy
    def _raw_headers(self) -> dict[bytes, bytes]:
        """The headers undecoded, the last one of each name: cheap, to see what is there."""
        return dict(self.scope["headers"])

    @lazy
    def headers(self) -> dict[str, str]:
        """The headers by lower-case name; repeated ones joined (RFC 9110, 5.3)."""
        headers: dict[str, str] = {}
        repeated: dict[str, list[str]] = {}
        for raw_name, raw_value in self.scope["headers"]:
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
        names = self._raw_headers
        value = names.get(b"cookie")
        if value is not None and len(names) == len(self.scope["headers"]):
            return parse_cookies(value.decode("latin-1"))
        return parse_cookies(self.headers.get("cookie", ""))  # it may be there twice, to be joined

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
            # In an App that is mounted without a backend of its own: the one that mounted it.
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
        """Whether this, or what it is mounted in, failed, and nothing of the session is stored."""
        parent: Connection | None = self.scope.get(PARENT)
        return self._failed or (parent is not None and parent._has_failed)

    @property
    def _fields(self) -> dict[str, list[Any]] | None:
        """The parsed body as a form, which a JSON object becomes here; None if there is none."""
        if self._form is None and self._is_json:
            fields = self._json if isinstance(self._json, dict) else {}
            self._form = {name: [value] for name, value in fields.items()}
        return self._form

    def _mark_failed(self) -> None:
        """Take note that the handler failed, so that nothing of the session is stored."""
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
    _opened: Body | None = None  # as long as nobody wants to know of it

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
            body = Body(self.scope, self._raw_headers, self._receive, self._limits)
            self._opened = body
        return body

    @property
    def body_params(self) -> dict[str, list[Any]]:
        """All values of every name in a form; those of a JSON object, one each.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        return self._parsed_form("body_params")

    @property
    def files(self) -> Files:
        """The uploaded files by field name.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        self._parsed_form("files")
        if self._files is None:
            self._files = Files()
        return self._files

    @property
    def get_json(self) -> Any:
        """The value of a JSON body; `{}` for any other.

        Raises:
            RuntimeError: the body was not parsed yet.
        """
        if self._is_json:
            return self._json
        self._parsed_form("get_json")
        return {}

    def form(self, name: str, default: Any = None) -> Any:
        """Return the first form value of *name*, or *default*."""
        values = self.body_params.get(name)
        return values[0] if values else default

    def json(self, name: str | None = None, default: Any = None) -> Any:
        """Return the value of a JSON body, or of its key *name*; *default* if there is none."""
        value = self.get_json
        if name is None:
            return value if self._is_json else default
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

        The App does this before the handler runs; a hook that needs the body does it itself.

        Raises:
            HTTPError: 400 for what is malformed, 413 for what is over a limit, 408 for a client
                that stalls.
            RuntimeError: it is multipart, and the library for that is not installed.
        """
        if self._form is not None or self._is_json:
            return
        body = self._body
        if not body.is_expected:
            return
        names = self._raw_headers
        media_type = _PARSED.get(names.get(b"content-type", b"")) or self._media_type
        if media_type in _WHOLE:
            data = body.arrived()
            if data is None:
                data = await body.rest()
            if media_type == JSON:
                self._parse_json(data)
            elif len(data) <= _LONG_FORM:
                self._form = parse_form(data, self._limits.form)
            else:
                self._form = await asyncio.to_thread(parse_form, data, self._limits.form)
        elif media_type == MULTIPART:
            boundary = multipart_boundary(self.headers["content-type"])
            if self._files is None:  # else a parse that failed left some, which are to be deleted
                self._files = Files()
            self._form = await parse_multipart(
                self.stream(), boundary, self._limits.form, self._files
            )
        else:
            self._form = {}

    def regenerate_session(self) -> None:
        """Give the session a new id when it is stored; call it at login, against fixation."""
        self.session.is_moving = True

    def _receive_again(self) -> Receive:
        """Return the channel for an app that is to read the body itself, from its beginning."""
        return self._receive if self._opened is None else self._opened.replayed()

    @lazy
    def _media_type(self) -> str:
        """The type of the body; JSON for all that are based on it (RFC 6839, 3.1)."""
        value = self._raw_headers.get(b"content-type", b"").decode("latin-1")
        media_type = value.partition(";")[0].strip().lower()
        return JSON if media_type.endswith("+json") else media_type

    def _parse_json(self, data: bytes) -> None:
        if not data:
            self._form = {}  # the head announced a body of any length, and it has none
            return
        try:
            self._json = codec.loads(data)
        except ValueError:
            raise BadRequest("the body is not valid JSON") from None
        self._is_json = True

    def _parsed_form(self, attribute: str) -> dict[str, list[Any]]:
        form = self._fields
        if form is None:
            if self._media_type in (JSON, URLENCODED, MULTIPART) and self._body.is_expected:
                raise RuntimeError(
                    f"request.{attribute}: the body was not read yet; await request.parse_body() "
                    "first"
                )
            form = self._form = {}
        return form


class WebSocketRequest(Connection):
    """The handshake of a WebSocket, as `ws_middlewares` and the handler see it."""
