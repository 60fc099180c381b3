"""App, the class users subclass: every public method they write is a route."""

import html
import inspect
import os
import traceback
from collections.abc import Generator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from micropie import routing
from micropie.cookies import parse_cookies
from micropie.errors import PLAIN_TEXT, HTTPError, logger, status_line
from micropie.middleware import HttpMiddleware
from micropie.request import Request
from micropie.response import Response, ResponseError, answer_of, header_pairs, text_messages
from micropie.streaming import BodyStream
from micropie.templates import Templates
from micropie.types import Headers, HeadersInput, Message, Receive, Scope, Send
from micropie.workers import Workers

if TYPE_CHECKING:
    from jinja2 import Environment

_current_request: ContextVar[Request] = ContextVar("micropie.request")


class App:
    """An ASGI application whose public methods are its routes.

    Args:
        template_dir: the folder of the Jinja2 templates.
        debug: show tracebacks in 500 responses, and reload changed templates.
        sync_workers: threads that run handlers written without `async`.

    Raises:
        TypeError: an argument has the wrong type, or a handler a signature that can't be served.
        ValueError: an argument is out of range.
    """

    # Named here, so that a handler of such a name is refused as any other of App's own.
    debug: bool
    middlewares: list[HttpMiddleware]

    _routes: routing.RouteTable

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, _ in routing.declared(cls, App):
            routing.check_name(name, App)

    def __new__(cls, *args: Any, **kwargs: Any) -> "App":
        """Lay out the routes; not in `__init__`, before which a subclass may assign handlers."""
        self = super().__new__(cls)
        object.__setattr__(self, "_routes", routing.RouteTable(self, App))
        return self

    def __init__(
        self,
        *,
        template_dir: str | os.PathLike[str] = "templates",
        debug: bool = False,
        sync_workers: int = 40,
    ) -> None:
        if not isinstance(sync_workers, int) or sync_workers < 1:
            raise ValueError(f"sync_workers must be a positive integer, not {sync_workers!r}")
        self.debug = debug
        self.middlewares = []
        self._templates = Templates(template_dir, auto_reload=debug)
        self._workers = Workers(sync_workers)
        self._by_path = self._routes.by_path

    def __setattr__(self, name: str, value: object) -> None:
        self._routes.assign(name, value)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._routes.restore(name)

    @property
    def request(self) -> Request:
        """The request being handled.

        Raises:
            RuntimeError: none is, in this task or thread.
        """
        try:
            return _current_request.get()
        except LookupError:
            raise RuntimeError("there is no current request outside of a handler") from None

    @property
    def env(self) -> "Environment | None":
        """The Jinja environment; None when Jinja2 is not installed."""
        try:
            return self._templates.environment()
        except RuntimeError:
            return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection.

        The way of a request that needs nothing but its handler is told here in one place,
        because every call costs; `_serve` is the way of all others.
        """
        if scope["type"] != "http":
            raise ValueError(f"unknown ASGI scope type {scope['type']!r}")
        request = Request(scope, receive)
        token = _current_request.set(request)
        try:
            route = self._by_path.get(scope["path"])
            plain = route is not None and route.is_plain and not self.middlewares
            for name, _ in scope["headers"]:
                if name == b"cookie" or name == b"content-type":
                    plain = False
            if not plain or scope.get("root_path"):
                await self._serve(request, send)
                return
            try:
                result = await route.handler()  # type: ignore[union-attr]
            except Exception as error:
                request._handler_name = route.name  # type: ignore[union-attr]
                result = self._error_response(request, error)
            if type(result) is str and scope["method"] != "HEAD":
                start, body = text_messages(result.encode("utf-8", "replace"))
                await send(start)
                await send(body)
            else:
                request._handler_name = route.name  # type: ignore[union-attr]
                await self._conclude(request, result, [], send)
        finally:
            _current_request.reset(token)

    async def _asgi_app_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an HTTP connection; the same as calling the App."""
        await self(scope, receive, send)

    async def _serve(self, request: Request, send: Send) -> None:
        """Answer *request* with everything that may stand before its handler."""
        entered: list[HttpMiddleware] = []
        try:
            route, request.path_params = self._routes.find(request.scope)
            result = await self._before_hooks(request, entered)
            if result is None:
                chosen = request.handler or request._route_handler
                result = await self._handle(
                    request, route if chosen is None else self._routes.resolve(chosen)
                )
        except Exception as error:
            result = self._error_response(request, error)
        await self._conclude(request, result, entered, send)

    async def _before_hooks(
        self, request: Request, entered: list[HttpMiddleware]
    ) -> Response | None:
        """Run the hooks before the handler, and note in *entered* which ones ran."""
        for middleware in tuple(self.middlewares):
            answer = await middleware.before_request(request)
            entered.append(middleware)
            if answer is not None:
                return answer_of(answer)
        return None

    async def _handle(self, request: Request, route: routing.Route | None) -> Any:
        """Return what the handler of *route* returned."""
        if route is None:
            raise HTTPError(404)
        request._handler_name = route.name
        if route.allowed is not None and request.method not in route.allowed:
            if request.method == "OPTIONS":
                return 204, None, {"Allow": route.allow_header}
            raise HTTPError(405, headers={"Allow": route.allow_header})
        args, kwargs = ([], {}) if route.binder is None else route.binder.bind(request)
        if route.is_coroutine:
            return await route.handler(*args, **kwargs)
        if not route.blocks:
            return route.handler(*args, **kwargs)
        result = await self._workers.run(route.handler, *args, **kwargs)
        # A plain function around a coroutine function, as many a decorator makes.
        return await result if inspect.iscoroutine(result) else result

    async def _conclude(
        self, request: Request, result: Any, entered: list[HttpMiddleware], send: Send
    ) -> None:
        """Turn the handler's *result* into a response, run the hooks after it, and send it."""
        method = request.method
        streams: list[BodyStream] = []
        try:
            try:
                response = Response.of(result)
                response.render(method)  # what can't be sent is a 500 for the hooks to see
                await self._open_stream(response, method, streams)
            except Exception as error:
                response = self._error_response(request, error)
            for middleware in reversed(entered):
                response = await self._after_hook(middleware, request, response)
            try:
                await self._open_stream(response, method, streams)
                start, body = response.render(method)
            except Exception as error:
                start, body = self._error_response(request, error).render(method)
            if isinstance(body, BodyStream):
                await self._send_stream(request, start, body, send)
            elif isinstance(body, dict):
                await send(start)
                await send(body)
        finally:
            for stream in streams:
                await stream.close()

    async def _after_hook(
        self, middleware: HttpMiddleware, request: Request, response: Response
    ) -> Response:
        try:
            changes = await middleware.after_request(
                request, response.status, response.body, response.headers
            )
            return response if changes is None else response.replaced(changes)
        except Exception as error:
            return self._error_response(request, error)

    async def _open_stream(
        self, response: Response, method: str, streams: list[BodyStream]
    ) -> None:
        """Set the generator of a streamed *response* going, and note it in *streams*."""
        chunks = response.payload
        if method == "HEAD" or isinstance(chunks, bytes | BodyStream):
            return
        if isinstance(chunks, Generator):
            chunks = await self._workers.iterate(chunks)
        stream = BodyStream(chunks)
        streams.append(stream)
        await stream.begin()
        response.payload = stream

    async def _send_stream(
        self, request: Request, start: Message, stream: BodyStream, send: Send
    ) -> None:
        try:
            await stream.send(start, send, request._client_gone)
        except Exception as error:
            self._log(request, error)
            # The head has gone out: only a connection cut short tells the client.
            raise

    def _error_response(self, request: Request, error: Exception) -> Response:
        """Return the response for *error*; one that is no HTTPError is logged, and a 500."""
        if isinstance(error, HTTPError):
            try:
                response = _http_error_response(error)
                response.render(request.method)
                return response
            except Exception as unsendable:
                error = unsendable
        self._log(request, error)
        if not self.debug:
            return _http_error_response(HTTPError(500))
        trace = "".join(traceback.format_exception(error))
        return Response(500, f"<h1>{status_line(500)}</h1><pre>{html.escape(trace)}</pre>")

    def _log(self, request: Request, error: Exception) -> None:
        name = request._handler_name or "no handler"
        if isinstance(error, ResponseError):
            logger.error("%s %r: %s %s", request.method, request.path, name, error)
        else:
            logger.error("%s %r: %s failed", request.method, request.path, name, exc_info=error)

    async def _send_response(
        self, send: Send, status_code: int, body: Any, extra_headers: HeadersInput | None = None
    ) -> None:
        """Send a response of one's own making by hand.

        Args:
            send: the ASGI channel.
            status_code: 200 to 599.
            body: what a handler might return as a body.
            extra_headers: pairs or a dict.
        """
        result = Response(status_code, body, extra_headers)
        await self._conclude(self.request, result, [], send)

    def _parse_cookies(self, cookie_header: str) -> dict[str, str]:
        """Return the cookies of a Cookie header by name."""
        return parse_cookies(cookie_header)

    def _redirect(
        self, location: str, extra_headers: HeadersInput | None = None
    ) -> tuple[int, str, Headers]:
        """Return a 302 response that sends the client to *location*.

        Args:
            location: a URL or path; what may not stand in one is percent-encoded, what is
                encoded already stays.
            extra_headers: pairs or a dict.
        """
        headers = [("Location", quote(location, safe=_URL_CHARACTERS, errors="replace"))]
        return 302, "", headers + header_pairs(extra_headers)

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
            handler_name: the name of a public method.
            segments: path segments after it, each encoded.
            query: query parameters; a list or tuple gives several of one name.

        Raises:
            LookupError: there is no such handler.
        """
        if not routing.is_public(handler_name) or handler_name not in self._routes:
            raise LookupError(f"{type(self).__name__} has no handler {handler_name!r}")
        request = _current_request.get(None)
        root_path = request.scope.get("root_path", "") if request is not None else ""
        # A first segment for index would be taken for a handler's name if it is one.
        names = [] if handler_name == "index" and not segments else [handler_name]
        path = "/".join(quote(str(part), safe="") for part in [*names, *segments])
        url = quote(root_path.rstrip("/")) + "/" + path
        return url + "?" + urlencode(query, doseq=True) if query else url


# RFC 3986: everything that has a meaning in a URL, and "%" because it is encoded already.
_URL_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"


def _http_error_response(error: HTTPError) -> Response:
    if error.body is not None:
        return Response(error.status_code, error.body, error.headers)
    body = status_line(error.status_code)
    return Response(error.status_code, body, error.headers, content_type=PLAIN_TEXT)
