"""App, the class users subclass: every public method they write is a route."""

import os
from asyncio import CancelledError, Event, StreamReader
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, Self, cast

from micropie._bodies.multipart import read_multipart
from micropie._bodies.uploads import Files
from micropie._cookies import Cookie, parse_cookies
from micropie._errors import cancelled_within
from micropie._handlers.class_checks import check_handlers
from micropie._handlers.mounts import Mounts
from micropie._handlers.templates import Templates
from micropie._http.connection import Connection
from micropie._http.request import Request
from micropie._http.response import CONTENT_LENGTHS, HTML, SHORT, Response, content_length
from micropie._http.urls import redirection
from micropie._percent import quoted
from micropie._scope_keys import SESSIONS
from micropie._serving.afterwards import Afterwards, add_afterward
from micropie._serving.arguments import (
    InitSignature,
    LifespanHandler,
    body_limits,
    check_not_served,
    checked_backend,
    checked_debug,
    lifespan_of,
)
from micropie._serving.base_url import absolute_root, parse_base_url
from micropie._serving.context import current_connection, disconnected, reset_current, set_current
from micropie._serving.http import HttpExchange
from micropie._serving.lifespan import serve_lifespan
from micropie._serving.middleware import HttpMiddleware, WebSocketMiddleware
from micropie._serving.origins import is_allowed, parse_origins
from micropie._serving.parts import Parts, UninitializedParts, part_attribute
from micropie._serving.sharing import check_cookie_owners
from micropie._serving.stopping import Stopping
from micropie._sessions.backends import InMemorySessionBackend, SessionBackend
from micropie._sessions.manager import SessionManager
from micropie._sessions.session import Session
from micropie._workers import Workers
from micropie.parameters import LONGEST, check_number, check_seconds
from micropie.types import ASGIApp, Headers, HeadersInput, Receive, Scope, Send

if TYPE_CHECKING:
    from micropie._handlers.templates import OpenEnvironment
    from micropie._http.route_info import RouteInfo

P = ParamSpec("P")

# Headers of a request that has a session to load or a body to parse.
_INPUT = frozenset({b"cookie", b"content-type", b"content-length", b"transfer-encoding"})


class App:
    """An ASGI application whose public methods are its routes.

    Args:
        session_backend: where sessions are stored; None keeps them in this process, or, in an
            App that is mounted, with the one that mounted it.
        template_dir: the folder of the Jinja2 templates.
        debug: show errors with their traceback, and reload changed templates; None: as the App does
            in which this one is mounted, or else if the environment variable MICROPIE_DEBUG is 1.
        max_body_size: bytes of a body; None for no limit.
        max_form_fields: fields of a form, or keys of a JSON object that are bound by name.
        max_form_field_size: bytes of one field.
        max_files: files of a form.
        max_json_size: bytes of a JSON body, which is parsed as a whole; it may hold one value for
            each 16 of them. None for no limit but `max_body_size`.
        body_timeout: seconds without a chunk of the body; None for no limit.
        max_message_size: bytes of a WebSocket's message, of text in UTF-8; a bigger one closes the
            connection with 1009. JSON in it may hold one value for each 16. None leaves the limit
            to the server.
        session_timeout: seconds that a session lives after it was last used; at most 400 days.
        session_cookie: the name of the cookie that carries the session's id.
        session_cookie_secure: whether it is sent over https only; "auto": if the request that
            sets it came over https.
        session_cookie_samesite: "Strict", "Lax" or "None".
        session_cookie_domain: which hosts get it; None for the one that set it.
        session_cookie_path: below which path it is sent.
        session_cookie_max_age: seconds that browsers keep it, from its last use; None until they
            are closed.
        websocket_origins: the origins whose pages may open WebSockets; None for the app's own,
            "*" for all. They count for mounted ASGI apps, too.
        websocket_send_timeout: seconds that a client may take to accept a message; None for no
            limit.
        base_url: what absolute URLs begin with, "https://example.com/shop": where clients find the
            App; None: as the request says, or, in an App that is mounted, as the one that mounted
            it.
        lifespan: an async context manager function that takes the App, around all start-up and
            shutdown handlers; a dict that it yields is `scope["state"]` of every request.
        sync_workers: threads that run handlers written without `async`; generators written so
            have as many more.
        sync_queue: handlers, and generators, that may wait for a thread; more are a 503.

    Attributes:
        middlewares: hooks around every HTTP request.
        ws_middlewares: hooks around every WebSocket.
        startup_handlers: functions that run before the first request, in order.
        shutdown_handlers: functions that run after the last one, in reverse order.
        debug: as given, or as the App that this one is mounted in has it.

    Raises:
        TypeError: an argument has the wrong type, or a handler a signature that can't be served.
        ValueError: an argument is out of range.
    """

    debug: bool = part_attribute()
    middlewares: list[HttpMiddleware] = part_attribute()
    ws_middlewares: list[WebSocketMiddleware] = part_attribute()
    startup_handlers: list[LifespanHandler] = part_attribute()
    shutdown_handlers: list[LifespanHandler] = part_attribute()
    __micropie: Parts  # App's one instance attribute: no subclass's own name can clash with it

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_handlers(cls, App)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Lay out the routes; not in `__init__`, before which a subclass may assign handlers."""
        check_not_served(cls, args)
        self = super().__new__(cls)
        object.__setattr__(self, "_App__micropie", UninitializedParts(self, App))
        return self

    __signature__ = InitSignature()

    def __init__(
        self,
        session_backend: SessionBackend | None = None,
        *,
        template_dir: str | os.PathLike[str] = "templates",
        debug: bool | None = None,
        max_body_size: int | None = 16 * 1024**2,
        max_form_fields: int = 1000,
        max_form_field_size: int = 1024**2,
        max_files: int = 1000,
        max_json_size: int | None = 1024**2,
        body_timeout: float | None = 30.0,
        max_message_size: int | None = 1024**2,
        session_timeout: float = 8 * 3600,
        session_cookie: str = "session_id",
        session_cookie_secure: bool | Literal["auto"] = "auto",
        session_cookie_samesite: Literal["Strict", "Lax", "None"] = "Lax",
        session_cookie_domain: str | None = None,
        session_cookie_path: str = "/",
        session_cookie_max_age: int | None = None,
        websocket_origins: Iterable[str] | None = None,
        websocket_send_timeout: float | None = 30.0,
        base_url: str | None = None,
        lifespan: Callable[[Self], AbstractAsyncContextManager[dict[str, Any] | None]]
        | None = None,
        sync_workers: int = 40,
        sync_queue: int = 1000,
    ) -> None:
        form = (max_form_fields, max_form_field_size, max_files)
        limits = body_limits(max_body_size, max_json_size, body_timeout, *form)
        check_number("session_timeout", session_timeout, float, least=1, most=LONGEST)
        check_number("max_message_size", max_message_size, int, least=0, optional=True)
        check_seconds("websocket_send_timeout", websocket_send_timeout, optional=True)
        check_number("sync_workers", sync_workers, int, least=1)
        check_number("sync_queue", sync_queue, int, least=0)
        cookie = Cookie(
            session_cookie,
            path=session_cookie_path,
            domain=session_cookie_domain,
            secure=session_cookie_secure,
            samesite=session_cookie_samesite,
            prefix="session_cookie_",
        )
        max_age = session_cookie_max_age
        check_number("session_cookie_max_age", max_age, int, least=1, most=LONGEST, optional=True)
        backend = InMemorySessionBackend() if session_backend is None else session_backend
        stopping = Stopping()
        parts = Parts(
            routes=self.__micropie.routes,
            ws_routes=self.__micropie.ws_routes,
            limits=limits,
            mounts=Mounts(),
            templates=Templates(template_dir, lambda: self.debug, {"url_for": self._url_for}),
            workers=Workers(sync_workers, sync_queue),
            stopping=stopping,
            afterwards=Afterwards(sync_workers, stopping),
            sessions=SessionManager(checked_backend(backend), session_timeout, cookie, max_age),
            has_own_backend=session_backend is not None,
            websocket_origins=parse_origins(websocket_origins),
            max_message_size=max_message_size,
            websocket_send_timeout=websocket_send_timeout,
            base_url=parse_base_url(base_url),
            own_debug=checked_debug(debug),
            default_debug=os.environ.get("MICROPIE_DEBUG") == "1",
            lifespan=lifespan_of(self, lifespan),
        )
        object.__setattr__(self, "_App__micropie", parts)

    def __setattr__(self, name: str, value: object) -> None:
        self.__micropie.routes.assign(name, value)
        self.__micropie.ws_routes.assign(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self.__micropie.routes.restore(name)
        self.__micropie.ws_routes.restore(name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: HTTP, WebSocket or lifespan.

        An HTTP request that needs nothing but its handler is served here from end to end, because
        every call costs; an exchange serves all others.
        """
        parts = self.__micropie
        kind = scope["type"]
        if kind != "http":
            if kind == "websocket":
                # Here: few apps have any.
                from micropie._serving.websocket import WebSocketExchange

                await WebSocketExchange(parts, scope, receive, send).serve()
            elif kind == "lifespan":
                await serve_lifespan(parts, scope, receive, send)
            else:
                raise ValueError(f"unknown ASGI scope type {kind!r}")
            return
        handler = parts.direct.get(scope["path"])
        has_input = False
        for name, _ in scope["headers"]:
            if name in _INPUT:
                has_input = True
                break
        if handler is None or has_input or parts.middlewares or scope.get("root_path"):
            request = Request(scope, receive, parts.limits)
            await HttpExchange(parts, request, send).serve(has_input)
            return
        holder = [scope, receive, parts]
        token = set_current(holder)
        try:
            try:
                result = await handler()
            except Exception as error:
                result = error
            except CancelledError as error:
                result = cancelled_within(error)
        except BaseException:
            reset_current(token)
            raise
        # One item means that somebody has asked for the Request: see context.py.
        if type(result) is not str or len(holder) == 1 or scope["method"] == "HEAD":
            request = cast(Request, current_connection())
            await HttpExchange(parts, request, send).answer(result, token)
            return
        # Before the sends: HttpExchange._leave_context says why.
        reset_current(token)
        try:  # noqa: SIM105 - suppress() is a call for each request
            holder[1] = disconnected
        except IndexError:
            pass  # a thread of the handler's has just asked
        try:
            body = result.encode()  # naming an error handler, even this one, takes longer
        except UnicodeEncodeError:
            body = result.encode("utf-8", "replace")
        size = len(body)
        length = CONTENT_LENGTHS[size] if size < SHORT else content_length(size)
        await send({"type": "http.response.start", "status": 200, "headers": [HTML, length]})
        await send({"type": "http.response.body", "body": body})

    @property
    def request(self) -> Request:
        """The request being handled; in a WebSocket's handler, its handshake.

        Raises:
            RuntimeError: no request is being handled, in this task or thread.
        """
        request: Any = current_connection()
        return request  # type: ignore[no-any-return] # a cast() would be called each time

    @property
    def session(self) -> Session:
        """The session of the request being handled.

        Raises:
            RuntimeError: no request is being handled, in this task or thread.
        """
        return self.request.session

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        self.request.session = data

    @property
    def session_backend(self) -> SessionBackend:
        """Where sessions are stored; assign another one before the first request."""
        return self.__micropie.sessions.backend

    @session_backend.setter
    def session_backend(self, backend: SessionBackend) -> None:
        parts = self.__micropie
        before = parts.sessions.backend, parts.has_own_backend
        parts.sessions.backend, parts.has_own_backend = checked_backend(backend), True
        try:
            check_cookie_owners(parts)
        except ValueError:
            parts.sessions.backend, parts.has_own_backend = before
            raise

    def session_for(self, scope: Scope) -> AbstractAsyncContextManager[Session]:
        """Load the session of any ASGI scope; what the block changes is merged when it ends.

        Nothing is stored if the block raises.

        Raises:
            HTTPError: 503, the session store is unavailable.
            RuntimeError: the block put something into the session of a browser that has none.
        """
        parts = self.__micropie
        owner: SessionManager | None = scope.get(SESSIONS)
        sessions = owner if owner is not None and parts.shares_session(owner) else parts.sessions
        session_ids = Connection(scope)._cookie_values(sessions.cookie_name)
        return sessions.session_for(session_ids, scope)

    def allows_origin(self, scope: Scope) -> bool:
        """Tell whether `websocket_origins` lets in the page that an ASGI scope comes from.

        A client that sends no Origin header is let in: browsers always send one.
        """
        return is_allowed(Connection(scope), self.__micropie.websocket_origins)

    @property
    def env(self) -> "OpenEnvironment | Any":
        """The Jinja environment; None when Jinja2 is not installed.

        Type checkers take it for an Environment: who sets a filter has Jinja2.
        """
        try:
            return self.__micropie.templates.environment()
        except RuntimeError:
            return None

    def mount(self, path: str, asgi_app: ASGIApp) -> None:
        """Hand every request and WebSocket below *path* to another ASGI app.

        Args:
            path: starts with "/"; "/" itself is the fallback for paths without a handler.
            asgi_app: gets `root_path` extended by *path*, and `path` whole; if it has a method
                `on_mount` (and is not an App), that is called with this App and *path*. Pages of
                other origins can't open WebSockets to it (`websocket_origins`), unless it is an
                App, which has origins of its own, or its attribute `checks_origin` is true.

        Raises:
            TypeError: *asgi_app* can't be called, or is a class.
            ValueError: *path* does not start with "/", has an empty segment or is mounted already;
                or *asgi_app* is an App with another session backend, whose cookie would replace
                this App's.
        """
        parts = self.__micropie
        parts.mounts.add(path, asgi_app)
        try:
            check_cookie_owners(parts)
        except ValueError:
            del parts.mounts[path.rstrip("/")]
            raise
        parts.become_parent_of(asgi_app)
        parts.direct = {}  # from now on a path alone does not tell who serves it
        # In an App, a method of that name is a handler.
        if not isinstance(asgi_app, App) and hasattr(asgi_app, "on_mount"):
            asgi_app.on_mount(self, path)

    @property
    def routes(self) -> "list[RouteInfo]":
        """All that this App serves: handlers of requests, of WebSockets, and mounts.

        In the order of their definition. A mounted App has `routes` of its own.
        """
        return self.__micropie.described()

    @property
    def root_path(self) -> str:
        """The path below which clients find this App; "" at the root, and outside of a request."""
        try:
            return self.__micropie.mounts.root_path(current_connection().scope)
        except RuntimeError:
            return ""

    @property
    def mounts(self) -> dict[str, ASGIApp]:
        """The mounted apps by path, as a copy."""
        return {prefix or "/": app for prefix, app in self.__micropie.mounts.items()}

    @property
    def is_stopping(self) -> bool:
        """Whether the server wants to stop; it stays so until the App starts again.

        Then streams and WebSockets are ended. For work that takes long, and should end by itself.
        """
        stopping = self.__micropie.stopping
        with suppress(RuntimeError):  # in a thread, which has no event loop
            stopping.opened()
        return stopping.has_begun

    async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an HTTP connection; the same as calling the App."""
        await self(scope, receive, send)

    async def _send_response(
        self, send: Send, status_code: int, body: Any, extra_headers: HeadersInput | None = None
    ) -> None:
        """Send a response by hand: to the current request, or to a GET outside of any.

        Args:
            send: the ASGI channel.
            status_code: 200 to 599.
            body: what a handler might return as a body.
            extra_headers: pairs or a dict.
        """
        response, parts = Response(status_code, body, extra_headers), self.__micropie
        try:
            request = self.request
        except RuntimeError:
            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            # A client that sends nothing, and never leaves.
            request = Request(scope, cast(Receive, Event().wait), parts.limits)
        await HttpExchange(parts, request, send).answer(response)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """Return the cookies of a Cookie header by name."""
        return parse_cookies(cookie_header)

    async def _parse_multipart(
        self, reader: StreamReader, boundary: bytes
    ) -> tuple[dict[str, list[str]], Files]:
        """Parse a multipart/form-data body out of *reader*.

        Returns:
            the values of the fields by name, and the files, which the caller closes.

        Raises:
            HTTPError: 400 for a malformed body, 413 for one over a limit.
            RuntimeError: a library for it is not installed; says what to install.
        """
        return await read_multipart(reader, boundary, self.__micropie.limits.form)

    def _redirect(
        self,
        location: str,
        extra_headers: HeadersInput | None = None,
        *,
        status_code: Literal[301, 302, 303, 307, 308] = 302,
    ) -> tuple[int, str, Headers]:
        """Return a response that sends the client to *location*.

        Args:
            location: a URL or path; characters that are invalid in one are percent-encoded,
                escapes are kept.
            extra_headers: pairs or a dict.
            status_code: 303 to GET it there after a POST, 307 to repeat the request there; 301
                and 308 for a place it has moved to for good (RFC 9110, 15.4).

        Raises:
            ValueError: *status_code* is none of these.
        """
        return redirection(location, status_code, extra_headers)

    async def _render_template(self, name: str, /, **context: Any) -> str:
        """Return template *name* of `template_dir`, rendered with *context*.

        Raises:
            RuntimeError: Jinja2 is not installed.
            jinja2.TemplateNotFound: there is no such file; the message names the folder.
        """
        return await self.__micropie.templates.render(name, context)

    def _after_response(
        self, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Call `function(*args, **kwargs)` when the last byte of the response was sent.

        Functions run one after the other, in the order of these calls, each in a copy of the
        current context. They don't run when the client leaves before, or the response fails: a
        stream that breaks off, an exception that is not an HTTPError, a status of 500 or above.
        What they raise is logged. A stop waits for them for 10 seconds, then they are cancelled.

        Args:
            function: a coroutine function, or an ordinary one, which is called in a thread.
            args: its arguments.
            kwargs: those by name.

        Raises:
            TypeError: *function* can't be called.
            RuntimeError: no request is being handled, or its response was sent already.
        """
        add_afterward(current_connection(), function, args, kwargs)

    def _url_for(
        self, handler_name: str, /, *segments: object, _external: bool = False, **query: object
    ) -> str:
        """Return the path of a handler, `root_path` included: the shortest that leads to it.

        Args:
            handler_name: the name of a handler; of a WebSocket's, with its `ws_`.
            segments: path segments after it, or for the parameters of its `@route`, in order. Each
                is encoded.
            _external: return an absolute URL, for mails and other sites; a WebSocket's is one of
                `ws` or `wss`. It begins with the App's `base_url`, else as the request was made:
                a client names the host as it likes.
            query: by the names of its `@route`, what is not in *segments*; everything else is a
                query parameter, of which a list or tuple gives several of one name.

        Raises:
            LookupError: there is no such handler.
            RuntimeError: outside of a request an absolute URL takes a `base_url`.
            TypeError: the parameters of its `@route` are not all there, or there twice.
            ValueError: a segment is empty, "." or "..", which no path can have.
        """
        parts = self.__micropie
        is_websocket = handler_name.startswith("ws_")
        table = parts.ws_routes if is_websocket else parts.routes
        path = table.url_path(handler_name, segments, query, parts.mounts.find)
        root = absolute_root(parts, self.root_path) if _external else quoted(self.root_path)
        if _external and is_websocket:
            root = root.replace("http", "ws", 1)
        url = root + path
        if not query:
            return url
        from urllib.parse import urlencode

        return f"{url}?{urlencode(query, doseq=True)}"
