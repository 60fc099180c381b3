"""An HTTP request on its way through session and hooks to its handler."""

import inspect
from abc import abstractmethod
from asyncio import CancelledError
from typing import Any, cast

from micropie._bodies.body import BodyLimits
from micropie._errors import HTTPError, cancelled_within
from micropie._handlers.mounts import Mount, Mounts, mount_or_route
from micropie._handlers.routing import Route, RouteTable
from micropie._http.request import PARENT, Request
from micropie._http.response import (
    CONTENT_LENGTHS,
    HTML,
    SHORT,
    Response,
    answer_of,
    content_length,
    ready_messages,
)
from micropie._serving.context import current_connection, reset_current, set_current
from micropie._serving.http_answering import HttpAnswering
from micropie._serving.middleware import HttpMiddleware
from micropie.types import Handler, Message, Receive, Scope, Send

# Headers of a request that has a session to load or a body to parse.
_NEEDS_MORE = frozenset({b"cookie", b"content-type", b"content-length", b"transfer-encoding"})

# The arguments of a handler that takes none.
_NONE: tuple[list[Any], dict[str, Any]] = [], {}


class HttpServing(HttpAnswering):
    """The part of an App that serves HTTP requests."""

    middlewares: list[HttpMiddleware]
    _limits: BodyLimits
    _mounts: Mounts
    _plain: dict[str, Handler]
    _routes: RouteTable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: HTTP, WebSocket or lifespan.

        The way of an HTTP request that needs nothing but its handler is told here in one place,
        because every call costs; `_serve` is the way of all others.
        """
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        handler = self._plain.get(scope["path"])
        needs_more = False
        for name, _ in scope["headers"]:
            if name in _NEEDS_MORE:
                needs_more = True
                break
        if handler is None or needs_more or self.middlewares or scope.get("root_path"):
            request = Request(scope, receive, self._limits)
            token = set_current([request])
            try:
                messages = await self._serve(request, send, needs_more=needs_more)
            finally:
                reset_current(token)
        else:
            is_plain = True
            holder = [scope, receive, self._limits]
            token = set_current(holder)
            try:
                try:
                    result = await handler()
                except Exception as error:
                    result = error
                except CancelledError as error:
                    result = cancelled_within(error)
                # One item means that somebody has asked for the Request: see context.py.
                if type(result) is not str or len(holder) == 1 or scope["method"] == "HEAD":
                    is_plain = False
                    request = cast(Request, current_connection())
                    route = self._routes.by_path.get(scope["path"])
                    if route is not None:  # else it was deleted meanwhile
                        request._handler_name = route.name
                    messages = await self._conclude(request, result, [], send)
            finally:
                reset_current(token)
            if is_plain:
                try:
                    body = result.encode()
                except UnicodeEncodeError:
                    body = result.encode("utf-8", "replace")
                size = len(body)
                length = CONTENT_LENGTHS[size] if size < SHORT else content_length(size)
                headers = [HTML, length]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
        # Out of the context, which a server may keep for the sake of a timer, with all it holds.
        if messages is not None:
            await send(messages[0])
            await send(messages[1])

    @abstractmethod
    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection that is not HTTP."""

    async def _serve(
        self, request: Request, send: Send, *, needs_more: bool
    ) -> tuple[Message, Message] | None:
        """Answer *request* with everything that may stand before its handler.

        Args:
            request: the request.
            send: the ASGI channel.
            needs_more: whether there may be a session to load or a body to parse.

        Returns:
            what is to be sent; None if the answer is on its way already.
        """
        entered: list[HttpMiddleware] = []
        result: Any = None
        try:
            try:
                if self._mounts:
                    mount, route = mount_or_route(request, self._mounts, self._routes)
                else:
                    mount = None
                    route, request.path_params = self._routes.find(request.scope)
                if needs_more:
                    headers = request._raw_headers = dict(request.scope["headers"])
                    if b"cookie" in headers and (
                        self.middlewares or route or (mount and mount.shares_session)
                    ):
                        await self._load_session(request)
                if self.middlewares:
                    result = await self._before_hooks(request, entered)
                    chosen = request.handler or request._route_handler
                    if chosen is not None:
                        mount, route = None, self._routes.resolve(chosen)
                if result is not None:
                    mount = None
                elif mount is None:
                    if route is None:
                        raise HTTPError(404)
                    request._handler_name = route.name
                    if route.allowed is not None and request.method not in route.allowed:
                        result = _not_allowed(request, route)
                    else:
                        if needs_more:
                            await request.parse_body()
                        args, kwargs = _NONE if route.binder is None else route.binder.bind(request)
                        if route.is_coroutine:
                            result = await route.handler(*args, **kwargs)
                        else:
                            result = await self._run(route, args, kwargs)
            except Exception as error:
                mount, result = None, error
            except CancelledError as error:
                mount, result = None, cancelled_within(error)
            if mount is not None:
                await self._serve_mounted(request, mount, entered, send)
                return None
            messages = None
            if not entered and request._session is None:
                messages = ready_messages(result, request.scope["method"])
            if messages is None:
                messages = await self._conclude(request, result, entered, send)
            if messages is not None and request._files is not None:
                # Now: the client is not to wait until they are deleted.
                await send(messages[0])
                await send(messages[1])
                return None
            return messages
        finally:
            if request._files is not None:
                await request._files.close()

    async def _load_session(self, request: Request) -> None:
        if PARENT not in request.scope:
            request._session = await self._sessions.load(
                request.cookies.get(self._sessions.cookie_name, "")
            )

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

    async def _run(self, route: Route, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what the handler of *route*, which is no coroutine function, returns."""
        if not route.blocks:
            return route.handler(*args, **kwargs)
        result = await self._workers.run(route.handler, *args, **kwargs)
        # A plain function around a coroutine function, as many a decorator makes.
        return await result if inspect.iscoroutine(result) else result

    async def _serve_mounted(
        self, request: Request, mount: Mount, entered: list[HttpMiddleware], send: Send
    ) -> None:
        """Hand *request* to a mounted app."""

        async def answer(send: Send) -> None:
            await mount.app(mount.scope, request._receive_again(), send)

        if mount.shares_session:
            mount.share_session(request, self._sessions)
        if entered or mount.shares_session:
            await self._relay(request, answer, entered, send)
        else:
            await answer(send)


def _not_allowed(request: Request, route: Route) -> Any:
    """Return the answer to OPTIONS.

    Raises:
        HTTPError: 405, for every other method.
    """
    allow = {"Allow": route.allow_header}
    if request.method == "OPTIONS":
        return 204, None, allow
    raise HTTPError(405, headers=allow)
