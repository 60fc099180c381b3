"""An HTTP exchange: serves, or only answers, a request for which App's short way is too short."""

import inspect
from asyncio import CancelledError, Task
from collections.abc import Generator, Iterable, Sequence
from functools import partial
from typing import Any

from micropie._bodies.body import ambiguous_length
from micropie._errors import HTTPError, ResponseError, cancelled_within, logger
from micropie._handlers.endpoint import Endpoint
from micropie._handlers.mounts import Mount, mount_or_endpoint
from micropie._headers import add_missing
from micropie._http.connection import MAX_HEADERS
from micropie._http.events import EventStream, event_chunks
from micropie._http.request import Request
from micropie._http.response import ASGIResponse, Response, ready_messages, response_of_hook
from micropie._http.streaming import BodyStream, Chunks
from micropie._scope_keys import PARENT
from micropie._serving.context import Reset, reset_current, set_current
from micropie._serving.failures import error_response, log_failure
from micropie._serving.head import add_session, begin_mounted, cookies_set
from micropie._serving.middleware import Hooks, blame
from micropie._serving.parts import Parts
from micropie._serving.relay import Relay, run_hooks_on_head
from micropie._serving.sharing import hand_down_session, shares_session
from micropie._sessions.session import FinishedSession
from micropie._workers import ThreadedGenerator
from micropie.types import ASGIApp, Message, Receive, Scope, Send, Stream

# The arguments of a handler that takes none.
_NO_ARGUMENTS: tuple[list[Any], dict[str, Any]] = [], {}


class HttpExchange:
    """One HTTP request and its answer.

    Theory of operation. `serve` takes the request through routing, session, hooks, body and handler
    to a *result*: what the handler or a hook returned, or the exception that one of these steps
    raised. `answer` makes a response of the result, runs the hooks of `_entered` in reverse, stores
    the session and sends. A step of `answer` that fails replaces the response by that of its error,
    so exactly one head goes out. Another app's answer goes through `_relay` instead: hooks and
    session see its head, and the rest passes. Streams, files and the context are always released.

    Args:
        parts: the App's.
        request: the request.
        send: the ASGI channel.
    """

    _token: Reset = None  # of the context variable, from `answer` until it is reset
    _entered: Sequence[Hooks] = ()  # of those whose hook after the handler has to run
    _askable: list[Hooks] | None = None  # who is told of an error yet; None: all entered
    _use: Task[None] | None = None  # keeps the session alive while another app answers
    _streams: Sequence[BodyStream] = ()  # those that have begun, and must be closed
    _returned: ThreadedGenerator[Any] | None = None  # by the handler, whose thread it keeps
    # What is sent unless a later step replaces it; set by `_prepare`.
    _response: Response
    _start: Message
    _last: Message | BodyStream

    def __init__(self, parts: Parts, request: Request, send: Send) -> None:
        self._parts = parts
        self._request = request
        self._send = send

    async def serve(self, has_input: bool) -> None:
        """Take the request to its handler, and answer with what comes of it.

        Every call costs, so the way to the handler is one function.

        Args:
            has_input: whether there may be a session to load or a body to parse.
        """
        parts, request = self._parts, self._request
        token = set_current([request])
        is_current = True
        result: Any = None
        try:
            try:
                if parts.mounts:
                    mount, endpoint = mount_or_endpoint(request, parts.mounts, parts.routes)
                else:
                    mount = None
                    endpoint, request.path_params = parts.routes.find(request.scope)
                if has_input:
                    try:
                        pairs = request.scope["headers"]
                        if len(pairs) > MAX_HEADERS:
                            raise HTTPError(431)
                        headers = request._last_headers = dict(pairs)
                        if b"transfer-encoding" in headers and b"content-length" in headers:
                            raise ambiguous_length()  # whether or not anybody reads the body
                        # A mounted App that shares its parent's session finds it there.
                        if (
                            b"cookie" in headers
                            and PARENT not in request.scope
                            and (
                                parts.middlewares
                                or endpoint
                                or (mount and shares_session(mount.app, parts.sessions))
                            )
                        ):
                            session_ids = request._cookie_values(parts.sessions.cookie_name)
                            request._session = await parts.sessions.load(session_ids)
                    except HTTPError as error:
                        if not parts.middlewares:
                            raise
                        request._early_error = error
                if parts.middlewares:
                    request._matched = endpoint
                    result = await self._run_hooks_before()
                    if request._early_error is not None:
                        raise request._early_error
                    chosen = request.handler or request._route_handler
                    if chosen is not None:
                        mount, endpoint = None, parts.routes.resolve(chosen, request.method)
                if result is not None:
                    mount = None
                elif mount is None:
                    if endpoint is None:
                        raise HTTPError(404)
                    request._endpoint = endpoint
                    if (
                        endpoint.allowed is not None
                        and request.scope["method"] not in endpoint.allowed
                    ):
                        result = endpoint.answer_other_method(request.method)
                    else:
                        binder = endpoint.binder
                        if has_input and await request._receive_body() and binder is not None:
                            args, kwargs = await binder.bind_in_thread(request)
                        else:
                            args, kwargs = _NO_ARGUMENTS if binder is None else binder.bind(request)
                        if endpoint.is_coroutine:
                            result = await endpoint.handler(*args, **kwargs)
                        else:
                            result = await self._call(endpoint, args, kwargs)
            except Exception as error:
                if request._early_error is not None and not isinstance(error, HTTPError):
                    log_failure(error, request)  # of a hook; the client hears of the earlier one
                mount, result = None, request._early_error or error
            except CancelledError as error:
                mount, result = None, cancelled_within(error)
            if mount is not None:
                await self._serve_mounted(mount)
                return
            messages = None
            is_plain = not (self._entered or request._set_cookies or request._afterwards)
            if type(result) is HTTPError and parts.debug:
                is_plain = False  # the answer may tell more of it
            if is_plain and request._session is None:
                messages = ready_messages(result, request.scope["method"])
            is_current = False
            if messages is None:
                await self.answer(result, token)
                return
            request._is_answered = True
            reset_current(token)  # `_leave_context` says why
            await self._send(messages[0])
            await self._send(messages[1])
        finally:
            result = None  # an exception, its traceback and this frame would be a cycle
            if is_current:
                reset_current(token)
            if request._files is not None:  # uploads: also when the client left, or all failed
                await request._files.close()

    async def _run_hooks_before(self) -> Response | None:
        """Run the hooks before the handler; return the response that one of them gave."""
        entered: list[Hooks] = []
        self._entered = entered
        for hooks in self._parts.middlewares.bound():
            try:
                before, answer = hooks.before_request, None
                if before is not None:
                    answer = await before(self._request)
                entered.append(hooks)
                if answer is not None:
                    return response_of_hook(answer)
            except BaseException:
                blame(self._request, "before_request", hooks)
                raise
        return None

    async def _call(self, endpoint: Endpoint, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Return what the handler of *endpoint*, which is not a coroutine function, returns."""
        if not endpoint.blocks:
            return endpoint.handler(*args, **kwargs)
        call = partial(endpoint.handler, *args, **kwargs)
        until_disconnect = self._request._wait_for_disconnect
        result, self._returned = await self._parts.workers.call(call, until_disconnect)
        # A plain function around a coroutine function, as many decorators make.
        return await result if inspect.iscoroutine(result) else result

    async def _serve_mounted(self, mount: Mount) -> None:
        is_shared = hand_down_session(mount, self._request, self._parts.sessions)
        if self._entered or is_shared:
            await self._relay(mount.app, mount.scope)
        else:
            await mount.app(mount.scope, self._request._receive_again(), self._send)
            if self._request.state._afterwards:
                await self._parts.afterwards.begin(self._request, True)

    async def answer(self, result: Any, token: Reset = None) -> None:
        """Send the response for *result*: what a handler returned, or an exception.

        With a *token*, the context variable is reset before the last messages are sent.
        """
        request = self._request
        self._token = token
        is_whole = True
        try:
            if isinstance(result, ASGIResponse):
                inbox = request._inbox  # it holds what came while the handler waited for a thread
                receive = inbox.receive_kept if inbox else request._receive
                await self._relay(result.app, request.scope, receive)
                return
            if result is None and self._parts.debug and request.method == "GET":
                advice = "return what it is to see, or (204, None) if that is meant"
                what = "%s %r: %s returned None, so the client gets 204 No Content; %s"
                logger.warning(what, *request._log_names(), advice)
            await self._prepare(result)
            if self._entered:
                await self._run_hooks_after()
            if request._session is not None or request._set_cookies:
                await self._add_cookies()
            request._is_answered = True
            self._leave_context()
            if isinstance(self._last, BodyStream):  # it has a context of its own
                is_whole = await self._send_stream(self._last)
            else:
                if request._afterwards is not None:
                    is_whole = not await request._has_client_left()
                await self._send(self._start)
                await self._send(self._last)
        finally:
            self._leave_context()
            # After sending: an error's response must not wait for the stream that it replaced.
            for stream in self._streams:
                if error := await stream.close():
                    log_failure(error, self._request)
                self._parts.stopping.opened().discard(stream)
            if self._returned is not None:
                self._returned.release()  # it may never have begun
        if request._afterwards is not None:
            is_answered = is_whole and self._start["status"] < 500
            await self._parts.afterwards.begin(request, is_answered)

    async def _prepare(self, result: Any, hooks: Iterable[Hooks] = ()) -> None:
        """Make *result* the response to send; that of an error if it can't be sent.

        A stream begins here: what it raises before its first chunk can still be answered. If there
        are *hooks*, they made the result of one that could be sent, and an error is theirs.
        """
        while True:
            try:
                if isinstance(result, Exception):
                    result = await self._error_response(result)
                response = result if type(result) is Response else Response.of(result)
                if not isinstance(response.content, (bytes, BodyStream)):
                    # Also where no body is sent: what is raised before the first chunk counts.
                    stream = response.content = await self._begin_stream(response.content)
                    response.body = stream.handed_over()  # for a hook that makes another of it
                self._response = response
                # Hooks see no response that can't be sent: only headers can make it one.
                if response.headers or not self._entered:
                    self._start, body = response.render(self._request.method)
                    self._last = body  # type: ignore[assignment] # a generator has begun above
                return
            except Exception as error:
                result = error
                blame(self._request, "after_request", *hooks)

    async def _begin_stream(self, chunks: Stream | EventStream | Chunks) -> BodyStream:
        """Return the stream of *chunks*, advanced to its first one."""
        in_thread = partial(self._parts.workers.iterate, returned=self._returned)
        is_events = isinstance(chunks, EventStream)
        if isinstance(chunks, EventStream):
            chunks = event_chunks(chunks, in_thread)
        elif isinstance(chunks, Generator):
            chunks = in_thread(chunks)
        stream = BodyStream(chunks, self._request._wait_for_disconnect, ends_anywhere=is_events)
        self._streams = [*self._streams, stream]
        self._parts.stopping.enter(stream)
        await stream.begin()
        return stream

    async def _run_hooks_after(self) -> None:
        """Run the hooks after the handler on the response, and prepare what they made of it.

        When one raises, the hooks that are left see the response of its error.
        """
        request, response, entered = self._request, self._response, self._entered
        for left in reversed(range(len(entered))):
            after = entered[left].after_request
            if after is None:
                continue
            try:
                changes = await after(request, response.status, response.body, response.headers)
                if changes is not None:
                    response = response.replaced(changes)
            except Exception as error:
                blame(request, "after_request", entered[left])
                self._askable = [*entered[:left]]
                response = await self._error_response(error)
        self._entered, self._askable = (), []
        content = response.content
        if isinstance(content, BodyStream) and content.is_handed_over:
            unanswered = ResponseError("streamed to a hook that gave no other body in its place")
            response = await self._error_response(unanswered)
        await self._prepare(response, entered)

    async def _add_cookies(self) -> None:
        """Store the session and add its headers, and other cookies, before anything is sent."""
        try:
            await add_session(self._start["headers"], self._request, self._parts.sessions)
        except Exception as error:
            await self._prepare(error)
        self._start["headers"] += cookies_set(self._request)

    def _leave_context(self) -> None:
        """Reset the context variable, before anything is sent.

        uvicorn's keep-alive timer captures the context in which the response ends: it would keep
        the request, and everything the request holds, for as long as the connection is idle.
        """
        token, self._token = self._token, None
        if token is not None:
            reset_current(token)

    async def _send_stream(self, stream: BodyStream) -> bool:
        """Send *stream*; return whether the client has got all of it."""
        request, session = self._request, self._request._session
        is_owner = PARENT not in request.scope
        use = self._parts.sessions.begin_use(session) if is_owner else None
        request._is_streamed = True
        try:
            is_whole = await stream.send(self._start, self._send)
        except Exception as error:
            log_failure(error, self._request)
            raise  # the head has gone out: only a connection cut short tells the client
        finally:
            request._is_streamed = False
            if use is not None:
                use.cancel()
        if isinstance(session, FinishedSession) and not request._discards_shared_session:
            session.report_changes()
        return is_whole

    async def _relay(self, app: ASGIApp, scope: Scope, receive: Receive | None = None) -> None:
        """Let another ASGI app answer; hooks and session see the head of its response.

        Without *receive* the app gets the body from its beginning.
        """
        relay = Relay(self._finish_head, self._send)
        # A context variable is reset in the context that set it only; the app may send from a task.
        token, self._token = self._token, None
        try:
            await app(scope, receive or self._request._receive_again(), relay.send)
        except Exception as error:
            if relay.has_begun:
                raise
            if scope is not self._request.scope:
                self._request._culprit = f"the app mounted at {scope['root_path']!r}"
            await self.answer(error)
        finally:
            self._token = token
            if self._use is not None:
                self._use.cancel()
        if self._request._afterwards or self._request.state._afterwards:
            is_answered = relay.is_complete and (relay.status or 500) < 500
            await self._parts.afterwards.begin(self._request, is_answered)

    async def _finish_head(self, start: Message) -> Message | None:
        """Return the head of another app's response after hooks and session.

        None if another response has been sent instead: that of an error in one of them, or one with
        a body that a hook gave.
        """
        hooks = [*self._entered]
        result: Message | Response | Exception
        token = set_current([self._request])  # for hooks: the other app may have set its own
        try:
            try:
                result = await run_hooks_on_head(self._request, start, hooks)
                if not isinstance(result, Response):
                    sessions = self._parts.sessions
                    self._use = await begin_mounted(result["headers"], self._request, sessions)
                    return result
            except Exception as error:
                result = error
            self._entered = hooks  # those that have not run yet see what is answered instead
            self._askable = [*hooks]
            await self.answer(result)
            return None
        finally:
            reset_current(token)

    async def _error_response(self, error: Exception) -> Response:
        """Return the response for *error*, of the hooks that may still be asked or our own."""
        if self._askable is None:
            self._askable = [*self._entered]
        response = await error_response(error, self._request, self._askable, self._parts)
        add_missing(response.headers, self._request._lasting_headers)
        return response
