"""App, the class users subclass: every public method they write is a route."""

import os
from asyncio import StreamReader
from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, Self

from micropie.body import BodyLimits
from micropie.construction import (
    InitSignature,
    Unready,
    check_not_served,
    checked_backend,
    fill_in,
)
from micropie.context import current_connection
from micropie.cookies import SessionCookie, parse_cookies
from micropie.forms import Files, FormLimits, parse_multipart, reader_chunks
from micropie.http_serving import HttpServing
from micropie.lifespan import LifespanHandler, run_shutdown, run_startup, serve_lifespan
from micropie.memory_sessions import InMemorySessionBackend
from micropie.middleware import HttpMiddleware, WebSocketMiddleware
from micropie.mounts import Mounts
from micropie.origins import is_allowed, parse_origins
from micropie.parameters import check_number
from micropie.request import Connection, Request
from micropie.response import Response
from micropie.routing import RouteTable, check_name, declared, reserved_names
from micropie.session import Session
from micropie.session_backend import SessionBackend
from micropie.session_manager import SESSIONS, SessionManager
from micropie.templates import Templates
from micropie.types import ASGIApp, Headers, HeadersInput, Receive, Scope, Send
from micropie.urls import handler_url, redirection
from micropie.websocket_serving import WebSocketServing
from micropie.workers import Workers

if TYPE_CHECKING:
    from jinja2 import Environment


class App(HttpServing, WebSocketServing):
    """An ASGI application whose public methods are its routes.

    Args:
        session_backend: where sessions are stored; None keeps them in this process, or, in an
            App that is mounted, with the one that mounted it.
        template_dir: the folder of the Jinja2 templates.
        debug: show tracebacks in 500 responses, and reload changed templates.
        max_body_size: bytes of a body; None for no limit.
        max_form_fields: fields of a form.
        max_form_field_size: bytes of one field.
        max_files: files of a form.
        body_timeout: seconds without a chunk of the body; None for no limit.
        session_timeout: seconds that a session lives after it was last used.
        session_cookie: the name of the cookie that carries the session's id.
        session_cookie_secure: whether it is sent over https only; "auto": if it was set there.
        session_cookie_samesite: "Strict", "Lax" or "None".
        session_cookie_domain: which hosts get it; None for the one that set it.
        session_cookie_path: below which path it is sent.
        websocket_origins: the origins whose pages may open WebSockets; None for the app's own,
            "*" for all.
        sync_workers: threads that run handlers written without `async`.

    Attributes:
        middlewares: hooks around every HTTP request.
        ws_middlewares: hooks around every WebSocket.
        startup_handlers: functions that run before the first request, in order.
        shutdown_handlers: functions that run after the last one, in reverse order.
        debug: as given.

    Raises:
        TypeError: an argument has the wrong type, or a handler a signature that can't be served.
        ValueError: an argument is out of range.
    """

    # Named here, so that a handler of such a name is refused as any other of App's own.
    debug: bool
    middlewares: list[HttpMiddleware]
    ws_middlewares: list[WebSocketMiddleware]
    startup_handlers: list[LifespanHandler]
    shutdown_handlers: list[LifespanHandler]
    _shares_session: bool
    _templates: Templates

    # The rest that begins with "_" is not for subclasses, whose helpers are named like that too.
    _overridable = frozenset(
        {"_asgi_app_http", "_parse_cookies", "_parse_multipart", "_redirect", "_render_template"}
        | {"_send_response", "_url_for"}
    )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, _ in declared(cls, App):
            check_name(name, App)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Lay out the routes; not in `__init__`, before which a subclass may assign handlers."""
        check_not_served(cls, args)
        self = super().__new__(cls)
        routes = RouteTable(self, App)
        object.__setattr__(self, "_routes", routes)
        object.__setattr__(self, "_plain", routes.plain)
        object.__setattr__(self, "_ws_routes", RouteTable(self, App, is_websocket=True))
        fill_in(self)
        return self

    __signature__ = InitSignature()

    def __init__(
        self,
        session_backend: SessionBackend | None = None,
        *,
        template_dir: str | os.PathLike[str] = "templates",
        debug: bool = False,
        max_body_size: int | None = 16 * 1024**2,
        max_form_fields: int = 1000,
        max_form_field_size: int = 1024**2,
        max_files: int = 1000,
        body_timeout: float | None = 30.0,
        session_timeout: float = 8 * 3600,
        session_cookie: str = "session_id",
        session_cookie_secure: bool | Literal["auto"] = "auto",
        session_cookie_samesite: Literal["Strict", "Lax", "None"] = "Lax",
        session_cookie_domain: str | None = None,
        session_cookie_path: str = "/",
        websocket_origins: Iterable[str] | None = None,
        sync_workers: int = 40,
    ) -> None:
        check_number("max_body_size", max_body_size, int, least=0, optional=True)
        check_number("max_form_fields", max_form_fields, int, least=0)
        check_number("max_form_field_size", max_form_field_size, int, least=0)
        check_number("max_files", max_files, int, least=0)
        check_number("body_timeout", body_timeout, float, least=0.001, optional=True)
        check_number("session_timeout", session_timeout, float, least=1)
        check_number("sync_workers", sync_workers, int, least=1)
        self.debug = debug
        self.middlewares = []
        self.ws_middlewares = []
        self.startup_handlers = []
        self.shutdown_handlers = []
        form_limits = FormLimits(max_form_fields, max_form_field_size, max_files)
        self._limits = BodyLimits(max_body_size, body_timeout, form_limits)
        self._mounts = Mounts()
        names = {"url_for": self._url_for}
        self._templates = Templates(template_dir, auto_reload=debug, names=names)
        self._websocket_origins = parse_origins(websocket_origins)
        self._workers = Workers(sync_workers)
        cookie = SessionCookie(
            session_cookie,
            session_cookie_secure,
            session_cookie_samesite,
            session_cookie_domain,
            session_cookie_path,
        )
        self._shares_session = session_backend is None
        backend = InMemorySessionBackend() if session_backend is None else session_backend
        self._sessions = SessionManager(checked_backend(backend), session_timeout, cookie)

    def __setattr__(self, name: str, value: object) -> None:
        # What is kept, or what is to come, is the subclass's: App would stumble over it. vars(self)
        # would tell as well, but once asked for it makes reading any attribute slower.
        if name.startswith("_") and name in reserved_names(App):
            part = getattr(self, name, value)
            if type(part) not in (type(value), Unready):
                check_name(name, App)
        self._routes.assign(name, value)
        self._ws_routes.assign(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._routes.restore(name)
        self._ws_routes.restore(name)

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
        elif scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._startup, self._shutdown)
        else:
            raise ValueError(f"unknown ASGI scope type {scope['type']!r}")

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
        return self._sessions.backend

    @session_backend.setter
    def session_backend(self, backend: SessionBackend) -> None:
        self._sessions.backend = checked_backend(backend)
        self._shares_session = False

    def session_for(self, scope: Scope) -> AbstractAsyncContextManager[Session]:
        """Load the session of any ASGI scope; what the block changes is merged when it ends.

        Nothing is stored if the block raises.

        Raises:
            HTTPError: 503, the session store is unavailable.
            RuntimeError: the block put something into the session of a browser that has none.
        """
        # In an App that is mounted without a backend of its own: the one that mounted it.
        shared = scope.get(SESSIONS) if self._shares_session else None
        return (shared or self._sessions).session_for(scope)

    def allows_origin(self, scope: Scope) -> bool:
        """Tell whether `websocket_origins` lets in the page that any ASGI scope comes from.

        A client that names no origin, as others than browsers do, is let in.
        """
        return is_allowed(Connection(scope), self._websocket_origins)

    @property
    def env(self) -> "Environment | None":
        """The Jinja environment; None when Jinja2 is not installed."""
        try:
            return self._templates.environment()
        except RuntimeError:
            return None

    def mount(self, path: str, asgi_app: ASGIApp) -> None:
        """Hand every request and WebSocket below *path* to another ASGI app.

        Args:
            path: starts with "/"; "/" itself stands for all that no handler serves.
            asgi_app: gets `root_path` extended by *path*, and `path` whole; if it has a method
                `on_mount` (and is no App), that is called with this App and *path*.

        Raises:
            TypeError: *asgi_app* can't be called, or is a class.
            ValueError: *path* does not start with "/", or is mounted already.
        """
        self._mounts.add(path, asgi_app)
        self._plain = {}  # from now on a path alone does not tell who serves it
        # In an App, a method of that name is a handler.
        if not isinstance(asgi_app, App) and hasattr(asgi_app, "on_mount"):
            asgi_app.on_mount(self, path)

    @property
    def root_path(self) -> str:
        """Below which path clients find this App; "" at the root, and outside of a request."""
        try:
            return self._mounts.root_path(current_connection().scope)
        except RuntimeError:
            return ""

    @property
    def mounts(self) -> dict[str, ASGIApp]:
        """The mounted apps by path, as a copy."""
        return {prefix or "/": app for prefix, app in self._mounts.items()}

    async def _startup(self) -> None:
        """Start everything, the mounted Apps included.

        Raises:
            StartupError: a part failed; all that had been started is stopped again.
        """
        try:
            await self._start_all()
        except Exception:
            await self._shutdown()
            raise

    async def _start_all(self) -> None:
        """Start the session backend and run the start-up handlers, App by App."""
        for app in self._family({}):
            await run_startup(app.session_backend.startup)
            for handler in app.startup_handlers:
                await run_startup(handler)

    async def _shutdown(self) -> None:
        """Undo `_startup` in reverse; what fails is logged and does not stop the rest."""
        for app in reversed(self._family({})):
            for handler in reversed(app.shutdown_handlers):
                await run_shutdown(handler)
            await run_shutdown(app.session_backend.shutdown)
            app._workers.shutdown()

    def _family(self, found: dict[int, "App"]) -> list["App"]:
        """Return this App and all below it, each once, in however many places it is mounted."""
        if id(self) not in found:
            found[id(self)] = self
            for app in self._mounts.values():
                if isinstance(app, App):
                    app._family(found)
        return list(found.values())

    async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an HTTP connection; the same as calling the App."""
        await self(scope, receive, send)

    async def _send_response(
        self, send: Send, status_code: int, body: Any, extra_headers: HeadersInput | None = None
    ) -> None:
        """Send a response to the current request by hand.

        Args:
            send: the ASGI channel.
            status_code: 200 to 599.
            body: what a handler might return as a body.
            extra_headers: pairs or a dict.
        """
        response = Response(status_code, body, extra_headers)
        await self._conclude_and_send(self.request, response, [], send)

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
        files = Files()
        try:
            return await parse_multipart(
                reader_chunks(reader), boundary, self._limits.form, files
            ), files
        except BaseException:
            await files.close()
            raise

    def _redirect(
        self,
        location: str,
        extra_headers: HeadersInput | None = None,
        *,
        status_code: Literal[301, 302, 303, 307, 308] = 302,
    ) -> tuple[int, str, Headers]:
        """Return a response that sends the client to *location*.

        Args:
            location: a URL or path; what may not stand in one is percent-encoded, what is
                encoded already stays.
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
            jinja2.TemplateNotFound: there is no such file; the message says where it was sought.
        """
        return await self._templates.render(name, context)

    def _url_for(self, handler_name: str, /, *segments: object, **query: object) -> str:
        """Return the path of a handler, `root_path` included.

        Args:
            handler_name: the name of a public method, or of a WebSocket's, with its `ws_`.
            segments: path segments after it, each encoded.
            query: query parameters; a list or tuple gives several of one name.

        Raises:
            LookupError: there is no such handler.
        """
        public = handler_name.removeprefix("ws_")
        if public not in (self._routes if public == handler_name else self._ws_routes):
            raise LookupError(f"{type(self).__name__} has no handler {handler_name!r}")
        return handler_url(self.root_path, public, segments, query)
