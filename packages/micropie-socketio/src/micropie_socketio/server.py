"""SocketIO, the class users make: a python-socketio server mounted on an App."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

import socketio  # type: ignore[import-untyped] # has no annotations
from micropie import App, HTTPError, Session
from micropie.types import Scope
from micropie_socketio.callbacks import Callbacks
from micropie_socketio.gate import GRACE, Gate, within
from micropie_socketio.handlers import Client, current_client, guarded, logger, report
from micropie_socketio.packets import InvalidPacket, checked
from socketio import packet

if TYPE_CHECKING:
    from redis.asyncio import Redis

Handler = TypeVar("Handler", bound=Callable[..., Any])

# Seconds for a client to connect to a namespace, as in the server for Node.
_CONNECT_TIMEOUT = 45.0

# Events of one client at work at the same time. The next ones wait, unread: a flood fills the
# client's own connection then, not the server's memory.
_MAX_EVENTS = 1000

# What decoding something raises, and the checks of what was decoded.
_CLIENTS_FAULT = (ValueError, TypeError, LookupError, RecursionError)

# Seconds between looks at the session of a connected browser, at most: to keep it alive, and to
# notice that it was deleted. And at least.
_KEEP_ALIVE = 300.0
_LOGOUT_NOTICE = 5.0
_SHORTEST = 0.1


class SocketIO(socketio.AsyncServer):  # type: ignore[misc] # a class without annotations
    """A Socket.IO server on an App: one `app` for the server, hooks and sessions shared.

    It is a `socketio.AsyncServer`: events, rooms, namespaces, acknowledgements and all else are
    as python-socketio documents them.

    Args:
        app: the App it is mounted on.
        path: where; clients use "/socket.io" unless told otherwise.
        redis_url: what joins several workers or machines: a URL as redis-py takes it, or a
            `redis.asyncio.Redis`, as `Sentinel.master_for` returns it.
        disconnect_on_logout: disconnect a client within 5 seconds when the session of its browser
            was deleted, by whichever worker.
        server_options: those of `socketio.AsyncServer`; `cors_allowed_origins` follows the app's
            `websocket_origins` unless it is given.

    Raises:
        RuntimeError: *redis_url* is given, and redis-py is not installed.
        TypeError: *app* is not an App.
        ValueError: an argument has an invalid value.
    """

    def __init__(
        self,
        app: App,
        *,
        path: str = "/socket.io",
        redis_url: "str | Redis | None" = None,
        disconnect_on_logout: bool = False,
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
            try:
                from micropie_socketio.redis_manager import RedisManager
            except ModuleNotFoundError as error:
                advice = "pip install micropie-socketio[redis]"
                raise RuntimeError(f"redis_url needs redis-py: {advice}") from error
            self._redis = server_options["client_manager"] = RedisManager(redis_url)
        if not (origins := server_options.get("cors_allowed_origins")):
            # An empty list, which allows all for the library, allows nobody.
            server_options["cors_allowed_origins"] = lambda origin, environ: (
                origins is None and app.allows_origin(environ["asgi.scope"])
            )
        for library in map(logging.getLogger, ("socketio.server", "engineio.server")):
            # As the library has it, but without a handler that writes to stderr what the
            # application's own logging configuration gets as well.
            library.setLevel(library.level or logging.ERROR)
        self._app = app
        self._disconnects_on_logout = disconnect_on_logout
        self._tasks: set[asyncio.Task[Any]] = set()
        self._clients: dict[str, Client] = {}  # by the id of the connection
        super().__init__(**server_options)
        self.manager_initialized: bool = False
        self.packet_class: Any = checked(self.packet_class, self.eio.max_http_buffer_size)
        self.manager.callbacks = Callbacks(self._redis and self._redis.announce_left)
        # What a client does wrong is not an error of the server, the first time neither.
        self.eio.log_message_keys.update(("bad-origin", "bad-sid", "not-connected"))
        self._gate = Gate(self.eio)
        self._library: dict[str, Any] = dict(self.eio.handlers)
        self.eio.on("connect", self._on_connect)
        self.eio.on("message", self._on_message)
        self.eio.on("disconnect", self._on_disconnect)
        app.mount(path, self._gate)
        app.startup_handlers.append(self._start)
        app.shutdown_handlers.append(self._stop)

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

    def on(
        self, event: str, handler: Any = None, namespace: str | None = None
    ) -> Callable[[Handler], Handler]:
        """Register a handler for *event*: *handler*, or what is decorated."""
        register = super().on(event, None, namespace)

        def decorate(handler: Handler) -> Handler:
            register(guarded(event, handler, self.not_handled))
            return handler

        return decorate if handler is None else decorate(handler)

    if TYPE_CHECKING:

        @overload
        def event(self, handler: Handler, /) -> Handler: ...
        @overload
        def event(self, *, namespace: str | None = None) -> Callable[[Handler], Handler]: ...
        def event(self, *args: Any, **kwargs: Any) -> Any:
            """Register a handler for the event of its name."""

    def register_namespace(self, namespace_handler: socketio.AsyncNamespace) -> None:
        """Register a class-based namespace, however its `trigger_event` finds the handlers."""
        super().register_namespace(namespace_handler)
        trigger = namespace_handler.trigger_event

        async def trigger_event(event: str, *args: Any) -> Any:
            method = getattr(namespace_handler, f"on_{event}", None)
            handler = partial(trigger, event)
            return await guarded(event, handler, self.not_handled, method)(*args)

        namespace_handler.trigger_event = trigger_event

    async def call(self, *args: Any, **kwargs: Any) -> Any:
        """Emit an event to one client, and return what it answers.

        Takes the arguments of `socketio.AsyncServer.call`. What comes after the time-out is
        dropped.

        Raises:
            socketio.exceptions.TimeoutError: no answer within `timeout` seconds, 60 by default.
        """
        with self.manager.callbacks.forgetting():
            return await super().call(*args, **kwargs)

    def start_background_task(
        self, target: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run *target* until it ends or the app shuts down."""
        client = current_client.get()  # the library's, for a message
        task: asyncio.Task[Any] = super().start_background_task(target, *args, **kwargs)
        if client is not None:
            task.add_done_callback(report)
        for tasks in (self._tasks, self._tasks if client is None else client.events):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    async def _start(self) -> None:
        """Listen to the other workers from the start: they may answer before a client comes."""
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()

    async def _stop(self) -> None:
        """Disconnect all clients, and end everything that runs in the background."""
        events = set().union(*(client.events for client in self._clients.values()))
        await self._gate.disconnect_all()
        await within(GRACE, events)
        await within(0, self._tasks - {asyncio.current_task()})
        eio = self.eio
        monitors_clients = eio.start_service_task or eio.service_task_handle is not None
        await self.shutdown()
        # As they were: the app may start again.
        eio.start_service_task, eio.service_task_handle = monitors_clients, None
        self.manager_initialized, eio.service_task_event = False, None
        if self._redis is not None:
            await self._redis.close()

    async def _on_connect(self, eio_sid: str, environ: dict[str, Any]) -> Any:
        scope = environ["asgi.scope"]
        if address := scope.get("client"):
            # The library makes it 127.0.0.1, whoever comes.
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address[0], str(address[1])
        client = self._clients[eio_sid] = Client()
        client.attendant = self.start_background_task(self._attend, eio_sid, client, scope)
        return await self._library["connect"](eio_sid, environ)

    async def _on_disconnect(self, eio_sid: str, reason: str) -> None:
        client = self._clients.pop(eio_sid, None)
        if client and client.attendant and client.attendant is not asyncio.current_task():
            client.attendant.cancel()
        await self._library["disconnect"](eio_sid, reason)
        self._binary_packet.pop(eio_sid, None)  # older versions keep it

    async def _on_message(self, eio_sid: str, data: str | bytes) -> None:
        """Have a message handled; a client that breaks the protocol is disconnected."""
        if (client := self._clients.get(eio_sid)) is None:
            return  # it has said goodbye before
        while len(client.events) >= _MAX_EVENTS:
            await asyncio.wait(client.events, return_when=asyncio.FIRST_COMPLETED)
        token = current_client.set(client)
        try:
            is_new = not client.joined.is_set()
            if is_new and self.packet_class(encoded_packet=data).packet_type != packet.CONNECT:
                # socket.io-protocol, "Connection to a namespace"
                raise InvalidPacket("a client has to connect to a namespace first")
            await self._library["message"](eio_sid, data)
            namespaces = list(self.manager.get_namespaces()) if is_new else ()
            if any(self.manager.sid_from_eio_sid(eio_sid, name) for name in namespaces):
                client.joined.set()
        except Exception as error:
            is_bad = isinstance(error, _CLIENTS_FAULT)
            level = logging.INFO if is_bad else logging.ERROR
            logger.log(level, "a client is disconnected: %.200r", error, exc_info=not is_bad)
            await self._gate.drop(eio_sid, self.reason.TRANSPORT_ERROR)
        finally:
            current_client.reset(token)
        if eio_sid not in self._clients:
            # It left while its connect handler ran, and counts as connected since.
            await self._library["disconnect"](eio_sid, self.reason.TRANSPORT_CLOSE)

    async def _attend(self, eio_sid: str, client: Client, scope: Scope) -> None:
        """Disconnect a client that does not join, or whose session is deleted if that counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await client.joined.wait()
        if not client.joined.is_set() or await self._keep_session(scope):
            await self._gate.drop(eio_sid, self.reason.SERVER_DISCONNECT)

    async def _keep_session(self, scope: Scope) -> bool:
        """Keep the session of a browser alive; return when there is none, whether that ends more.

        Loading a session through the App counts as use.
        """
        longest = _LOGOUT_NOTICE if self._disconnects_on_logout else _KEEP_ALIVE
        had_one, pause = False, longest
        while True:
            with suppress(HTTPError):  # the store is away
                async with self._app.session_for(scope) as session:
                    if session.session_id is None:
                        return had_one and self._disconnects_on_logout
                    had_one, pause = True, min(longest, (session.expires_in or 2 * longest) / 2)
            await asyncio.sleep(max(_SHORTEST, pause))
