"""An HTTP request on its way through session, hooks and handler, and its response back."""

import inspect
from abc import abstractmethod
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import Any, cast

from micropie.body import BodyLimits
from micropie.context import current, current_connection
from micropie.errors import HTTPError, cancelled_within, logger
from micropie.failures import error_response, log_failure, log_nothing
from micropie.middleware import HttpMiddleware
from micropie.mounts import Mount, Mounts, mount_or_route
from micropie.request import PARENT, Request
from micropie.response import (
    CONTENT_LENGTHS,
    HTML,
    SHORT,
    ASGIResponse,
    Response,
    ResponseError,
    answer_of,
    raw_headers,
)
from micropie.routing import Route, RouteTable
from micropie.session_manager import SessionManager
from micropie.streaming import BodyStream
from micropie.types import Handler, Headers, Message, Receive, Scope, Send, Stream
from micropie.workers import Workers

# A response, and what it has become: the start message, and the body's or a stream.
Rendered = tuple[Response, Message, Message | Stream | BodyStream]

# Headers of a request that has a session to load or a body to parse.
_NEEDS_MORE = frozenset({b"cookie", b"content-type"})


class HttpServing:
    """The part of an App that answers HTTP requests."""

    debug: bool
    middlewares: list[HttpMiddleware]
    _limits: BodyLimits
    _mounts: Mounts
    _plain: dict[str, Handler]
    _routes: RouteTable
    _sessions: SessionManager
    _workers: Workers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: HTTP, WebSocket or lifespan.

        The way of an HTTP request that needs nothing but its handler is told here in one place,
        because every call costs; `_serve` is the way of all others.
        """
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        holder = [scope, receive, self._limits]
        token = current.set(holder)
        try:
            handler = self._plain.get(scope["path"])
            if handler is not None:
                if self.middlewares or scope.get("root_path"):
                    handler = None
                for name, _ in scope["headers"]:
                    if name in _NEEDS_MORE:
                        handler = None
                        break
            if handler is None:
                request = Request(scope, receive, self._limits)
                holder[:] = (request,)
                await self._serve(request, send)
                return
            try:
                result = await handler()
            except Exception as error:
                result = error
            except CancelledError as error:
                result = cancelled_within(error)
            # One item means that somebody has asked for the Request: see context.py.
            if type(result) is not str or len(holder) == 1 or scope["method"] == "HEAD":
                request = cast(Request, current_connection())
                request._handler_name = self._routes.by_path[scope["path"]].name
                await self._conclude(request, result, [], send)
                return
        finally:
            current.reset(token)
        try:
            body = result.encode()
        except UnicodeEncodeError:
            body = result.encode("utf-8", "replace")
        size = len(body)
        length = CONTENT_LENGTHS[size] if size < SHORT else (b"content-length", b"%d" % size)
        await send({"type": "http.response.start", "status": 200, "headers": [HTML, length]})
        await send({"type": "http.response.body", "body": body})

    @abstractmethod
    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a connection that is not HTTP."""

    async def _serve(self, request: Request, send: Send) -> None:
        """Answer *request* with everything that may stand before its handler."""
        entered: list[HttpMiddleware] = []
        result: Any = None
        try:
            try:
                mount, route = mount_or_route(request, self._mounts, self._routes)
                request._raw_headers = names = dict(request.scope["headers"])
                if b"cookie" in names and (
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
                    result = await self._handle(request, route)
            except Exception as error:
                mount, result = None, error
            except CancelledError as error:
                mount, result = None, cancelled_within(error)
            if mount is None:
                await self._conclude(request, result, entered, send)
            else:
                await self._serve_mounted(request, mount, entered, send)
        finally:
            if request._files is not None:
                await request._files.close()

    async def _load_session(self, request: Request) -> None:
        if PARENT not in request.scope:
            request._session = await self._sessions.load(request)

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

    async def _handle(self, request: Request, route: Route | None) -> Any:
        """Return what the handler of *route* returned."""
        if route is None:
            raise HTTPError(404)
        request._handler_name = route.name
        if route.allowed is not None and request.method not in route.allowed:
            if request.method == "OPTIONS":
                return 204, None, {"Allow": route.allow_header}
            raise HTTPError(405, headers={"Allow": route.allow_header})
        if request._has_body:
            await request.parse_body()
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
        """Turn the handler's *result* into a response, run the hooks after it, and send it.

        An Exception as *result* is answered as an error.
        """
        if isinstance(result, ASGIResponse):
            answer = partial(result.app, request.scope, request._receive)
            await self._relay(request, answer, entered, send)
            return
        streams: list[BodyStream] = []
        try:
            rendered = self._rendered(request, result)
            if type(rendered[2]) is not dict:
                rendered = await self._begun(request, rendered, streams)
            if entered:
                rendered = await self._after_hooks(request, rendered[0], entered, streams)
            if request._session is not None:
                rendered = await self._with_session(request, rendered, streams)
            _, start, body = rendered
            if type(body) is dict:
                await send(start)
                await send(body)
            else:
                await self._send_stream(request, start, streams[-1], send)
        finally:
            for stream in streams:
                await stream.close()

    def _rendered(self, request: Request, result: Any) -> Rendered:
        """Return the response for *result* and what to send; for an error if it can't be sent."""
        if result is None and self.debug and request.method == "GET":
            log_nothing(request)
        while True:
            try:
                if isinstance(result, Exception):
                    result = error_response(request, result, debug=self.debug)
                response = Response.of(result)
                return response, *response.render(request.method)
            except Exception as error:
                result = error

    async def _begun(
        self, request: Request, rendered: Rendered, streams: list[BodyStream]
    ) -> Rendered:
        """Set the generator of a streamed response going, and note it in *streams*.

        Returns:
            *rendered* again, or what is to be sent for an error if that fails.
        """
        response, start, body = rendered
        while isinstance(body, AsyncGenerator | Generator):
            try:
                body = response.payload = await self._open_stream(body, streams)
                response.body = body.relayed()  # for a hook that makes another stream of it
            except Exception as error:
                response, start, body = self._rendered(request, error)
        return response, start, body

    async def _after_hooks(
        self,
        request: Request,
        response: Response,
        entered: list[HttpMiddleware],
        streams: list[BodyStream],
    ) -> Rendered:
        """Run the hooks after the handler; return what to send then."""
        for middleware in reversed(entered):
            try:
                changes = await middleware.after_request(
                    request, response.status, response.body, response.headers
                )
                if changes is not None:
                    response = response.replaced(changes)
            except Exception as error:
                response = error_response(request, error, debug=self.debug)
        payload = response.payload
        if isinstance(payload, BodyStream) and payload.is_relayed:
            unanswered = ResponseError("streamed to a hook that gave no other body in its place")
            response = error_response(request, unanswered, debug=self.debug)
        return await self._begun(request, self._rendered(request, response), streams)

    async def _with_session(
        self, request: Request, rendered: Rendered, streams: list[BodyStream]
    ) -> Rendered:
        """Store the session; return what to send then, its headers included."""
        try:
            headers = raw_headers(await self._store_session(request))
        except Exception as error:
            return await self._begun(request, self._rendered(request, error), streams)
        rendered[1]["headers"] += headers
        return rendered

    async def _store_session(self, request: Request) -> Headers:
        """Store what the request changed; return the headers that belong to its session."""
        session = request._session
        if session is None or PARENT in request.scope:
            return []
        headers = [("Vary", "Cookie")] if request._session_used else []
        if request._failed:
            return headers
        try:
            return headers + await self._sessions.store(session, request.scope)
        except Exception:
            request._failed = True  # so that the answer to this does not try again
            raise

    async def _open_stream(self, chunks: Stream, streams: list[BodyStream]) -> BodyStream:
        """Set a generator going, and note it in *streams*."""
        if isinstance(chunks, Generator):
            chunks = await self._workers.iterate(chunks)
        stream = BodyStream(chunks)
        streams.append(stream)
        await stream.begin()
        return stream

    async def _send_stream(
        self, request: Request, start: Message, stream: BodyStream, send: Send
    ) -> None:
        try:
            await stream.send(start, send, request._body.client_gone)
        except Exception as error:
            log_failure(request, error)
            # The head has gone out: only a connection cut short tells the client.
            raise
        session = request._session
        if session is not None and session.is_unsaved and not request._has_failed:
            logger.error(
                "%s %r: %s changed the session after its response had begun; that is not stored",
                request.method,
                request.path,
                request._handler_name,
            )

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

    async def _relay(
        self,
        request: Request,
        answer: Callable[[Send], Awaitable[None]],
        entered: list[HttpMiddleware],
        send: Send,
    ) -> None:
        """Let another ASGI app *answer*; hooks and session see the head of its response pass."""
        has_begun = is_replaced = False

        async def relay(message: Message) -> None:
            nonlocal has_begun, is_replaced
            if message["type"] == "http.response.start":
                has_begun = True
                head = await self._finish_relayed(request, message, entered, send)
                is_replaced = head is None
                message = head or message
            if not is_replaced:
                await send(message)

        try:
            await answer(relay)
        except Exception as error:
            if has_begun:
                raise
            await self._conclude(request, error, entered, send)

    async def _finish_relayed(
        self, request: Request, start: Message, entered: list[HttpMiddleware], send: Send
    ) -> Message | None:
        """Return the head of another app's response after the hooks and the session.

        None if an error took its place, which has been answered then.
        """
        raw = start.get("headers", ())
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
        status = start["status"]
        left = list(entered)
        token = current.set([request])  # the other app, that is sending this, may have set its own
        try:
            while left:
                changes = await left.pop().after_request(request, status, None, headers)
                if changes is not None:
                    changes = {key: value for key, value in changes.items() if key != "body"}
                    changed = Response(status, None, headers).replaced(changes)
                    status, headers = changed.status, changed.headers
            raw = raw_headers(headers)
            raw += raw_headers(await self._store_session(request))
            return {**start, "status": status, "headers": raw}
        except Exception as error:
            await self._conclude(request, error, left, send)
            return None
        finally:
            current.reset(token)
