"""A gate in front of an Engine.IO server: protocol 4 as its specification has it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from engineio.payload import Payload  # type: ignore[import-untyped] # has no annotations

from micropie import ClientDisconnected, HTTPError
from micropie.concurrency import wait_for_disconnect
from micropie.types import Message, Receive, Scope, Send
from micropie_socketio.outbox import Outbox
from micropie_socketio.packets import is_engine_packet, is_polled
from micropie_socketio.stopping import server_is_stopping
from micropie_socketio.websocket import Channel

# Between the packets of one POST (engine.io-protocol, "Packet encoding").
_SEPARATOR = "\x1e"

# Seconds between looks at whether the server wants to stop, while long polls keep it from that.
_LOOK_AROUND = 0.25

# Seconds for disconnect handlers, for closing connections and for tasks that are cancelled, when
# the app shuts down.
GRACE = 1.0

# Seconds without anything of a POST, as an App's body_timeout.
_BODY_TIMEOUT = 30.0

# Bytes of all headers, 32 more for each (RFC 9113, 6.5.2); others allow 8 to 64 KiB. The server
# appends a header that is repeated to those before: 200,000 held the event loop for two seconds.
_MOST_HEADERS = 64 * 1024

# Seconds for which a poll waits for the end of an upgrade, before it is answered with NOOP. The
# server for Node looks whether there is a poll as often.
_UPGRADE_WAIT = 0.1

# Bodies of refusals, as the server for Node has them.
_TRANSPORT, _SESSION, _METHOD, _REQUEST, _VERSION = (
    b'{"code":0,"message":"Transport unknown"}',
    b'{"code":1,"message":"Session ID unknown"}',
    b'{"code":2,"message":"Bad handshake method"}',
    b'{"code":3,"message":"Bad request"}',
    b'{"code":5,"message":"Unsupported protocol version"}',
)

# How the server's refusal of an origin ends.
_FOREIGN = b' is not an accepted origin."'


class Gate:
    """An ASGI app in front of `handle_request` of an `engineio.AsyncServer`.

    No client can make the server hang, leak or write tracebacks: what a request says is checked
    here, and only what is right goes on. Nothing of the server is overridden; its sessions get
    an `Outbox` each as their queue.

    Args:
        engine: the server, with `async_mode="asgi"`.
        is_packet: tells what a client may send in a session, as `is_engine_packet` does.
    """

    def __init__(
        self, engine: Any, is_packet: Callable[[str | bytes], bool] = is_engine_packet
    ) -> None:
        self._engine = engine
        self._is_packet = is_packet
        self.is_stopping = False  # takes no connections
        # The channels of requests that have no answer yet, by method and sid.
        self._busy: dict[tuple[str, str], Send] = {}
        self._channels: dict[Channel, str] = {}  # with the sids that they upgrade
        self._look_out: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, transmit: Send) -> None:
        """Serve one HTTP request or WebSocket."""

        async def send(message: Message) -> None:
            if message.get("body", b"").endswith(_FOREIGN):
                message = {**message, "body": _REQUEST}  # that of the server repeats the origin
            await transmit(message)

        if not isinstance(self._engine.sockets, _Sessions):
            self._engine.sockets = _Sessions()
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
        sid = query.get("sid", [""])[0]
        session = self._session(sid)
        transport = "websocket" if scope["type"] == "websocket" else "polling"
        size = sum(32 + len(name) + len(value) for name, value in scope["headers"])
        is_too_large = size > _MOST_HEADERS
        refusal = None
        if query.get("transport") != [transport] or transport not in self._engine.transports:
            refusal = _TRANSPORT
        elif query.get("EIO") != ["4"]:
            refusal = _VERSION
        elif "j" in query:
            # JSONP. A page of any origin may run a script from here, and no browser says which.
            refusal = _REQUEST
        elif sid and session is None:
            refusal = _SESSION
        if transport == "websocket":
            is_refused = self.is_stopping or is_too_large or refusal is not None
            await self._serve_websocket(
                scope, None if is_refused else sid, session, receive, transmit
            )
        elif self.is_stopping:
            await _answer(send, 503, _REQUEST)
        elif is_too_large:
            await _answer(send, 431, _REQUEST)
        elif scope["method"] == "OPTIONS":  # of CORS, not of the protocol
            await self._engine.handle_request(scope, _body(b""), send)
        elif refusal is None:
            # HTTP it is: no upgrade came of it.
            await self._serve_http(_without(scope, b"upgrade"), session, receive, send)
        else:
            await _answer(send, 400, refusal)

    async def drop(self, sid: str, reason: str) -> None:
        """Disconnect a client for *reason*, one of the server's `reason`."""
        if session := self._session(sid):
            await session.close(wait=False, reason=reason)

    async def disconnect_all(self) -> None:
        """Say goodbye to all clients, and take no more."""
        self.is_stopping = True
        await self._drop_all(list(self._engine.sockets))
        # What is left now does not read, or hangs in a disconnect handler.
        await within(GRACE, [channel.ended.wait() for channel in self._channels])
        for channel in self._channels:
            channel.give_up()
        self._engine.sockets.clear()

    def _session(self, sid: str) -> Any:
        """Return the server's object for a session that is open, or None."""
        session = self._engine.sockets.get(sid)
        return None if session is None or session.closed else session

    async def _drop_all(self, sids: Iterable[str]) -> None:
        reason = self._engine.reason.SERVER_DISCONNECT
        await within(GRACE, [self.drop(sid, reason) for sid in sids])

    async def _serve_http(self, scope: Scope, session: Any, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if session is None and method == "GET":
            await self._engine.handle_request(scope, _body(b""), send)
        elif session is None or session.upgraded or method not in ("GET", "POST"):
            await _answer(send, 400, _METHOD if session is None else _REQUEST)
        elif await session.queue.close_if_silent():
            await _answer(send, 400, _SESSION)
        elif (key := (method, session.sid)) in self._busy:
            # Of two at once the order is lost ("Sending data", "Receiving data").
            await self.drop(session.sid, self._engine.reason.TRANSPORT_ERROR)
            await _answer(send, 400, _REQUEST)
        else:

            async def answer(message: Message) -> None:
                release()  # the next request may be here before this one is over
                await send({**message, "body": b"ok"} if message.get("body") == b"OK" else message)

            def release() -> None:
                if self._busy.get(key) is answer:
                    del self._busy[key]

            self._busy[key] = answer
            serve = self._poll if method == "GET" else self._post
            try:
                await serve(scope, session, receive, answer)
            finally:
                release()

    async def _post(self, scope: Scope, session: Any, receive: Receive, send: Send) -> None:
        try:
            packets = await self._packets(scope, receive)
        except (ClientDisconnected, HTTPError) as error:
            await self.drop(session.sid, self._engine.reason.TRANSPORT_ERROR)
            if isinstance(error, HTTPError):
                await _answer(send, error.status_code, _REQUEST)
            return
        # As many at once as the server takes, and others their turn between.
        size = Payload.max_decode_packets
        for start in range(0, len(packets), size):
            if session.closed:
                await _answer(send, 400, _SESSION)
                return
            body = _SEPARATOR.join(packets[start : start + size]).encode()
            # The server reads as much as this says: nothing of a chunked body, which has none.
            sized = _without(scope, b"content-length")
            sized["headers"].append((b"content-length", b"%d" % len(body)))
            is_last = start + size >= len(packets)
            await self._engine.handle_request(sized, _body(body), send if is_last else _discard)
            if session.closed:
                session.queue.finish()
            await asyncio.sleep(0)

    async def _packets(self, scope: Scope, receive: Receive) -> list[str]:
        """Receive the packets of a POST.

        Raises:
            ClientDisconnected: there was no end.
            HTTPError: 413 if there is too much, 400 if it is not a payload, 408 for a client that
                stalls.
        """
        limit = self._engine.max_http_buffer_size
        length = dict(scope["headers"]).get(b"content-length", b"")
        if length.isdigit() and (len(length) > 18 or int(length) > limit):
            raise HTTPError(413)
        body, has_more = bytearray(), True
        try:
            while has_more:
                async with asyncio.timeout(_BODY_TIMEOUT):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnected
                body += message.get("body", b"")
                has_more = message.get("more_body", False)
                if len(body) > limit:
                    raise HTTPError(413)
            packets = body.decode().split(_SEPARATOR)
        except (TimeoutError, UnicodeDecodeError) as error:
            raise HTTPError(408 if isinstance(error, TimeoutError) else 400) from None
        if not all(is_polled(text, self._is_packet) for text in packets):
            raise HTTPError(400)
        return packets

    async def _poll(self, scope: Scope, session: Any, receive: Receive, send: Send) -> None:
        """Hold a long poll, until there is something to send or the client leaves."""
        if self._look_out is None:
            self._look_out = asyncio.ensure_future(self._look_out_for_stop())
        answer = asyncio.ensure_future(self._answer_poll(scope, session, send))
        departure = asyncio.ensure_future(wait_for_disconnect(receive))
        try:
            await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
            if self._busy.get(("GET", session.sid)) is send and not answer.done():
                # This ends the answer as well.
                await self.drop(session.sid, self._engine.reason.TRANSPORT_CLOSE)
            await answer
        finally:
            departure.cancel()
            answer.cancel()  # the server takes that as the end of the session
            await asyncio.gather(answer, departure, return_exceptions=True)

    async def _answer_poll(self, scope: Scope, session: Any, send: Send) -> None:
        if session.upgrading:
            upgrades = [one for one, sid in self._channels.items() if sid == session.sid]
            await within(_UPGRADE_WAIT, [upgrade.settled.wait() for upgrade in upgrades])
        if session.closed:
            # Since the request came: it is told so, as if it had been held already.
            session.queue.finish()
            body = Payload(packets=await session.poll()).encode().encode()
            await _answer(send, 200, body, b"text/plain; charset=UTF-8")
        elif session.upgraded:
            await _answer(send, 400, _REQUEST)
        else:
            await self._engine.handle_request(scope, _body(b""), send)

    async def _look_out_for_stop(self) -> None:
        """End the long polls as soon as the server wants to stop.

        uvicorn waits for them first and tells the app afterwards, 25 s later.
        """
        while polls := [sid for method, sid in self._busy if method == "GET"]:
            if server_is_stopping():
                await self._drop_all(polls)
            await asyncio.sleep(_LOOK_AROUND)
        self._look_out = None

    async def _serve_websocket(
        self, scope: Scope, sid: str | None, session: Any, receive: Receive, send: Send
    ) -> None:
        """Serve a WebSocket; refuse one whose *sid* is None, instead of "" or that of *session*."""
        channel = Channel(session, receive, send)
        if sid is None:
            await channel.refuse()
        elif session is not None and (session.upgraded or sid in self._channels.values()):
            # A second one is closed ("WebSocket"); its handshake is right, so it is answered.
            await channel.refuse(accept=True)
        else:
            # A WebSocket over HTTP/2 has no such headers, and the server looks for them.
            scope = _without(scope, b"upgrade", b"connection")
            scope["headers"] += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
            self._channels[channel] = sid
            try:
                await channel.serve(self._engine, scope, self._is_packet)
            finally:
                del self._channels[channel]


class _Sessions(dict[str, Any]):
    """The server's sessions by sid; each gets an `Outbox` when it is new."""

    def __setitem__(self, sid: str, session: Any) -> None:
        session.queue = Outbox(session)
        super().__setitem__(sid, session)


def _without(scope: Scope, *names: bytes) -> dict[str, Any]:
    return {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in names]}


def _body(data: bytes) -> Receive:
    """Return a channel on which *data* comes as the body."""

    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    return receive


async def _discard(message: Message) -> None:
    """Send nothing: the answer to the last group of packets is the one that counts."""


async def _answer(
    send: Send, status: int, body: bytes, content_type: bytes = b"application/json"
) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
    if status not in (200, 400):
        # What is left of a body must not be taken for another request.
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def within(seconds: float, awaitables: Iterable[Awaitable[Any]]) -> None:
    """Wait for *awaitables*; after *seconds* cancel what is left, which has `GRACE` to end."""
    tasks = {asyncio.ensure_future(one) for one in awaitables}
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.wait(tasks, timeout=GRACE)
