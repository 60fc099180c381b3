"""Requests: what handlers and middleware see of an HTTP request or a WebSocket's handshake."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, TypeVar, overload

from micropie._bodies.body import Body, BodyLimits, ParsedBody
from micropie._bodies.inbox import Inbox
from micropie._bodies.multipart import multipart_boundary, parse_multipart
from micropie._bodies.uploads import Files
from micropie._bodies.urlencoded import LONG_FORM, parse_long_form
from micropie._cookies import Cookie
from micropie._http.connection import Afterward, Connection
from micropie._lazy import lazy
from micropie.parameters import LONGEST, check_number
from micropie.types import Handler, Receive, Scope

# The types of bodies that are parsed.
JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"

# The header values that most clients send for those that are read as a whole.
_PARSED = {media_type.encode(): media_type for media_type in (JSON, URLENCODED)}

T = TypeVar("T")


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
    _opened_body: Body | None = None
    _set_cookies: Mapping[str, tuple[str, str]] = MappingProxyType({})  # headers by name
    _afterwards: list[Afterward] | None = None
    _is_streamed = False  # while chunks of the response are sent
    # Those that a hook has added to the response, and would add to any other in its place.
    _lasting_headers: Sequence[tuple[str, str]] = ()
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
    def _raw_body(self) -> Body:
        body = self._opened_body
        if body is None:
            inbox = self._inbox
            if inbox is None:
                inbox = self._inbox = Inbox(self._receive)
            endpoint, limits = self._endpoint or self._matched, self._limits
            if endpoint is not None and endpoint.limits is not None:
                limits = limits._replace(**endpoint.limits)
            body = Body(self.scope, self._last_headers, inbox, limits)
            self._opened_body = body
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

    @overload
    def form(self, name: str) -> Any: ...
    @overload
    def form(self, name: str, default: T) -> T | Any: ...
    def form(self, name: str, default: Any = None) -> Any:
        """Return the first form value of *name*, or *default*.

        A str, unless the body is a JSON object: then what its key *name* holds.
        """
        values = self.body_params.get(name)
        return values[0] if values else default

    @overload
    def json(self, name: str | None = None) -> Any: ...
    @overload
    def json(self, name: str | None, default: T) -> T | Any: ...
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
        return await self._raw_body.read()

    def stream(self) -> AsyncGenerator[bytes, None]:
        """Return the chunks of the raw body, as they come.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413 for a body over its limit, 408 for a client that stalls.
        """
        return self._raw_body.stream()

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

    async def _receive_body(self) -> bool:
        """Receive a body that can be parsed; parse it if that is not done in one step.

        Returns whether it is too large to be converted in one step.
        """
        if self._parsed is not None:
            return self._parsed.is_large
        body = self._raw_body
        if not body.is_expected:
            return False
        limits = body.limits
        content_type = self._last_headers.get(b"content-type", b"")
        media_type = _PARSED.get(content_type) or self._media_type
        if media_type == JSON:
            most, length = limits.max_json_size, body.length
            if most is not None and (length is None or length > most) and body.exceeds(most):
                self._parsed = ParsedBody(b"", limits.form, True)  # left to read() and stream()
                self._parsed.refused = f"the JSON is over {most} bytes"
                return False
            data = await body.read()
            # A body that was announced without a length may turn out to be empty.
            self._parsed = ParsedBody(data, limits.form, data != b"", most)
            return self._parsed.is_large
        form: dict[str, list[str]] = {}
        if media_type == URLENCODED:
            data = await body.read()
            if len(data) <= LONG_FORM:
                self._parsed = ParsedBody(data, limits.form, False)
                return False
            form = await parse_long_form(data, limits.form)
        elif media_type == MULTIPART:
            boundary = multipart_boundary(self.headers["content-type"])
            if self._files is None:  # else an earlier parse failed, and left some
                self._files = Files()
            form = await parse_multipart(self.stream(), boundary, limits.form, self._files)
        self._parsed = ParsedBody(b"", limits.form, False)
        self._parsed.form = form
        self._parsed.files = self._files
        return False

    def set_cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool | Literal["auto"] = "auto",
        httponly: bool = True,
        samesite: Literal["Strict", "Lax", "None"] = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie with the response to this request, whatever that is; errors carry it too.

        Of two calls for one *name* the last counts.

        Args:
            name: a token; `__Host-` and `__Secure-` in front promise what browsers then check.
            value: ASCII without space, comma, semicolon, quote and backslash; with the name at
                most 4,096 bytes.
            max_age: seconds that the browser keeps it, at most 400 days; None until it closes.
            path: below which it is sent.
            domain: which hosts get it, subdomains included; None for this one alone.
            secure: whether it is sent over https only; "auto": if this request came so. The
                prefixes, `samesite="None"` and *partitioned* include it.
            httponly: whether scripts can't read it.
            samesite: "Strict", "Lax" or "None": what other sites can send it with.
            partitioned: whether each site that embeds this one gets a cookie of its own.

        Raises:
            ValueError: an argument, or the combination, is one that browsers would drop.
            TypeError: *max_age* is not an integer.
            RuntimeError: the head of the response was sent already.
        """
        cookie = Cookie(
            name,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )
        header = cookie.header(value, self.scope, max_age)
        if self._is_answered:
            raise RuntimeError(f"the cookie {name!r} comes too late: the response has begun")
        self._set_cookies = {**self._set_cookies, name: header}

    def delete_cookie(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool | Literal["auto"] = "auto",
        partitioned: bool = False,
    ) -> None:
        """Let the browser forget a cookie that was set with the same name, path and domain.

        Args:
            name: of the cookie.
            path: as it was set.
            domain: as it was set.
            secure: as it was set.
            partitioned: as it was set.

        Raises:
            ValueError, RuntimeError: as `set_cookie`.
        """
        self.set_cookie(
            name, "", max_age=0, path=path, domain=domain, secure=secure, partitioned=partitioned
        )

    def session_lifetime(self, seconds: float) -> None:
        """Give the session a life of its own, in the store and in the cookie, until it is cleared.

        For "stay signed in": without it the browser forgets the cookie when it closes.

        Args:
            seconds: how long it lives after it was last used; at most 400 days.

        Raises:
            TypeError: *seconds* is not a number.
            ValueError: it is below 1 or above 400 days.
        """
        check_number("seconds", seconds, float, least=1, most=LONGEST)
        self.session.set_lifetime(seconds)

    def regenerate_session(self) -> None:
        """Give the session a new id when it is stored; call it at login, against fixation."""
        self.session.move()

    async def _wait_for_disconnect(self) -> None:
        """Wait until the client has left."""
        if self._inbox is None:
            self._inbox = Inbox(self._receive)
        await self._inbox.wait_for_disconnect()

    async def _has_client_left(self) -> bool:
        """Tell whether the client has left already, as far as the server has noticed."""
        watch = asyncio.ensure_future(self._wait_for_disconnect())
        await asyncio.wait({watch}, timeout=0)
        watch.cancel()
        return watch.done()

    def _receive_again(self) -> Receive:
        """Return a channel that gives another app the body from its beginning."""
        return self._receive if self._opened_body is None else self._opened_body.replayed()

    @lazy
    def _media_type(self) -> str:
        """The type of the body; JSON for all that are based on it (RFC 6839, 3.1)."""
        value = self._last_headers.get(b"content-type", b"").decode("latin-1")
        media_type = value.partition(";")[0].strip().lower()
        return JSON if media_type.endswith("+json") else media_type

    def _require_parsed(self, attribute: str) -> ParsedBody:
        parsed = self._parsed
        if parsed is None:
            if self._media_type in (JSON, URLENCODED, MULTIPART) and self._raw_body.is_expected:
                raise RuntimeError(
                    f"request.{attribute}: the body was not read yet; await request.parse_body() "
                    "first"
                )
            parsed = self._parsed = ParsedBody(b"", self._limits.form, False)
        return parsed


class WebSocketRequest(Connection):
    """The handshake of a WebSocket, as `ws_middlewares` and the handler see it."""
