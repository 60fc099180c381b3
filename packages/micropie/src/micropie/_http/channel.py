"""The ASGI channel of a WebSocket: messages both ways, with their limits, and how it was closed."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

from micropie._blocked import DONE, Blocked
from micropie.types import Message, Receive, Scope, Send

# RFC 6455, 7.4.1.
NORMAL, UNSUPPORTED_DATA, NO_STATUS, ABNORMAL = 1000, 1003, 1005, 1006
INVALID_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1007, 1008, 1009, 1011
SERVICE_RESTART, TRY_AGAIN_LATER = 1012, 1013  # IANA's registry

# Seconds for the server to hand over the code of a close that made a send fail: it has it at hand.
_FAREWELL = 1.0


class ConnectionClosed(Exception):
    """The WebSocket is closed; a handler may let this out.

    Attributes:
        code: the close code of RFC 6455; 1005 for none, 1006 for a connection that broke, or whose
            client did not take a message in time.
        reason: what the side that closed gave, or "".
    """

    __module__ = "micropie"

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Channel:
    """What the server tells and is told about one WebSocket.

    Theory of operation. The connection is open until `mark_closed` notes the code that counts: the
    first that comes, from the client, from `close`, or from `_give_up`. The server tells everything
    through `receive`. `_receivers` are the tasks that wait in it, most often one. A send that fails
    learns no code: it waits until one of these has received it, or receives by itself.
    `_give_up` can't count on the server, which may be stuck, and wakes the receivers itself.

    Args:
        scope: of the connection.
        receive: the ASGI channel.
        send: the ASGI channel.
        max_size: bytes of a message from the client; None for no limit.
        send_timeout: seconds that a send may take; None for no limit.

    Attributes:
        accepted: whether the handshake was accepted.
        closed: whether either side has closed.
        closed_with: the code and reason that count, once it has.
        max_size: as given.
    """

    # Half a KiB less for each idle WebSocket.
    __slots__ = (
        *("accepted", "closed", "closed_with", "_receive", "_send", "max_size", "_send_timeout"),
        *("_send_raises", "_ahead", "_receivers", "_is_waking", "_turn"),
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        max_size: int | None,
        send_timeout: float | None,
    ) -> None:
        self.accepted = False
        self.closed = False
        self.closed_with: tuple[int, str] = (ABNORMAL, "")
        self._receive = receive
        self._send = send
        self.max_size = max_size
        self._send_timeout = send_timeout
        self._send_raises = _send_raises(scope)
        # The next message, awaited before the handler asks for it.
        self._ahead: asyncio.Future[Message] | None = None
        # The tasks that wait for the server; each with its `cancelling()` of then, as
        # asyncio.timeout() keeps it, to tell a cancellation of `_give_up` from any other.
        self._receivers: dict[asyncio.Task[Any], int] = {}
        self._is_waking = False
        self._turn: asyncio.Future[None] | None = None  # done when a receiver has ended

    async def next(self) -> str | bytes:
        """Return the next message.

        Raises:
            ConnectionClosed: there will be none.
            RuntimeError: the handshake was not accepted.
        """
        if self.closed or not self.accepted:
            self._check_open()
        message: Message
        if not self._send_raises:
            message = await self._receive_ahead()
        elif self._receivers:
            message = await self._receive_now()
        else:
            # Here, and not there: a message that has arrived costs no more than that.
            steps = self._receive().__await__()
            try:
                waits_for = next(steps)
            except StopIteration as received:
                message = received.value
            else:
                message = await self._receive_now(Blocked(steps, waits_for))
        if message["type"] == "websocket.disconnect":
            raise self._disconnected(message)
        data: str | bytes | None = message.get("text")
        if data is None:
            data = message.get("bytes") or b""
        # At most four bytes a character.
        most = self.max_size
        if most is not None and len(data) * 4 > most and _size(data) > most:
            del message, data  # not for as long as the traceback of what is raised
            await self.close(TOO_BIG, "the message is too big")
            raise ConnectionClosed(*self.closed_with)
        return data

    async def _receive_now(self, blocked: Blocked | None = None) -> Message:
        """Return the server's next message; `_give_up` may end the waiting for it."""
        task: Any = asyncio.current_task()
        cancelling = self._receivers[task] = task.cancelling()
        try:
            message: Message = await (blocked or self._receive())
            return message
        except asyncio.CancelledError:
            if not self._is_waking or task.uncancel() > cancelling:
                raise
            raise ConnectionClosed(*self.closed_with) from None
        finally:
            del self._receivers[task]
            if self._turn is not None and not self._turn.done():
                self._turn.set_result(None)

    async def _receive_ahead(self) -> Message:
        """Return the next message, which `_check_sending` may have begun to receive."""
        while True:
            ahead = self._look_ahead()
            await asyncio.wait({ahead})  # being cancelled, it leaves the message for the next call
            if self.closed:  # another task may have closed
                raise ConnectionClosed(*self.closed_with)
            if self._ahead is ahead:  # and another may have taken this message
                self._ahead = None
                return ahead.result()

    def _look_ahead(self) -> asyncio.Future[Message]:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._receive())
        return self._ahead

    def stop_looking_ahead(self) -> None:
        """Receive no more; Granian closes only when nobody does."""
        if self._ahead is not None:
            self._ahead.cancel()

    def check_sending(self) -> None:
        """Raise what a send must raise, as far as it is known: see `next`."""
        if self.closed or not self.accepted:
            self._check_open()
        if not self._send_raises and self._look_ahead().done():
            message = self._look_ahead().result()
            if message["type"] == "websocket.disconnect":
                raise self._disconnected(message)

    def _disconnected(self, message: Message) -> ConnectionClosed:
        # A server may leave the code out, or send None for the reason.
        return self.mark_closed(message.get("code") or NO_STATUS, message.get("reason") or "")

    def _check_open(self) -> None:
        if self.closed:
            raise ConnectionClosed(*self.closed_with)
        if not self.accepted:
            raise RuntimeError("await ws.accept() before receiving or sending")

    def mark_closed(self, code: int, reason: str = "") -> ConnectionClosed:
        """Count the connection as closed; return the error that says so from now on."""
        if not self.closed:
            self.closed, self.closed_with = True, (code, reason)
        return ConnectionClosed(*self.closed_with)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, or refuse the handshake, if neither side has."""
        if not self.closed:
            self.mark_closed(code, reason)
            self.stop_looking_ahead()
            with suppress(ConnectionClosed):  # the client was faster, or takes nothing
                await self.transmit({"type": "websocket.close", "code": code, "reason": reason})

    async def stop(self) -> None:
        """Close because the server wants to stop; who waits for a message hears of it."""
        if not self.closed:
            self._wake_receivers()
            await self.close(SERVICE_RESTART, "the server is stopping")

    async def transmit(self, message: Message) -> None:
        """Send *message* to the server.

        Raises:
            ConnectionClosed: the client has left, or does not take it in time.
        """
        try:
            steps = self._send(message).__await__()
            if (waits_for := next(steps, DONE)) is DONE:
                return
        except OSError:  # ASGI: what send() raises after the client has left
            raise await self._left() from None
        await self._finish(Blocked(steps, waits_for))

    def send_soon(self, message: Message) -> Awaitable[None] | None:
        """Send *message*, as far as the client need not be waited for; return the rest of that.

        Raises:
            ConnectionClosed, OSError: the client has left.
        """
        self.check_sending()
        if not self._send_raises:
            # Other servers may bind what they do to the task that they are called in.
            return self.transmit(message)
        steps = self._send(message).__await__()
        waits_for = next(steps, DONE)
        return None if waits_for is DONE else self._finish(Blocked(steps, waits_for))

    async def _finish(self, blocked: Blocked) -> None:
        try:
            async with asyncio.timeout(self._send_timeout):
                await blocked
        except TimeoutError:
            raise self._give_up() from None
        except OSError:
            raise await self._left() from None

    async def _left(self) -> ConnectionClosed:
        """Return the error for a client that has left, with its code if the server knows that."""
        receive = self._receive_now if self._send_raises else self._receive_ahead
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(_FAREWELL):
                while not self.closed:
                    if self._receivers:
                        if self._turn is None or self._turn.done():
                            self._turn = asyncio.get_running_loop().create_future()
                        await asyncio.wait({self._turn})
                    elif (message := await receive())["type"] == "websocket.disconnect":
                        self._disconnected(message)
        return self.mark_closed(ABNORMAL)

    def _give_up(self) -> ConnectionClosed:
        """Count the connection as broken, whatever the server says; wake the receivers."""
        self._wake_receivers()
        return self.mark_closed(ABNORMAL, "the client takes no messages")

    def _wake_receivers(self) -> None:
        if not self._is_waking:  # else one would be cancelled twice
            self._is_waking = True
            self.stop_looking_ahead()
            for task in self._receivers:
                task.cancel()


def _size(data: str | bytes) -> int:
    """Return the bytes of *data*, of text in UTF-8."""
    if isinstance(data, str) and not data.isascii():
        return len(data.encode("utf-8", "surrogatepass"))
    return len(data)


def _send_raises(scope: Scope) -> bool:
    """Tell whether send() raises when the client has left.

    It does since ASGI 2.4. Older servers, Hypercorn, Daphne and Granian among them, drop what is
    sent, and a handler that only sends would go on forever.
    """
    version: str = scope.get("asgi", {}).get("spec_version", "2.0")
    return tuple(map(int, version.split("."))) >= (2, 4)
