"""The receive channel of a request, shared by the body's reader and a disconnect watcher."""

import asyncio

from micropie._blocked import DONE, Blocked
from micropie.types import Message, Receive

# Servers pass on what one read from the socket gave, 64 to 256 KiB at most.
_MESSAGES_AHEAD = 8


class Inbox:
    """The messages of one request.

    Theory of operation. The reader of the body wants messages. So does the watcher, which waits for
    the client to leave while a response is streamed, because only `receive()` tells. One call of
    it runs at a time; `_receive_lock` serialises the two. The watcher keeps messages in `_ahead`,
    from which the reader takes before it receives. When `_ahead` is full, the watcher waits for
    `_room` and receives nothing more, so the server's back-pressure reaches the client.

    Lock and event are created lazily: until someone blocks there is no contention, and most bodies
    have arrived with the head, so that their reader never blocks.

    Args:
        receive: the ASGI channel.
    """

    _receive_lock: asyncio.Lock | None = None
    _room: asyncio.Event | None = None
    _ahead: list[Message] | None = None
    _message: Message  # the last one received
    _blocked: Blocked | None = None  # a receive() that `at_once` has begun

    def __init__(self, receive: Receive) -> None:
        self.receive = receive

    def at_once(self) -> Message | None:
        """Return the next message if it has arrived; else None, and the caller awaits `next`."""
        if self._ahead:
            return self._take(self._ahead)
        if self._receive_lock is None and self._blocked is None:
            receiving = self._receive_message().__await__()
            waits_for = next(receiving, DONE)
            if waits_for is DONE:
                return self._message
            self._blocked = Blocked(receiving, waits_for)
        return None

    async def next(self, timeout: float | None) -> Message:
        """Return the next message after `at_once` has returned None.

        Raises:
            TimeoutError: none came within *timeout* seconds.
        """
        blocked, self._blocked = self._blocked, None
        if self._receive_lock is None:
            self._receive_lock = asyncio.Lock()
        async with asyncio.timeout(timeout), self._receive_lock:
            if self._ahead:  # the watcher held the lock, and received
                return self._take(self._ahead)
            await (blocked or self._receive_message())
            return self._message

    async def receive_kept(self) -> Message:
        """Return the next message, one of those kept if there are any: another app's channel."""
        return self._take(self._ahead) if self._ahead else await self.receive()

    async def wait_for_disconnect(self) -> None:
        """Wait until the client has left.

        Behind more of a body than `_ahead` holds, unread, the departure stays hidden.
        """
        ahead = self._ahead = self._ahead or []
        self._room = asyncio.Event()
        if self._receive_lock is None:
            self._receive_lock = asyncio.Lock()
        while True:
            async with self._receive_lock:
                message = await self.receive()
            if message["type"] == "http.disconnect":
                return
            ahead.append(message)
            while len(ahead) >= _MESSAGES_AHEAD:
                self._room.clear()
                await self._room.wait()

    def _take(self, ahead: list[Message]) -> Message:
        if self._room is not None:
            self._room.set()
        return ahead.pop(0)

    async def _receive_message(self) -> None:
        # Kept, because a coroutine returns its value to next() as an exception, which is slower.
        self._message = await self.receive()
