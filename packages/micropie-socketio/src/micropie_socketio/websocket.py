"""The WebSocket transport: messages checked on their way in, the connection closed in time."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from micropie.types import Message, Receive, Send
from micropie_socketio.packets import CLOSE, is_engine_packet

if TYPE_CHECKING:
    from micropie_socketio.engine import Engine

_POLICY_VIOLATION, _TOO_BIG, _NORMAL = 1008, 1009, 1000  # RFC 6455, 7.4.1

# Of the two messages of an upgrade from polling (engine.io-protocol, "Upgrade").
_PROBE, _UPGRADE = "2probe", "5"

# Seconds for them, as in the Engine.IO server for Node.
_UPGRADE_TIMEOUT = 10.0


class Channel:
    """The ASGI channel of one WebSocket, as python-engineio is to see it.

    Args:
        engine: whose limits count.
        session: the Engine.IO session that is upgraded; None if this is a new one.
        receive: the server's.
        send: the server's.
    """

    def __init__(self, engine: "Engine", session: Any, receive: Receive, send: Send) -> None:
        self.ended = asyncio.Event()
        self._engine = engine
        self._session = session
        self._receive = receive
        self._send = send
        self._expected = [] if session is None else [_PROBE, _UPGRADE]
        self._deadline = asyncio.get_running_loop().time() + _UPGRADE_TIMEOUT
        self._waiting: asyncio.Timeout | None = None  # for a message
        self._is_new = True
        self._is_closing = False

    async def refuse(self) -> None:
        """Close before the handshake is answered."""
        await self._receive()
        await self._close(_POLICY_VIOLATION)

    async def receive(self) -> Message:
        """Return the next message; the end of the connection if that is none that may be sent."""
        if self._is_new:
            self._is_new = False
            return await self._receive()
        if self._is_closing:
            return _GONE
        message = await self._next()
        if message["type"] != "websocket.receive":
            self._is_closing = True
            return message
        data = message.get("text")
        if data is None:
            data = message.get("bytes") or b""
        if len(data) > self._engine.max_http_buffer_size:
            await self._close(_TOO_BIG)
        elif not self._is_expected(data):
            await self._close(_POLICY_VIOLATION)
        else:
            return message
        return _GONE

    async def send(self, message: Message) -> None:
        """Send a message; after the packet that ends the session, close."""
        if message["type"] == "websocket.close":
            await self._close(message.get("code", _NORMAL))
        if self._is_closing:
            return
        try:
            async with asyncio.timeout(self._engine.ping_interval + self._engine.ping_timeout):
                await self._send(message)
        except Exception:
            # The client has left, or reads nothing; servers differ in what they raise.
            self.give_up()
        else:
            if message.get("text") == CLOSE:
                await self._close(_NORMAL)

    async def close(self) -> None:
        """Close the connection at its end, if it is still open."""
        if self._session is not None and not self._session.upgraded:
            self._session.upgrading = False  # it failed; polling goes on
        await self._close(_NORMAL)
        self.ended.set()

    def give_up(self) -> None:
        """Let what waits for the client go on without it."""
        self._is_closing = True
        if self._waiting is not None:
            self._waiting.reschedule(0)

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._deadline if self._expected else None) as waiting:
                self._waiting = waiting
                return await self._receive()
        except TimeoutError:
            return _GONE
        finally:
            self._waiting = None

    def _is_expected(self, data: str | bytes) -> bool:
        if self._expected:
            return data == self._expected.pop(0)
        return is_engine_packet(data)

    async def _close(self, code: int) -> None:
        if not self._is_closing:
            self._is_closing = True
            with suppress(Exception):  # it is closed already
                await self._send({"type": "websocket.close", "code": code})
            self.give_up()


_GONE: Message = {"type": "websocket.disconnect", "code": 1006}
