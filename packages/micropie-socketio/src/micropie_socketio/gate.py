"""A gate in front of an Engine.IO server: protocol 4 as its specification has it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from engineio.packet import NOOP, Packet  # type: ignore[import-untyped] # has no annotations

from micropie import App, ClientDisconnected, HTTPError
from micropie.concurrency import wait_for_disconnect
from micropie.types import Message, Receive, Scope, Send
from micropie_socketio.outbox import Outbox
from micropie_socketio.packets import CLOSE, engine_packet

# Between the packets of one POST (engine.io-protocol, "Packet encoding").
_SEPARATOR = "\x1e"

# Seconds between looks at whether the server wants to stop, while clients keep it from that.
_LOOK_AROUND = 0.25

# Seconds for disconnect handlers, for closing connections and for tasks that are cancelled, when
# the app shuts down.
GRACE = 1.0

# Seconds without anything of a POST, as an App's body_timeout.
_BODY_TIMEOUT = 30.0

# Bytes of all headers, 32 more for each (RFC 9113, 6.5.2); others allow 8 to 64 KiB. The server
# appends a header that is repeated to those before: 200,000 held the event loop for two seconds.
_MOST_HEADERS = 64 * 1024

# Times that a poll sleeps for the end of an upgrade, and seconds each, before it is answered with
# NOOP. The server for Node looks as often whether there is a poll.
_UPGRADE_WAITS, _UPGRADE_WAIT = 10, 0.01

# The two messages of an upgrade from polling (engine.io-protocol, "Upgrade"), and seconds for each,
# as in the server for Node.
_UPGRADE, _UPGRADE_TIMEOUT = ("2probe", "5"), 10.0

# Seconds by which a client may be taken for silent too early. Both sides count from the handshake
# or from the last pong, which neither sees when the other does, and timers are late.
_TOLERANCE = 0.02

_NORMAL, _POLICY_VIOLATION, _TOO_BIG = 1000, 1008, 1009  # RFC 6455, 7.4.1
_GONE: Message = {"type": "websocket.disconnect", "code": 1006}

# Bodies of refusals, as the server for Node has them.
_TRANSPORT, _SESSION, _METHOD, _REQUEST, _VERSION = (
    b'{"code":0,"message":"Transport unknown"}',
    b'{"code":1,"message":"Session ID unknown"}',
    b'{"code":2,"message":"Bad handshake method"}',
    b'{"code":3,"message":"Bad request"}',
    b'{"code":5,"message":"Unsupported protocol version"}',
)


class Gate:
    """An ASGI app in front of `handle_request` of an `engineio.AsyncServer`.

    No client can make the server hang, leak or write tracebacks: what a request says is checked
    here, and only what is right goes on. Nothing of the server is overridden; its sessions get
    an `Outbox` each as their queue.

    Theory of operation. The server opens sessions, and holds polls and WebSockets. Of a POST it
    sees the head, for the headers of its answer; the packets go to its session one by one. `_busy`
    has the requests of sessions that have no answer yet: one poll and one POST at most of each.

    Args:
        engine: the server, with `async_mode="asgi"`.
    """

    checks_origin = True  # as App.mount() reads it: the server does

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._app: App | None = None
        self._busy: set[tuple[str, str]] = set()  # by method and sid
        self._sockets: set[asyncio.Task[Any]] = set()
        self._cuts_off = False  # what is left open at the stop
        self._look_out: asyncio.Task[None] | None = None

    def on_mount(self, app: App, path: str) -> None:
        """Take *app*, whose own scopes its `session_for` expects; App.mount() calls this."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or WebSocket."""
        if not isinstance(self._engine.sockets, _Sessions):
            self._engine.sockets = _Sessions(self._begin_look_out)
        if self._app is not None:
            scope = self._app.request.scope
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        session = await self._session(query.get("sid", [""])[0])
        answer = self._refusal(scope, query, session)
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, session, receive, send, is_refused=bool(answer))
            return
        if not answer:
            answer = await self._answer(scope, session, receive)
        for message in answer:
            await send(message)

    async def drop(self, sid: str, reason: str) -> None:
        """Disconnect a client for *reason*, one of the server's `reason`."""
        if session := await self._session(sid):
            await session.close(wait=False, reason=reason)

    async def disconnect_all(self) -> None:
        """Say goodbye to all clients."""
        await self._drop_all()
        # What is left then does not read, or hangs in a disconnect handler; Granian, when it stops,
        # sends nothing any more.
        self._cuts_off = True
        await within(GRACE, self._sockets)
        self._cuts_off = False
        self._engine.sockets.clear()

    async def _session(self, sid: str) -> Any:
        """Return the server's object for a session that is open, or None.

        One whose client has not answered a ping in time is closed.
        """
        session = self._engine.sockets.get(sid)
        if session is None or session.closed:
            return None
        patience = self._engine.ping_timeout - _TOLERANCE
        if session.last_ping is not None and time.time() - session.last_ping > patience:
            await session.close(wait=False, reason=self._engine.reason.PING_TIMEOUT)
            return None
        return session

    async def _drop_all(self) -> None:
        reason = self._engine.reason.SERVER_DISCONNECT
        await within(GRACE, [self.drop(sid, reason) for sid in list(self._engine.sockets)])

    def _refusal(self, scope: Scope, query: Mapping[str, Any], session: Any) -> list[Message]:
        """Return the answer that refuses a request; an empty one if no rule does."""
        is_http = scope["type"] == "http"
        transport, method = ("polling", scope["method"]) if is_http else ("websocket", "GET")
        size = sum(32 + len(name) + len(value) for name, value in scope["headers"])
        is_served = query.get("transport") == [transport] and transport in self._engine.transports
        rules = (
            (self._is_stopping, 503, _REQUEST),
            (size > _MOST_HEADERS, 431, _REQUEST),
            (method == "OPTIONS", 0, b""),  # of CORS, not of the protocol
            (not is_served, 400, _TRANSPORT),
            (query.get("EIO") != ["4"], 400, _VERSION),
            # JSONP. A page of any origin may run a script from here, and no browser says which.
            ("j" in query, 400, _REQUEST),
            ("sid" in query and session is None, 400, _SESSION),
            (session is None and method != "GET", 400, _METHOD),
            (method not in ("GET", "POST"), 400, _REQUEST),
            (is_http and session is not None and session.upgraded, 400, _REQUEST),
        )
        status, body = next((rule[1:] for rule in rules if rule[0]), (0, b""))
        return _refused(status, body) if status else []

    async def _answer(self, scope: Scope, session: Any, receive: Receive) -> list[Message]:
        method = scope["method"]
        if session is None or method == "OPTIONS":
            return await self._asked(scope)
        key = method, session.sid
        if key in self._busy:
            # Of two at once the order is lost ("Sending data", "Receiving data").
            await self.drop(session.sid, self._engine.reason.TRANSPORT_ERROR)
            return _refused(400, _REQUEST)
        self._busy.add(key)
        try:
            return await (self._poll if method == "GET" else self._post)(scope, session, receive)
        finally:
            self._busy.discard(key)

    async def _asked(self, scope: Scope) -> list[Message]:
        """Return the answer of the server to a request without a body."""
        answer: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            answer.append(message)

        # HTTP it is: no upgrade came of it.
        scope = _without(scope, b"upgrade", b"content-length")
        await self._engine.handle_request(scope, receive, send)
        # That of the server repeats an origin that is not allowed.
        return _refused(400, _REQUEST) if answer[0]["status"] == 400 else answer

    async def _post(self, scope: Scope, session: Any, receive: Receive) -> list[Message]:
        """Have a session receive the packets of a POST; one that breaks a rule ends it."""
        try:
            packets = (await self._body(receive)).split(_SEPARATOR)
            if session.closed:
                return _refused(400, _SESSION)
            head, body = await self._asked(scope)
            if head["status"] == 200:
                body["body"] = b"ok"
                for text in packets:
                    await self._take(session, text)
        except (HTTPError, TimeoutError, ValueError) as error:
            await self.drop(session.sid, self._engine.reason.TRANSPORT_ERROR)
            if isinstance(error, ClientDisconnected):
                return []
            status = 408 if isinstance(error, TimeoutError) else 400
            return _refused(getattr(error, "status_code", status), _REQUEST)
        return [head, body]

    async def _body(self, receive: Receive) -> str:
        """Return the body of a POST.

        Raises:
            ClientDisconnected: there was no end.
            HTTPError: 413 if there is too much.
            TimeoutError: the client stalls.
            ValueError: it is not text.
        """
        body, has_more = bytearray(), True
        while has_more:
            async with asyncio.timeout(_BODY_TIMEOUT):
                message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            body += message.get("body", b"")
            has_more = message.get("more_body", False)
            if len(body) > self._engine.max_http_buffer_size:
                raise HTTPError(413)
        return body.decode()

    async def _take(self, session: Any, text: str) -> None:
        """Have a session receive one packet of a POST.

        Raises:
            ValueError: it is not a packet, or comes after the last.
        """
        await asyncio.sleep(0)  # others' turn
        packet = None if session.closed else engine_packet(text, is_polled=True)
        if packet is None:
            raise ValueError("not a packet")
        if text == CLOSE:
            session.queue.put_nowait(Packet(NOOP))  # ends a poll that is held
            await asyncio.sleep(0)
        await session.receive(packet)

    async def _poll(self, scope: Scope, session: Any, receive: Receive) -> list[Message]:
        """Hold a long poll, until there is something to send or the client leaves."""
        for _ in range(_UPGRADE_WAITS):
            if session.upgrading:
                await asyncio.sleep(_UPGRADE_WAIT)
        if session.upgraded:
            return _refused(400, _REQUEST)
        departure = asyncio.ensure_future(wait_for_disconnect(receive))
        answer = asyncio.ensure_future(self._asked(scope))
        try:
            await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                # This ends the answer as well.
                await self.drop(session.sid, self._engine.reason.TRANSPORT_CLOSE)
            return await answer
        finally:
            departure.cancel()
            answer.cancel()  # the server takes that as the end of the session
            await asyncio.gather(answer, departure, return_exceptions=True)

    @property
    def _is_stopping(self) -> bool:
        return self._app is not None and self._app.is_stopping

    def _begin_look_out(self) -> None:
        if self._look_out is None:
            self._look_out = asyncio.ensure_future(self._look_out_for_stop())

    async def _look_out_for_stop(self) -> None:
        """Disconnect everybody as soon as the server wants to stop.

        Most servers wait for polls and WebSockets first, and tell the app afterwards.
        """
        try:
            while self._engine.sockets:
                if self._is_stopping:
                    await self._drop_all()
                await asyncio.sleep(_LOOK_AROUND)
        finally:
            self._look_out = None

    async def _serve_websocket(
        self, scope: Scope, session: Any, receive: Receive, send: Send, *, is_refused: bool
    ) -> None:
        """Serve a WebSocket, of a new session if *session* is None, unless it *is_refused*."""
        socket = _Socket(self._engine, session, receive, send)
        if is_refused or (session is not None and (session.upgraded or session.upgrading)):
            await receive()
            if not is_refused:
                # A second one is closed ("WebSocket"); its handshake is right, so it is answered.
                await send({"type": "websocket.accept"})
            await socket.close(_POLICY_VIOLATION)
            return
        # A WebSocket over HTTP/2 has no such headers, and the server looks for them.
        scope = _without(scope, b"upgrade", b"connection")
        scope["headers"] += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
        task: Any = asyncio.current_task()
        self._sockets.add(task)
        if session is not None:
            session.upgrading = True
        try:
            await self._engine.handle_request(scope, socket.receive, socket.send)
        except asyncio.CancelledError:
            if not self._cuts_off:
                raise
            task.uncancel()  # it was us: the server would log an error
        finally:
            self._sockets.discard(task)
            if session is not None:
                session.upgrading = False  # if it failed, polling goes on
            await socket.close(_NORMAL)


class _Socket:
    """The ASGI channel of a WebSocket, as the server is to see it.

    What comes in is checked. The connection is closed in time: after what a client may not send,
    after the packet that ends the session, and when the client takes nothing.
    """

    def __init__(self, engine: Any, session: Any, receive: Receive, send: Send) -> None:
        self._engine = engine
        self._receive = receive
        self._send = send
        self._expected = [] if session is None else list(_UPGRADE)
        self._has_left = False  # or counts as gone

    async def close(self, code: int) -> None:
        if not self._has_left:
            self._has_left = True
            for each in (code, _NORMAL):  # Daphne takes no other than 1000 of the protocol's own
                with suppress(Exception):  # it is closed already
                    await self._send({"type": "websocket.close", "code": each})
                    break

    async def receive(self) -> Message:
        """Return the next message; the end of the connection if the client may not send it."""
        expected = self._expected
        with suppress(TimeoutError):
            async with asyncio.timeout(_UPGRADE_TIMEOUT if expected else None):
                message = _GONE if self._has_left else await self._receive()
            if message["type"] == "websocket.connect":
                return message
            if message["type"] == "websocket.receive" and not self._has_left:
                text = message.get("text")
                content: Any = message.get("bytes") if text is None else text
                is_right = content == expected.pop(0) if expected else engine_packet(content)
                if len(content) > self._engine.max_http_buffer_size:
                    await self.close(_TOO_BIG)
                elif not is_right:
                    await self.close(_POLICY_VIOLATION)
                else:
                    if content == CLOSE:
                        await self.close(_NORMAL)
                    return message
        return _GONE

    async def send(self, message: Message) -> None:
        """Send a message, unless the client has left; close after that which ends a session."""
        text = message.get("text")
        if message["type"] == "websocket.close":
            await self.close(message.get("code", _NORMAL))
        elif not self._has_left and text != str(NOOP):
            patience = self._engine.ping_interval + self._engine.ping_timeout
            try:
                async with asyncio.timeout(patience):
                    await self._send(message)
            except Exception:  # the client has left, or reads nothing; servers differ
                self._has_left = True
            if text == CLOSE:
                await self.close(_NORMAL)


class _Sessions(dict[str, Any]):
    """The server's sessions by sid; each gets an `Outbox` when it is new, and *on_new* is told."""

    def __init__(self, on_new: Callable[[], None]) -> None:
        super().__init__()
        self._on_new = on_new

    def __setitem__(self, sid: str, session: Any) -> None:
        session.queue = Outbox(session)
        super().__setitem__(sid, session)
        self._on_new()


def _without(scope: Scope, *names: bytes) -> dict[str, Any]:
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in names]}


def _refused(status: int, body: bytes) -> list[Message]:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if status != 400:
        # What is left of a body must not be taken for another request.
        headers.append((b"connection", b"close"))
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return [start, {"type": "http.response.body", "body": body}]


async def within(seconds: float, awaitables: Iterable[Awaitable[Any]]) -> None:
    """Wait for *awaitables*; after *seconds* cancel what is left, which has `GRACE` to end."""
    tasks = {asyncio.ensure_future(one) for one in awaitables}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks, timeout=GRACE)
