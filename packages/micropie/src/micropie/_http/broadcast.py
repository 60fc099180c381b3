"""Broadcast: messages to WebSockets and event streams, none of which holds up the others."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Literal

from micropie import codec
from micropie._errors import logger
from micropie._http.channel import TRY_AGAIN_LATER, ConnectionClosed
from micropie._http.websocket import WebSocket
from micropie.parameters import check_number
from micropie.types import Message

# Seconds of sending after which other tasks get a turn.
_SENDING_TURN = 0.001


class Broadcast:
    """Sends messages to whoever has joined, in one process.

    Args:
        max_waiting: messages that may wait for a member that takes them slowly.
        when_slow: what becomes of a member for which more would wait: "drop" ends it (a WebSocket
            is closed with 1013, an iteration ends), "skip" lets it miss the oldest.

    Raises:
        TypeError, ValueError: an argument is of the wrong type, or invalid.
    """

    __module__ = "micropie"

    def __init__(
        self, *, max_waiting: int = 100, when_slow: Literal["drop", "skip"] = "drop"
    ) -> None:
        check_number("max_waiting", max_waiting, int, least=1)
        if when_slow not in ("drop", "skip"):
            raise ValueError(f'when_slow must be "drop" or "skip", not {when_slow!r}')
        self._max_waiting = max_waiting
        self._drops = when_slow == "drop"
        self._rooms: dict[str, dict[Member, None]] = {}
        # Every member gets the messages in the same order, though `send` lets other tasks run.
        self._sending = asyncio.Lock()

    @asynccontextmanager
    async def join(self, ws: WebSocket | None = None, *, room: str = "") -> "AsyncIterator[Member]":
        """Be a member while the block of `async with` lasts.

        Args:
            ws: an accepted WebSocket, on which the messages are sent; None to iterate over them.
            room: whose messages to get.
        """
        member = Member(self, room, ws)
        self._rooms.setdefault(room, {})[member] = None
        try:
            yield member
        finally:
            member.leave()
            await member._flush()

    async def send(self, message: Any, *, room: str = "") -> None:
        """Send *message* to all members of *room*; waits for none of them.

        Args:
            message: a str or bytes as they are, anything else as JSON.
            room: whose members get it.

        Raises:
            TypeError, ValueError: it has no JSON form, or is text with a lone surrogate.
        """
        sent = _message(message)
        async with self._sending:
            turn_ends = perf_counter() + _SENDING_TURN
            for member in tuple(self._rooms.get(room, ())):
                member._put(sent)
                if perf_counter() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = perf_counter() + _SENDING_TURN


class Member:
    """One that has joined a Broadcast; iterate over it for its messages, if there is no WebSocket.

    Theory of operation. What can't be handed on at once waits in `_waiting`. For a WebSocket
    nothing does while its server takes messages without waiting for the client; else `_pump` is the
    task that sends what waits, and that ends when nothing is left. An iteration takes the messages
    itself, and waits for `_wake`.
    """

    __module__ = "micropie"

    def __init__(self, broadcast: Broadcast, room: str, ws: WebSocket | None) -> None:
        self._broadcast = broadcast
        self._room = room
        self._ws = ws
        self._waiting: deque[Message] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._close: asyncio.Task[None] | None = None  # kept, because the event loop does not
        self._has_left = False

    def leave(self) -> None:
        """Get no more messages; ends an iteration."""
        if not self._has_left:
            self._has_left = True
            members = self._broadcast._rooms[self._room]
            del members[self]
            if not members:
                del self._broadcast._rooms[self._room]
            self._wake_up()

    def __aiter__(self) -> "Member":
        return self

    async def __anext__(self) -> str | bytes:
        """Return the next message; the iteration ends when the member has left."""
        while not self._has_left:
            if self._waiting:
                message = self._waiting.popleft()
                text: str | None = message.get("text")
                data: str | bytes = message["bytes"] if text is None else text
                return data
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        raise StopAsyncIteration

    def _put(self, message: Message) -> None:
        """Send *message*, or let it wait."""
        if self._has_left:
            return
        ws = self._ws
        if ws is not None and self._pump is None:
            try:
                rest = ws._channel.send_soon(message)
            except Exception as error:
                self._fail(error)
            else:
                if rest is not None:
                    self._pump = asyncio.create_task(self._send_waiting(ws, rest))
            return
        if len(self._waiting) >= self._broadcast._max_waiting:
            if self._broadcast._drops:
                self._drop()
                return
            self._waiting.popleft()
        self._waiting.append(message)
        self._wake_up()

    def _drop(self) -> None:
        self.leave()
        self._waiting.clear()
        if self._ws is not None:
            self._close = asyncio.create_task(self._ws.close(TRY_AGAIN_LATER, "too slow"))

    def _fail(self, error: Exception) -> None:
        """Leave because of *error*; that its client has left a handler learns from `receive`."""
        if not isinstance(error, ConnectionClosed | OSError):
            logger.error("a broadcast could not send", exc_info=error)
        self.leave()

    async def _send_waiting(self, ws: WebSocket, rest: Awaitable[None] | None) -> None:
        try:
            if rest is not None:
                await rest
            while self._waiting:
                rest = ws._channel.send_soon(self._waiting.popleft())
                if rest is not None:
                    await rest
        except Exception as error:
            self._fail(error)
        self._pump = None

    async def _flush(self) -> None:
        """Wait until what waits has been sent, unless it can't be."""
        if self._pump is not None and self._ws is not None and not self._ws.closed:
            await asyncio.wait({self._pump})

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)


def _message(message: Any) -> Message:
    if isinstance(message, bytes | bytearray | memoryview):
        return {"type": "websocket.send", "bytes": bytes(message)}
    text = message if isinstance(message, str) else codec.dumps(message).decode()
    if not text.isascii():
        text.encode()  # raises for a lone surrogate, once for all members
    return {"type": "websocket.send", "text": text}
