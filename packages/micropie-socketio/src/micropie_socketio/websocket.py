"""The WebSocket transport: messages checked on their way in, the connection closed in time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from micropie.types import Message, Receive, Send
from micropie_socketio.packets import CLOSE, NOOP

_POLICY_VIOLATION, _TOO_BIG, _NORMAL = 1008, 1009, 1000  # RFC 6455, 7.4.1

# The two messages of an upgrade from polling (engine.io-protocol, "Upgrade").
_UPGRADE = ("2probe", "5")

# Seconds for them, as in the Engine.IO server for Node.
_UPGRADE_TIMEOUT = 10.0

_GONE: Message = {"type": "websocket.disconnect", "code": 1006}


class Channel:
    """The ASGI channel of one WebSocket, as python-engineio is to see it.

    Args:
        session: the Engine.IO session that is upgraded; None if this is a new one.
        receive: the server's.
        send: the server's.
    """

    def __init__(self, session: Any, receive: Receive, send: Send) -> None:
        self.settled = asyncio.Event()  # the upgrade is done, or has failed
        self.ended = asyncio.Event()
        self._session = session
        self._receive = receive
        self._send = send
        self._expected = [] if session is None else list(_UPGRADE)
        self._waiting: asyncio.Timeout | None = None  # for a message
        self._is_closing = False

    async def refuse(self, *, accept: bool = False) -> None:
        """Close before the handshake is answered, or right after."""
        await self._receive()
        if accept:
            await self._send({"type": "websocket.accept"})
        await self._close(_POLICY_VIOLATION)

    async def serve(self, engine: Any, scope: Any, is_packet: Callable[[Any], bool]) -> None:
        """Let *engine*, whose limits count, serve the WebSocket.

        Args:
            engine: the `engineio.AsyncServer`.
            scope: the WebSocket's.
            is_packet: tells what a client may send.
        """
        deadline = asyncio.get_running_loop().time() + _UPGRADE_TIMEOUT
        patience = engine.ping_interval + engine.ping_timeout
        is_last = is_new = True

        async def receive() -> Message:
            """Return the next message; the end of the connection if the client may not send it."""
            nonlocal is_last, is_new
            if is_new:
                is_last = is_new = False
                return await self._receive()
            if is_last or self._is_closing:
                return _GONE
            if not self._expected:
                self.settled.set()
            message = await self._next(deadline if self._expected else None)
            text, data = message.get("text"), message.get("bytes")
            content: Any = data if text is None else text
            if message["type"] != "websocket.receive":
                self._is_closing = True
            elif len(content) > engine.max_http_buffer_size:
                await self._close(_TOO_BIG)
            elif not (content == self._expected.pop(0) if self._expected else is_packet(content)):
                await self._close(_POLICY_VIOLATION)
            is_last = self._is_closing or content == CLOSE
            return _GONE if self._is_closing else message

        async def send(message: Message) -> None:
            """Send a message; after the packet that ends the session, close."""
            if message["type"] == "websocket.close":
                await self._close(message.get("code", _NORMAL))
            if self._is_closing or message.get("text") == NOOP:
                return
            try:
                async with asyncio.timeout(patience):
                    await self._send(message)
            except Exception:
                # The client has left, or reads nothing; servers differ in what they raise.
                self.give_up()
            if message.get("text") == CLOSE:
                await self._close(_NORMAL)

        try:
            await engine.handle_request(scope, receive, send)
        finally:
            if self._session is not None and not self._session.upgraded:
                self._session.upgrading = False  # it failed; polling goes on
            await self._close(_NORMAL)
            self.settled.set()
            self.ended.set()

    def give_up(self) -> None:
        """Let what waits for the client go on without it."""
        self._is_closing = True
        if self._waiting is not None:
            self._waiting.reschedule(0)

    async def _next(self, deadline: float | None) -> Message:
        try:
            async with asyncio.timeout_at(deadline) as self._waiting:
                return await self._receive()
        except TimeoutError:
            return _GONE
        finally:
            self._waiting = None

    async def _close(self, code: int) -> None:
        if not self._is_closing:
            self._is_closing = True
            with suppress(Exception):  # it is closed already
                await self._send({"type": "websocket.close", "code": code})
            self.give_up()
