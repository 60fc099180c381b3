"""SocketIO, the class users make: a python-socketio server mounted on an App."""

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from socketio.exceptions import (  # type: ignore[import-untyped] # likewise
    ConnectionRefusedError as Refusal,
)

import socketio  # type: ignore[import-untyped] # has no annotations
from micropie import App, HTTPError, Session
from micropie.types import Receive, Scope, Send
from micropie_socketio.engine import Engine
from micropie_socketio.packets import InvalidPacket, check_packet
from socketio import packet

_logger = logging.getLogger("micropie")

# Seconds for event handlers that are at work when the app shuts down, before they are cancelled.
_GRACE = 1.0

# Events of one client at work at the same time. The next ones wait, unread: a flood fills the
# client's own connection then, not the server's memory.
_MAX_EVENTS = 1000

_LOGGED = 100  # characters of an event's name, which the client chose


class SocketIO(socketio.AsyncServer):  # type: ignore[misc] # a class without annotations
    """A Socket.IO server on an App: one `app` for the server, hooks and sessions shared.

    It is a `socketio.AsyncServer`: events, rooms, namespaces, acknowledgements and all else are
    as python-socketio documents them.

    Args:
        app: the App it is mounted on.
        path: where; clients use "/socket.io" unless told otherwise.
        redis_url: a URL as redis-py takes it, that joins several workers or machines.
        server_options: those of `socketio.AsyncServer`; `cors_allowed_origins` follows the app's
            `websocket_origins` unless it is given.

    Raises:
        RuntimeError: *redis_url* is given, and redis-py is not installed.
        TypeError: *app* is no App.
        ValueError: an argument has a value that can't be.
    """

    def __init__(
        self,
        app: App,
        *,
        path: str = "/socket.io",
        redis_url: str | None = None,
        **server_options: Any,
    ) -> None:
        if not isinstance(app, App):
            raise TypeError(f"app must be a micropie.App, not {app!r}")
        if server_options.setdefault("async_mode", "asgi") != "asgi":
            raise ValueError("async_mode can only be 'asgi'")
        self._redis = None
        if redis_url is not None:
            if server_options.get("client_manager") is not None:
                raise ValueError("redis_url and client_manager exclude each other")
            self._redis = server_options["client_manager"] = _redis_manager(redis_url)
        if server_options.get("cors_allowed_origins") is None:
            server_options["cors_allowed_origins"] = _origin_rule(app)
        for name in ("socketio.server", "engineio.server"):
            # As the library has it, but without a handler that writes to stderr what the
            # application's own logging configuration gets as well.
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.ERROR)
        self._app = app
        self._at_work: dict[str, set[asyncio.Task[Any]]] = {}  # event handlers, by eio_sid
        super().__init__(**server_options)
        app.mount(path, self.handle_request)
        app.startup_handlers.append(self._start)
        app.shutdown_handlers.append(self.shutdown)

    @asynccontextmanager
    async def http_session(self, sid: str, namespace: str | None = None) -> AsyncIterator[Session]:
        """Load the HTTP session of a client's browser; what the block changes is merged.

        It is the one whose cookie the browser sent when it connected. A session that was deleted
        since, by a logout or a login with a new id, is empty here.

        Args:
            sid: the client, as its event handlers know it.
            namespace: the one that *sid* belongs to; None for the default one.

        Raises:
            HTTPError: 503, the session store is unavailable.
            KeyError: no such client is connected to this process.
            RuntimeError: the block put something into the session of a browser that has none.
        """
        environ = self.get_environ(sid, namespace)
        if environ is None:
            raise KeyError(f"no client {sid!r} in namespace {namespace or '/'!r}")
        async with self._app.session_for(environ["asgi.scope"]) as session:
            yield session

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection: this is what is mounted."""
        # By the App's own scope, not that of the mount: what its session_for() expects.
        await self.eio.serve(self._app.request, receive, send)

    handle_request.checks_origin = True  # type: ignore[attr-defined] # for App.mount()

    async def shutdown(self) -> None:
        """Disconnect all clients, and end everything that runs in the background.

        The app's shutdown calls it. Handlers that are at work have a second to end.
        """
        await self.eio.disconnect_all()
        if handlers := set().union(*self._at_work.values()):
            await asyncio.wait(handlers, timeout=_GRACE)
        await self.eio.shutdown()
        self.manager_initialized = False
        if self._redis is not None:
            await self._redis.close()

    async def _start(self) -> None:
        """Listen to the other workers from the start: they may answer before a client comes."""
        self.eio.start()
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        self._at_work[eio_sid] = set()
        if client := environ["asgi.scope"].get("client"):
            # The library makes it 127.0.0.1, whoever comes.
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
        await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        try:
            await super()._handle_eio_disconnect(eio_sid, reason)
        finally:
            # However a disconnect handler ended.
            self.environ.pop(eio_sid, None)
            self._at_work.pop(eio_sid, None)
            self._binary_packet.pop(eio_sid, None)

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        """Do what a message asks for; a client that sends what is none is disconnected."""
        if eio_sid not in self.environ:
            return  # it has said goodbye before
        try:
            message = self._assembled(eio_sid, data)
        except Exception as error:
            # Whatever the decoder raises: the client sent it.
            _logger.info("client %s is disconnected: %s", eio_sid, error)
            await self.eio.drop(eio_sid, self.reason.TRANSPORT_ERROR)
            return
        if message is None:
            return
        kind, namespace = message.packet_type, message.namespace
        if kind == packet.CONNECT:
            await self._handle_connect(eio_sid, namespace, message.data)
        elif kind == packet.DISCONNECT:
            await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
        elif kind in (packet.EVENT, packet.BINARY_EVENT):
            await self._handle_event(eio_sid, namespace, message.id, message.data)
        else:
            await self._handle_ack(eio_sid, namespace, message.id, message.data)

    def _assembled(self, eio_sid: str, data: str | bytes) -> Any:
        """Return the packet that *data* is, or completes; None while attachments are missing.

        Raises:
            Exception: it is none.
        """
        waiting = self._binary_packet.get(eio_sid)
        if waiting is None:
            message = self.packet_class(encoded_packet=data)
            check_packet(message)
            if getattr(message, "attachment_count", 0):  # one of msgpack has none
                self._binary_packet[eio_sid] = message
                return None
            return message
        size = len(data) + sum(map(len, waiting.attachments))
        if isinstance(data, str) or size > self.eio.max_http_buffer_size:
            raise InvalidPacket("its attachments are too large, or none")
        if not waiting.add_attachment(data):
            return None
        return self._binary_packet.pop(eio_sid)

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        try:
            await super()._handle_connect(eio_sid, namespace, data)
        except Exception as error:
            # Without an answer the client would wait, neither connected nor refused.
            _log_failure("connect", error)
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
            refusal = self.packet_class(
                packet.CONNECT_ERROR, data=Refusal().error_args, namespace=namespace or "/"
            )
            await self._send_packet(eio_sid, refusal)
            await self.manager.disconnect(sid, namespace or "/", ignore_queue=True)

    async def _handle_disconnect(
        self, eio_sid: str, namespace: str | None, reason: str | None = None
    ) -> None:
        try:
            await super()._handle_disconnect(eio_sid, namespace, reason)
        except Exception as error:
            _log_failure("disconnect", error)
            sid = self.manager.sid_from_eio_sid(eio_sid, namespace or "/")
            await self.manager.disconnect(sid, namespace or "/", ignore_queue=True)

    async def _handle_event(
        self, eio_sid: str, namespace: str | None, id_: int | None, data: list[Any]
    ) -> None:
        while len(at_work := self._at_work.get(eio_sid, ())) >= _MAX_EVENTS:
            await asyncio.wait(at_work, return_when=asyncio.FIRST_COMPLETED)
        await super()._handle_event(eio_sid, namespace, id_, data)

    async def _handle_event_internal(
        self, server: Any, sid: str, eio_sid: str, data: list[Any], *rest: Any
    ) -> None:
        at_work = self._at_work.get(eio_sid, set())
        task: Any = asyncio.current_task()
        at_work.add(task)
        try:
            await super()._handle_event_internal(server, sid, eio_sid, data, *rest)
        except Exception as error:
            _log_failure(data[0], error)
        finally:
            at_work.discard(task)


def _origin_rule(app: App) -> Callable[[str, dict[str, Any]], bool]:
    def is_allowed(origin: str, environ: dict[str, Any]) -> bool:
        return app.allows_origin(environ["asgi.scope"])

    return is_allowed


def _redis_manager(url: str) -> Any:
    try:
        from micropie_socketio.redis_manager import RedisManager
    except ModuleNotFoundError as error:
        raise RuntimeError(
            "redis_url needs redis-py: pip install micropie-socketio[redis]"
        ) from error
    return RedisManager(url)


def _log_failure(event: str, error: Exception) -> None:
    """Log that the handler of *event* failed, with a traceback unless it was never entered."""
    event = event[:_LOGGED]
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    if isinstance(error, TypeError) and last.f_code.co_name in ("_trigger_event", "trigger_event"):
        _logger.warning("Socket.IO event %r: %s", event, error)  # the client's arguments don't fit
    elif isinstance(error, HTTPError):
        _logger.warning("Socket.IO event %r: its handler ended with %s", event, error)
    else:
        _logger.error("Socket.IO event %r: its handler failed", event, exc_info=error)
