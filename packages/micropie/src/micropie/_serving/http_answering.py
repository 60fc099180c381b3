"""What a handler returned, on its way to the client: through hooks and session, as messages."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from functools import partial
from typing import Any

from micropie._errors import ResponseError, logger
from micropie._headers import raw_headers
from micropie._http.request import PARENT, Request
from micropie._http.response import (
    BODILESS,
    ASGIResponse,
    Response,
)
from micropie._http.streaming import BodyStream
from micropie._serving.context import reset_current, set_current
from micropie._serving.failures import error_response, log_failure, log_nothing
from micropie._serving.middleware import HttpMiddleware
from micropie._sessions.manager import SessionManager
from micropie._threads import Workers
from micropie.types import Headers, Message, Send, Stream

# A response, and what it has become: the start message, and the body's or a stream.
Rendered = tuple[Response, Message, Message | Stream | BodyStream]


class HttpAnswering:
    """The part of an App that answers an HTTP request once its handler is through."""

    debug: bool
    _sessions: SessionManager
    _workers: Workers

    async def _conclude(
        self, request: Request, result: Any, entered: list[HttpMiddleware], send: Send
    ) -> tuple[Message, Message] | None:
        """Turn the handler's *result* into a response, and run the hooks after it.

        An Exception as *result* is answered as an error.

        Returns:
            what is to be sent; None if it has been sent: a stream, what took the place of one, or
            another app's answer.
        """
        if isinstance(result, ASGIResponse):
            answer = partial(result.app, request.scope, request._receive)
            await self._relay(request, answer, entered, send)
            return None
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
            if type(body) is not dict:
                await self._send_stream(request, start, streams[-1], send)
            elif not streams:
                return start, body
            else:  # in the place of a stream, whose end may take its time
                await send(start)
                await send(body)
            return None
        finally:
            for stream in streams:
                await stream.close()

    async def _conclude_and_send(
        self, request: Request, result: Any, entered: list[HttpMiddleware], send: Send
    ) -> None:
        """Send the response that `_conclude` makes of *result*."""
        messages = await self._conclude(request, result, entered, send)
        for message in messages or ():
            await send(message)

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

    async def _relay(
        self,
        request: Request,
        answer: Callable[[Send], Awaitable[None]],
        entered: list[HttpMiddleware],
        send: Send,
    ) -> None:
        """Let another ASGI app *answer*; hooks and session see the head of its response pass."""
        has_begun = is_over = False

        async def relay(message: Message) -> None:
            nonlocal has_begun, is_over
            if message["type"] == "http.response.start":
                has_begun = True
                head = await self._finish_relayed(request, message, entered, send)
                is_over = head is None
                message = head or message
            if not is_over:
                await send(message)
                if message.get("status") in BODILESS:
                    # A hook may have made it one, and the body would be taken for the next answer.
                    is_over = True
                    await send({"type": "http.response.body", "body": b""})

        try:
            await answer(relay)
        except Exception as error:
            if has_begun:
                raise
            await self._conclude_and_send(request, error, entered, send)

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
        token = set_current([request])  # the other app, that is sending this, may have set its own
        try:
            while left:
                changes = await left.pop().after_request(request, status, None, headers)
                if changes is not None:
                    changes = {key: value for key, value in changes.items() if key != "body"}
                    changed = Response(status, None, headers).replaced(changes)
                    status, headers = changed.status, changed.headers
            raw = raw_headers(headers)
            if status in BODILESS and status != start["status"]:
                raw = [pair for pair in raw if pair[0] != b"content-length"]
            raw += raw_headers(await self._store_session(request))
            return {**start, "status": status, "headers": raw}
        except Exception as error:
            await self._conclude_and_send(request, error, left, send)
            return None
        finally:
            reset_current(token)
