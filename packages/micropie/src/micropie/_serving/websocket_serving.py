"""A WebSocket on its way through origin check, session and hooks to its handler."""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping

from micropie._errors import ExplainedError, HTTPError, answer_to, cancelled_within, logger
from micropie._handlers.mounts import Mount, Mounts, mount_or_route
from micropie._handlers.routing import Route, RouteTable
from micropie._http.origins import is_allowed
from micropie._http.request import PARENT, WebSocketRequest
from micropie._http.websocket import (
    INTERNAL_ERROR,
    NORMAL,
    POLICY_VIOLATION,
    ConnectionClosed,
    InvalidMessage,
    WebSocket,
    check_close,
)
from micropie._serving.context import reset_current, set_current
from micropie._serving.middleware import WebSocketMiddleware
from micropie._sessions.manager import SessionManager
from micropie.types import Headers, Receive, Scope, Send


class Refused(Exception):
    """A handshake that is not accepted."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class WebSocketServing:
    """The part of an App that serves WebSockets."""

    ws_middlewares: list[WebSocketMiddleware]
    _mounts: Mounts
    _sessions: SessionManager
    _websocket_origins: frozenset[str] | None
    _ws_routes: RouteTable

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket connection, to its end."""
        request = WebSocketRequest(scope)
        token = set_current([request])
        entered: list[WebSocketMiddleware] = []
        try:
            mount, route = mount_or_route(request, self._mounts, self._ws_routes)
            try:
                if mount is None and not is_allowed(request, self._websocket_origins):
                    raise Refused(POLICY_VIOLATION, "this origin is not allowed")
                if self.ws_middlewares or route or (mount and mount.shares_session):
                    await self._load_websocket_session(request)
                await self._before_websocket(request, entered)
                if mount is None and route is None:
                    raise Refused(POLICY_VIOLATION, "there is no such WebSocket")
            except Exception as error:
                code, reason = _closing(request, error)
                await receive()  # the client's half of the handshake
                await WebSocket(request, receive, send).close(code, reason)
                return
            if route is not None:
                await self._run_websocket(request, route, receive, send)
            elif mount is not None:
                await self._run_mounted_websocket(request, mount, receive, send)
        finally:
            await _after_websocket(request, entered)
            reset_current(token)

    async def _load_websocket_session(self, request: WebSocketRequest) -> None:
        if PARENT not in request.scope and "cookie" in request.headers:
            request._session = await self._sessions.load(
                request.cookies.get(self._sessions.cookie_name, "")
            )

    async def _before_websocket(
        self, request: WebSocketRequest, entered: list[WebSocketMiddleware]
    ) -> None:
        for middleware in tuple(self.ws_middlewares):
            answer = await middleware.before_websocket(request)
            entered.append(middleware)
            if answer is not None:
                if not isinstance(answer, Mapping) or answer.keys() - {"code", "reason"}:
                    raise TypeError(
                        f"before_websocket returned {answer!r}; it must be None or a dict of "
                        "code and reason"
                    )
                code, reason = answer.get("code", POLICY_VIOLATION), answer.get("reason", "")
                check_close(code, reason)
                raise Refused(code, reason)

    async def _run_websocket(
        self, request: WebSocketRequest, route: Route, receive: Receive, send: Send
    ) -> None:
        request._handler_name = route.name
        request._start_session = self._session_starter(request)
        websocket = WebSocket(request, receive, send)
        code, reason = NORMAL, ""
        try:
            await receive()  # the client's half of the handshake
            args, kwargs = ([], {}) if route.binder is None else route.binder.bind(request)
            await route.handler(websocket, *args, **kwargs)
        except Exception as error:
            code, reason = _closing(request, error)
        except CancelledError as error:
            code, reason = _closing(request, cancelled_within(error))
        finally:
            websocket._stop_looking_ahead()
        try:
            # Before the close, so that a client that has seen it finds what was stored.
            await self._store_websocket_session(request)
        except Exception as error:
            code, reason = _closing(request, error)
        await websocket.close(code, reason)

    async def _run_mounted_websocket(
        self, request: WebSocketRequest, mount: Mount, receive: Receive, send: Send
    ) -> None:
        if mount.shares_session:
            mount.share_session(request, self._sessions)
            request._start_session = self._session_starter(request)
        await mount.app(mount.scope, receive, send)
        try:
            await self._store_websocket_session(request)
        except Exception as error:
            _closing(request, error)  # the connection is closed already: for the log only

    def _session_starter(
        self, request: WebSocketRequest
    ) -> Callable[[str | None], Awaitable[Headers]]:
        """Return what stores a new session at the handshake, and gives its cookie."""
        parent: WebSocketRequest | None = request.scope.get(PARENT)
        if parent is not None:
            return parent._start_session

        async def start(session_id: str | None) -> Headers:
            if session_id is None and request._session is None:
                return []
            return await self._sessions.start(request.session, request.scope, session_id)

        return start

    async def _store_websocket_session(self, request: WebSocketRequest) -> None:
        session = request._session
        if session is None or request._failed or PARENT in request.scope:
            return
        is_new = session.session_id is None or session.is_cleared
        if session and is_new and session.next_id is None:
            logger.error(
                "WebSocket %r: %s started a session when its cookie could no longer be sent, so it "
                "is not stored; start it before accept()",
                request.path,
                request._handler_name,
            )
            session.replace({})  # one that was cleared is deleted nevertheless
        await self._sessions.store(session, request.scope)


async def _after_websocket(request: WebSocketRequest, entered: list[WebSocketMiddleware]) -> None:
    for middleware in reversed(entered):
        try:
            await middleware.after_websocket(request)
        except Exception as error:
            _log(request, error)


def _closing(request: WebSocketRequest, error: Exception) -> tuple[int, str]:
    """Return the close code and reason for *error*; one that nobody meant to raise is logged."""
    error = answer_to(error)
    if isinstance(error, Refused | InvalidMessage):
        return error.code, error.reason
    if isinstance(error, ConnectionClosed) or _is_closed_group(error):
        return NORMAL, ""
    if isinstance(error, HTTPError) and error.status_code < 500:
        return POLICY_VIOLATION, str(error) if isinstance(error, ExplainedError) else ""
    request._mark_failed()
    if not isinstance(error, HTTPError):
        _log(request, error)
    return INTERNAL_ERROR, ""


def _is_closed_group(error: Exception) -> bool:
    """Tell whether *error* is what a TaskGroup makes of ConnectionClosed in its tasks."""
    return isinstance(error, ExceptionGroup) and error.split(ConnectionClosed)[1] is None


def _log(request: WebSocketRequest, error: Exception) -> None:
    logger.error("WebSocket %r: %s failed", request.path, request._handler_name, exc_info=error)
