"""A WebSocket exchange: origin, session and hooks, the handler, and the close."""

import asyncio
from asyncio import CancelledError, Task
from collections.abc import Mapping, Sequence
from typing import Any

from micropie._errors import (
    ExplainedError,
    HTTPError,
    ResponseError,
    cancelled_within,
    logger,
    report,
    unwrap,
)
from micropie._handlers.endpoint import Endpoint
from micropie._handlers.mounts import Mount, mount_or_endpoint
from micropie._http.channel import (
    INTERNAL_ERROR,
    NORMAL,
    POLICY_VIOLATION,
    Channel,
    ConnectionClosed,
)
from micropie._http.request import WebSocketRequest
from micropie._http.response import Response
from micropie._http.websocket import Denial, InvalidMessage, WebSocket, check_close
from micropie._scope_keys import PARENT, SESSIONS
from micropie._serving.context import reset_current, set_current
from micropie._serving.middleware import WebSocketMiddleware, blame
from micropie._serving.origins import checks_origin, is_allowed
from micropie._serving.parts import Parts
from micropie._serving.sharing import hand_down_session, shares_session
from micropie._sessions.manager import SessionManager
from micropie._sessions.session import Session
from micropie.types import Headers, Receive, Scope, Send

# Seconds for a handler to end after its connection was closed, because the server wants to stop.
_HANDLER_WAITS = 1.0

# Close code and reason, and what refuses the handshake in their place.
Ending = tuple[int, str, Denial | None]


class _Refused(Exception):
    """A handshake that is not accepted: by a close, of which servers make a 403, or a status."""

    def __init__(self, code: int, reason: str, status: int | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason
        self.status = status


class WebSocketExchange:
    """One WebSocket connection, from its handshake to the hooks that run after its close.

    Theory of operation. `serve` finds who serves the path, checks the origin, loads the session and
    runs the hooks before; an exception in one of these steps refuses the handshake. Then a handler
    or a mounted app has the connection. When a handler ends, the session is stored and the
    connection closed, with the code that fits what was raised; or, before it was accepted, refused.
    A refusal is the HTTP response of its error where the server takes one, else a close, of which
    servers make a 403. A mounted app closes the connection itself; the session is stored
    afterwards, unless the app raised. Last, the hooks of `_entered` run in reverse.

    Args:
        parts: the App's.
        scope: of the connection.
        receive: the ASGI channel.
        send: the ASGI channel.
    """

    _use: Task[None] | None = None  # keeps the session alive
    _closing: Task[None] | None = None  # closes because the server wants to stop
    _handling: Task[Any] | None = None  # runs the handler, until that is cancelled because of it
    _entered: Sequence[WebSocketMiddleware] = ()  # those whose hook before the handler ran
    _channel: Channel  # the handler's; its WebSocket would make a cycle, as it knows this object

    def __init__(self, parts: Parts, scope: Scope, receive: Receive, send: Send) -> None:
        self._parts = parts
        self._request = WebSocketRequest(scope)
        self._receive = receive
        self._send = send

    async def serve(self) -> None:
        """Serve the connection to its end."""
        request, parts = self._request, self._parts
        token = set_current([request])
        try:
            try:
                mount, endpoint = mount_or_endpoint(request, parts.mounts, parts.ws_routes)
                request._matched = endpoint
                is_trusted = mount is not None and checks_origin(mount.app)
                if not is_trusted and not is_allowed(request, parts.websocket_origins):
                    raise _Refused(POLICY_VIOLATION, "this origin is not allowed")
                if (
                    parts.ws_middlewares
                    or endpoint
                    or (mount and shares_session(mount.app, parts.sessions))
                ):
                    await self._load_session()
                await self._run_hooks_before()
                if mount is None and endpoint is None:
                    raise _Refused(POLICY_VIOLATION, "there is no such WebSocket", 404)
            except Exception as error:
                await self._receive()  # the client's half of the handshake
                await self._websocket()._end(*self._ending(error))
                return
            if endpoint is not None:
                await self._run_handler(endpoint)
            elif mount is not None:
                await self._run_mounted(mount)
        finally:
            if self._use is not None:
                self._use.cancel()
            try:
                await self._run_hooks_after()
            finally:
                reset_current(token)

    def _websocket(self) -> WebSocket:
        request, parts = self._request, self._parts
        limits = parts.max_message_size, parts.websocket_send_timeout
        channel = Channel(request.scope, self._receive, self._send, *limits)
        return WebSocket(request, channel, self._start_session)

    async def _load_session(self) -> None:
        request, sessions = self._request, self._parts.sessions
        if PARENT not in request.scope and "cookie" in request.headers:
            session_ids = request._cookie_values(sessions.cookie_name)
            request._session = await sessions.load(session_ids)
            self._begin_use(sessions, request._session)

    def _begin_use(self, sessions: SessionManager, session: Session) -> None:
        """Keep *session* alive for as long as the connection is open."""
        if self._use is None:
            self._use = sessions.begin_use(session)

    async def _run_hooks_before(self) -> None:
        entered: list[WebSocketMiddleware] = []
        self._entered = entered
        for middleware in tuple(self._parts.ws_middlewares):
            try:
                answer = await middleware.before_websocket(self._request)
                entered.append(middleware)
                if answer is not None:
                    raise _refusal_of_hook(answer)
            except Exception:
                blame(self._request, "before_websocket", middleware)
                raise

    async def _run_handler(self, endpoint: Endpoint) -> None:
        request = self._request
        request._endpoint = endpoint
        websocket = self._websocket()
        self._channel = websocket._channel
        ending: Ending = NORMAL, "", None
        task = self._handling = asyncio.current_task()
        stopping = self._parts.stopping
        stopping.enter(self)
        try:
            await self._receive()  # the client's half of the handshake
            args, kwargs = ([], {}) if endpoint.binder is None else endpoint.binder.bind(request)
            await endpoint.handler(websocket, *args, **kwargs)
        except Exception as error:
            ending = self._ending(error)
        except CancelledError as error:
            if task is None or self._handling is task or task.uncancel():
                ending = self._ending(cancelled_within(error))
        finally:
            self._handling = None
            stopping.opened().discard(self)
            websocket._channel.stop_looking_ahead()
        try:
            # Before the close, so that a client that has seen it finds what was stored.
            await self._store_session()
        except Exception as error:
            ending = self._ending(error)
        if self._closing is not None:
            await asyncio.wait({self._closing}, timeout=_HANDLER_WAITS)
        await websocket._end(*ending)

    def stop(self) -> None:
        """Close because the server wants to stop; a handler that goes on then is cancelled."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._channel.stop())
            asyncio.get_running_loop().call_later(_HANDLER_WAITS, self._cancel_handler)

    def _cancel_handler(self) -> None:
        if self._handling is not None:
            self._handling.cancel()
            self._handling = None

    async def _run_mounted(self, mount: Mount) -> None:
        hand_down_session(mount, self._request, self._parts.sessions)
        await mount.app(mount.scope, self._receive, self._send)
        try:
            await self._store_session()
        except Exception as error:
            self._ending(error)  # the connection is closed already: for the log only

    async def _start_session(self, session_id: str | None) -> Headers:
        """Store a new session at the handshake; return the headers that set its cookie.

        A shared session is stored by the App that owns it.
        """
        owner: WebSocketRequest = self._request
        while PARENT in owner.scope:
            owner = owner.scope[PARENT]
        if session_id is None and owner._session is None:
            return []
        sessions: SessionManager = self._request.scope.get(SESSIONS, self._parts.sessions)
        headers = await sessions.start(owner.session, owner.scope, session_id)
        self._begin_use(sessions, owner.session)
        return headers

    async def _store_session(self) -> None:
        request = self._request
        session = request._session
        if session is None:
            return
        session.answered_by = session.answered_by or request._log_names()
        if request._discards_session or PARENT in request.scope:
            return
        is_new = session.session_id is None or session.is_cleared
        if session and is_new and session.next_id is None:
            logger.error(
                "%s %r: %s started a session when its cookie could no longer be sent, so it is not "
                "stored; start it before accept()",
                *request._log_names(),
            )
            session.replace({})  # one that was cleared is deleted nevertheless
        await self._parts.sessions.store(session, request.scope)
        session.finish()

    async def _run_hooks_after(self) -> None:
        """Run those of `_entered` in reverse, all of them, also when one fails or is cancelled."""
        if not self._entered:
            return
        *self._entered, middleware = self._entered
        try:
            await middleware.after_websocket(self._request)
        except Exception as error:
            blame(self._request, "after_websocket", middleware)
            self._log(error)
        except CancelledError as error:
            self._log(cancelled_within(error))
        finally:
            await self._run_hooks_after()

    def _ending(self, error: Exception) -> Ending:
        """Return how *error* ends the connection; an unexpected one is logged."""
        error = unwrap(error)
        if isinstance(error, _Refused) and error.status is not None:
            return error.code, error.reason, self._denial(HTTPError(error.status))
        if isinstance(error, _Refused | InvalidMessage):
            return error.code, error.reason, None
        if isinstance(error, ConnectionClosed) or _is_closed_group(error):
            return NORMAL, "", None
        if isinstance(error, HTTPError):
            if error.status_code < 500:
                reason = str(error) if isinstance(error, ExplainedError) else ""
                return POLICY_VIOLATION, reason, self._denial(error)
        else:
            self._log(error)
            error = HTTPError(500)
        self._request._discard_session()
        return INTERNAL_ERROR, "", self._denial(error)

    def _denial(self, error: HTTPError) -> Denial | None:
        """Return the response that refuses a handshake; None if the server can't send one."""
        if "websocket.http.response" not in self._request.scope.get("extensions", ()):
            return None
        try:
            start, body = Response.of_error(error).render("GET")
            if isinstance(body, dict):
                return start, body
            raise ResponseError("refused a WebSocket with a stream, which is not sent")
        except Exception as unsendable:
            self._log(unsendable)
            return self._denial(HTTPError(500))

    def _log(self, error: Exception) -> None:
        report(error)
        logger.error("%s %r: %s failed", *self._request._log_names(), exc_info=error)


def _refusal_of_hook(answer: object) -> _Refused:
    """Return the refusal that `before_websocket` answered with.

    Raises:
        TypeError: *answer* is not a dict of code and reason, or these have the wrong type.
        ValueError: the code may not be sent.
    """
    if not isinstance(answer, Mapping) or answer.keys() - {"code", "reason"}:
        raise TypeError(
            f"before_websocket returned {answer!r}; it must be None or a dict of code and reason"
        )
    code, reason = answer.get("code", POLICY_VIOLATION), answer.get("reason", "")
    check_close(code, reason)
    return _Refused(code, reason)


def _is_closed_group(error: Exception) -> bool:
    """Tell whether *error* is a TaskGroup's, of nothing but ConnectionClosed in its tasks."""
    return isinstance(error, ExceptionGroup) and error.split(ConnectionClosed)[1] is None
