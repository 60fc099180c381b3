"""WebSocket clients in this process: they call an app, and check that it keeps to the protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from support.asgi import ABSENT, PATIENCE, Client

# How a connection ends for an app that did not end it: RFC 6455, 7.4.1.
GOING_AWAY = 1001


@dataclass
class Ending:
    """What became of one WebSocket.

    Attributes:
        messages: the ASGI messages that the app sent, all of them.
        error: what the app raised.
    """

    messages: list[dict[str, Any]]
    error: BaseException | None = None

    @property
    def accepted(self) -> bool:
        return any(message["type"] == "websocket.accept" for message in self.messages)

    @property
    def closed(self) -> tuple[int, str] | None:
        """The code and reason that the app closed it with; None if it did not."""
        for message in self.messages:
            if message["type"] == "websocket.close":
                return message["code"], message["reason"]
        return None

    @property
    def refused(self) -> tuple[int, str] | None:
        """The code and reason it was refused with, before it was accepted; None if it was."""
        return None if self.accepted else self.closed

    @property
    def denied(self) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body of the HTTP response that refused the handshake, if one did."""
        kinds = [message["type"].rpartition(".")[0] for message in self.messages]
        if kinds != ["websocket.http.response"] * 2:
            return None
        start, body = self.messages
        headers = {name.decode(): value.decode() for name, value in start["headers"]}
        return start["status"], headers, body["body"]

    @property
    def sent(self) -> list[str | bytes]:
        """The messages for the client."""
        return [_payload(m) for m in self.messages if m["type"] == "websocket.send"]


class Socket:
    """One WebSocket, while the app runs in a task of its own."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self.messages: list[dict[str, Any]] = []
        self._scope = scope
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._incoming.put_nowait({"type": "websocket.connect"})
        self._violations: list[str] = []
        self._connected = False  # the app has received the first message
        self._left = False
        self._told = False  # the app has received the last message
        self._progress = asyncio.Condition()
        self._read = 0  # messages of the app that the test has looked at
        self._send_error: BaseException | None = None
        self._reads = asyncio.Event()
        self._reads.set()
        self._task: asyncio.Task[None] = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: Any, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            async with self._progress:
                self._progress.notify_all()

    # What the app sees.

    async def _receive(self) -> dict[str, Any]:
        if self._told:
            self._violations.append("received after websocket.disconnect")
        message = await self._incoming.get()
        self._connected = True
        self._told = message["type"] == "websocket.disconnect"
        return message

    async def _send(self, message: dict[str, Any]) -> None:
        await self._reads.wait()
        if self._send_error is not None:
            raise self._send_error
        if self._left:  # what is sent to a client that has left is dropped
            return
        self._check(message)
        async with self._progress:
            self.messages.append(message)
            self._progress.notify_all()
        if message["type"] == "websocket.close":
            self._incoming.put_nowait({"type": "websocket.disconnect", "code": message["code"]})

    def _check(self, message: dict[str, Any]) -> None:
        """Note what breaks the ASGI WebSocket specification; the app might catch an exception."""
        complain = self._violations.append
        kind = message["type"]
        before = [m["type"] for m in self.messages]
        if kind.startswith("websocket.http.response.") and "extensions" not in self._scope:
            complain(f"{kind} to a server that does not take it")
        if not self._connected:
            complain(f"{kind} before websocket.connect was received")
        if "websocket.close" in before:
            complain(f"{kind} after websocket.close")
        if kind == "websocket.accept":
            if before:
                complain(f"accepted after {before}")
            if not isinstance(message["subprotocol"], str | None):
                complain(f"subprotocol {message['subprotocol']!r}")
            for name, value in message["headers"]:
                if type(name) is not bytes or type(value) is not bytes:
                    complain(f"header {name!r}: {value!r} is not of bytes")
                elif name != name.lower():
                    complain(f"header name {name!r} is not lower-case")
                elif set(b"\r\n\0") & {*name, *value}:
                    complain(f"header {name!r}: {value!r} would be an injection")
        elif kind == "websocket.send":
            if "websocket.accept" not in before:
                complain("sent before it was accepted")
            text, data = message.get("text"), message.get("bytes")
            if (type(text), type(data)) not in ((str, type(None)), (type(None), bytes)):
                complain(f"sent {message!r}")
        elif kind == "websocket.close":
            # RFC 6455, 7.4 and 5.5: codes that may be sent, and 125 bytes with the code.
            code, reason = message["code"], message["reason"]
            if type(code) is not int or not (1000 <= code <= 1014 or 3000 <= code <= 4999):
                complain(f"close code {code!r}")
            elif code in (1004, 1005, 1006):
                complain(f"close code {code!r} is none to send")
            if type(reason) is not str or len(reason.encode()) > 123:
                complain(f"close reason {reason!r}")
        elif kind == "websocket.http.response.start":
            if before:
                complain(f"denied after {before}")
            for name, value in message["headers"]:
                if type(name) is not bytes or type(value) is not bytes or name != name.lower():
                    complain(f"header {name!r}: {value!r}")
        elif kind == "websocket.http.response.body":
            if before != ["websocket.http.response.start"] or type(message["body"]) is not bytes:
                complain(f"{message!r} after {before}")
        else:
            complain(f"unknown message {kind!r}")

    # What the test does.

    def send_text(self, text: str) -> None:
        # Both keys, as Hypercorn has them; send_bytes leaves one out, as uvicorn does.
        self.put({"type": "websocket.receive", "text": text, "bytes": None})

    def send_bytes(self, data: bytes) -> None:
        self.put({"type": "websocket.receive", "bytes": data})

    def send_json(self, value: Any) -> None:
        self.send_text(json.dumps(value))

    def put(self, message: dict[str, Any]) -> None:
        """Let the app receive *message* next, whatever it is."""
        self._incoming.put_nowait(message)

    def leave(self, code: int = GOING_AWAY) -> None:
        """Close, or drop, the connection."""
        if not self._left:
            self._left = True
            self.put({"type": "websocket.disconnect", "code": code})

    def break_sending(self, error: BaseException) -> None:
        """Let `send` raise *error* from now on (ASGI 2.4: OSError when the client has left)."""
        self._send_error = error

    def stop_reading(self) -> None:
        """Take no more messages: what is sent waits, as for a client whose buffers are full."""
        self._reads.clear()

    def read_again(self) -> None:
        """Take what waits to be sent."""
        self._reads.set()

    def cancel(self) -> None:
        """Cancel the app, as some servers do when they shut down."""
        self._task.cancel()

    @property
    def running(self) -> bool:
        return not self._task.done()

    async def _wait_for(self, count: int) -> None:
        """Wait until the app has sent *count* messages."""
        async with asyncio.timeout(PATIENCE), self._progress:
            await self._progress.wait_for(lambda: len(self.messages) >= count or not self.running)
        if len(self.messages) < count:
            error = None if self._task.cancelled() else self._task.exception()
            raise AssertionError(f"the app ended after {self.messages}") from error

    async def next(self) -> dict[str, Any]:
        """Wait for the next ASGI message of the app."""
        await self._wait_for(self._read + 1)
        self._read += 1
        return self.messages[self._read - 1]

    async def accepted(self) -> dict[str, Any]:
        """Wait for the handshake to be accepted; return the message."""
        message = await self.next()
        assert message["type"] == "websocket.accept", message
        return message

    async def receive(self) -> str | bytes:
        """Wait for the next message for the client."""
        message = await self.next()
        assert message["type"] == "websocket.send", message
        return _payload(message)

    async def ended(self) -> Ending:
        """Wait until the app has returned or raised."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self._task})
        error = asyncio.CancelledError() if self._task.cancelled() else self._task.exception()
        assert not self._violations, "; ".join(self._violations)
        return Ending(self.messages, error)

    async def abandon(self) -> None:
        """Leave, and cancel an app that goes on nevertheless."""
        self.leave()
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()
        assert not self._violations, "; ".join(self._violations)


def _payload(message: dict[str, Any]) -> str | bytes:
    payload: str | bytes = message["text"] if message.get("text") is not None else message["bytes"]
    return payload


class WebSocketClient:
    """Opens WebSockets to *app*.

    Args:
        app: the ASGI application.
        scope: entries of every scope, beside or instead of the usual ones; ABSENT leaves one out.
    """

    def __init__(self, app: Any, **scope: Any) -> None:
        self.app = app
        self._scope = scope

    def scope(
        self,
        url: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        **extra: Any,
    ) -> dict[str, Any]:
        """Return the scope of a handshake for *url*: a percent-encoded path, maybe with a query."""
        kind = {"type": "websocket", "scheme": "ws", "subprotocols": list(subprotocols)}
        scope = {**kind, **self._scope, **extra}
        return Client(self.app, method=ABSENT).scope("GET", url, headers, **scope)

    @asynccontextmanager
    async def open(self, url: str, **options: Any) -> AsyncIterator[Socket]:
        """Begin a handshake; on leaving, the client leaves too. Options are those of `scope`."""
        socket = Socket(self.app, self.scope(url, **options))
        try:
            yield socket
        finally:
            await socket.abandon()

    @asynccontextmanager
    async def connect(self, url: str, **options: Any) -> AsyncIterator[Socket]:
        """Open a WebSocket that is accepted."""
        async with self.open(url, **options) as socket:
            await socket.accepted()
            yield socket

    async def run(self, url: str, **options: Any) -> Ending:
        """Open a WebSocket, send nothing, and wait until the app has ended it."""
        async with self.open(url, **options) as socket:
            return await socket.ended()
