"""The Engine.IO server: what python-engineio does, behind checks of what clients send."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any
from urllib.parse import parse_qs

import engineio  # type: ignore[import-untyped] # has no annotations
from engineio import packet
from engineio.payload import Payload  # type: ignore[import-untyped] # likewise

from micropie import ClientDisconnected, HTTPError, Request, WebSocketRequest
from micropie.concurrency import wait_for_disconnect
from micropie.types import Message, Receive, Scope, Send
from micropie_socketio.backlog import Backlog
from micropie_socketio.packets import is_polled_packet
from micropie_socketio.stopping import server_is_stopping
from micropie_socketio.websocket import Channel

# Between the packets of one POST (engine.io-protocol, "Packet encoding").
_SEPARATOR = "\x1e"

# Seconds between looks at whether the server wants to stop, while long polls keep it from that.
_LOOK_AROUND = 0.25

# Seconds for disconnect handlers, for closing connections and for tasks that are cancelled, when
# the app shuts down.
_GRACE = 1.0


class Engine(engineio.AsyncServer):  # type: ignore[misc] # a class without annotations
    """An `engineio.AsyncServer` that no client can make hang, leak, or write tracebacks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._monitors_clients = options.get("monitor_clients") is not False
        self._is_stopping = False
        self._polls: dict[str, asyncio.Future[None]] = {}  # long polls that are held, by sid
        self._channels: set[Channel] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._look_out: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take connections, again if the server was shut down before."""
        self._is_stopping = False

    async def serve(
        self, request: Request | WebSocketRequest, receive: Receive, send: Send
    ) -> None:
        """Serve one connection of the App."""
        query = parse_qs(request.scope.get("query_string", b"").decode("latin-1"))
        sid = query.get("sid", [""])[0]
        transport = query.get("transport", ["polling"])[0]
        if isinstance(request, WebSocketRequest):
            await self._serve_websocket(request, sid, transport, receive, send)
        elif "j" in query:
            # JSONP. A page of any origin may run a script from here, and no browser says which.
            await _answer(send, 400)
        else:
            await self._serve_http(request, sid, receive, send)

    async def disconnect(self, sid: str | None = None) -> None:
        """Disconnect a client, or all; without waiting until they have taken note."""
        for one in list(self.sockets) if sid is None else [sid]:
            await self.drop(one, self.reason.SERVER_DISCONNECT)

    async def drop(self, sid: str, reason: str) -> None:
        """Disconnect a client for *reason*, one of `self.reason`."""
        session = self.sockets.get(sid)
        if session is not None:
            await session.close(wait=False, reason=reason)

    async def disconnect_all(self) -> None:
        """Say goodbye to all clients, and take no more."""
        self._is_stopping = True
        reason = self.reason.SERVER_DISCONNECT
        await _within(_GRACE, [self.drop(sid, reason) for sid in list(self.sockets)])
        # What is left now does not read, or hangs in a disconnect handler.
        waiting = [channel.ended.wait() for channel in self._channels]
        await _within(_GRACE, waiting)
        for channel in self._channels:
            channel.give_up()

    async def shutdown(self) -> None:
        """End everything that runs in the background."""
        await _cancel(self._tasks - {asyncio.current_task()})
        self.sockets.clear()
        self.service_task_handle = self.service_task_event = None
        self.start_service_task = self._monitors_clients

    def start_background_task(
        self, target: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any
    ) -> asyncio.Task[Any]:
        """Run *target* until it ends or the server shuts down."""
        task: asyncio.Task[Any] = super().start_background_task(target, *args, **kwargs)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def create_queue(self, *args: Any, **kwargs: Any) -> Backlog:
        """Return a queue for what is to be sent to a client."""
        return Backlog()

    async def send_packet(self, sid: str, pkt: packet.Packet) -> None:
        """Send a packet to a client; one that does not take what it is sent is disconnected."""
        session = self.sockets.get(sid)
        if session is None or session.closed:
            return
        if session.queue.is_full:
            session.queue.clear()
            await self.drop(sid, self.reason.TRANSPORT_ERROR)
            return
        if pkt.binary:
            # It keeps the first form it was encoded to, and polling takes another than WebSocket:
            # in a broadcast they must not share one.
            pkt = packet.Packet(pkt.packet_type, data=pkt.data)
        await session.send(pkt)

    async def _trigger_event(self, event: str, *args: Any, **kwargs: Any) -> Any:
        result = await super()._trigger_event(event, *args, **kwargs)
        if event == "disconnect" and (session := self.sockets.get(args[0])) is not None:
            # After the packet that says so, the end: what sends to the client must not wait for
            # more. The library forgets about it when a client has not answered a ping.
            asyncio.get_running_loop().call_soon(session.queue.put_nowait, None)
        return result

    def _log_error_once(self, message: str, message_key: str) -> None:
        self.logger.info("%r", message)  # what a client did wrong, in its own words partly

    async def _serve_http(self, request: Request, sid: str, receive: Receive, send: Send) -> None:
        scope = _without(request.scope, b"upgrade")  # HTTP it is: none came of it
        session = self.sockets.get(sid)
        if session is not None and session.closed:
            del self.sockets[sid]
            session = None
        if self._is_stopping:
            await _answer(send, 503)
        elif session is None or request.method not in ("GET", "POST"):
            await self.handle_request(scope, _body(b""), send)
        elif request.method == "POST":
            await self._post(request, scope, sid, send)
        elif sid in self._polls:
            # Both would get a part of what is sent. The protocol has it that the session ends.
            await self.drop(sid, self.reason.TRANSPORT_ERROR)
            await _answer(send, 400)
        else:
            await self._poll(scope, sid, receive, send)

    async def _post(self, request: Request, scope: Scope, sid: str, send: Send) -> None:
        try:
            packets = await self._packets(request)
        except ClientDisconnected:
            await self.drop(sid, self.reason.TRANSPORT_ERROR)
        except HTTPError as error:
            await self.drop(sid, self.reason.TRANSPORT_ERROR)
            # What is left of the body must not be taken for another request.
            await _answer(send, error.status_code, [(b"connection", b"close")])
        else:
            await self._take_packets(packets, scope, sid, send)

    async def _packets(self, request: Request) -> list[str]:
        """Receive the packets of a POST.

        Raises:
            HTTPError: 413 if there is too much, 400 if it is not a payload, 408 for a client that
                stalls.
        """
        limit = self.max_http_buffer_size
        body = bytearray()
        length = request.headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > limit):
            raise HTTPError(413)
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise HTTPError(413)
        try:
            packets = body.decode().split(_SEPARATOR)
        except UnicodeDecodeError:
            raise HTTPError(400) from None
        if not all(map(is_polled_packet, packets)):
            raise HTTPError(400)
        return packets

    async def _take_packets(self, packets: list[str], scope: Scope, sid: str, send: Send) -> None:
        """Hand over as many packets at once as the library takes, and others their turn between."""
        size = Payload.max_decode_packets
        groups = [packets[start : start + size] for start in range(0, len(packets), size)]
        for number, group in enumerate(groups, 1):
            session = self.sockets.get(sid)
            if session is None or session.closed:
                await _answer(send, 400)
                return
            body = _SEPARATOR.join(group).encode()
            # The library reads as much as this says: nothing of a chunked body, which has none.
            sized = _without(scope, b"content-length")
            sized["headers"].append((b"content-length", b"%d" % len(body)))
            is_last = number == len(groups)
            await self.handle_request(sized, _body(body), send if is_last else _discard)
            await asyncio.sleep(0)

    async def _poll(self, scope: Scope, sid: str, receive: Receive, send: Send) -> None:
        """Hold a long poll, until there is something to send or the client leaves."""

        def is_held() -> bool:
            return self._polls.get(sid) is answer

        async def begin(message: Message) -> None:
            # Before the client has all of it: the next poll may be here before this one is over.
            if is_held():
                del self._polls[sid]
            await send(message)

        if self._look_out is None:
            self._look_out = self.start_background_task(self._look_out_for_stop)
        answer = asyncio.ensure_future(self.handle_request(scope, _body(b""), begin))
        self._polls[sid] = answer
        departure = asyncio.ensure_future(wait_for_disconnect(receive))
        try:
            await asyncio.wait({answer, departure}, return_when=asyncio.FIRST_COMPLETED)
            if is_held() and not answer.done():
                await self.drop(sid, self.reason.TRANSPORT_CLOSE)  # which ends the answer as well
            await answer
        finally:
            if is_held():
                del self._polls[sid]
            departure.cancel()
            answer.cancel()  # the library takes that as the end of the session
            await asyncio.gather(answer, departure, return_exceptions=True)

    async def _look_out_for_stop(self) -> None:
        """End the long polls as soon as the server wants to stop.

        uvicorn waits for them first and tells the app afterwards, 25 s later.
        """
        try:
            while self._polls:
                if server_is_stopping():
                    for sid in list(self._polls):
                        await self.drop(sid, self.reason.SERVER_DISCONNECT)
                await asyncio.sleep(_LOOK_AROUND)
        finally:
            self._look_out = None

    async def _serve_websocket(
        self, request: WebSocketRequest, sid: str, transport: str, receive: Receive, send: Send
    ) -> None:
        session = self.sockets.get(sid)
        is_upgrade = session is not None and not session.closed
        channel = Channel(self, session if is_upgrade else None, receive, send)
        is_refused = is_upgrade and (session.upgrading or session.upgraded)
        if transport != "websocket" or self._is_stopping or is_refused:
            await channel.refuse()
            return
        # A WebSocket over HTTP/2 has no such headers, and the library looks for them.
        scope = _without(request.scope, b"upgrade", b"connection")
        scope["headers"] += [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
        self._channels.add(channel)
        try:
            await self.handle_request(scope, channel.receive, channel.send)
        finally:
            self._channels.discard(channel)
            await channel.close()


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
    send: Send, status: int, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    length = (b"content-length", b"0")
    start = {"type": "http.response.start", "status": status, "headers": [length, *(headers or ())]}
    await send(start)
    await send({"type": "http.response.body", "body": b""})


async def _within(seconds: float, coroutines: list[Coroutine[Any, Any, Any]]) -> None:
    """Run them side by side; those that take longer are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=seconds)
    await asyncio.gather(*done, return_exceptions=True)
    await _cancel(late)


async def _cancel(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel *tasks*; those that take no notice have `_GRACE` to end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait({asyncio.gather(*tasks, return_exceptions=True)}, timeout=_GRACE)
