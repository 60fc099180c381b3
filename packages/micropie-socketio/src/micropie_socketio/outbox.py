"""What waits to be sent to one client."""

import asyncio
import time
from typing import Any

from engineio import packet  # type: ignore[import-untyped] # has no annotations
from engineio.payload import Payload  # type: ignore[import-untyped] # likewise

# Bytes that may wait before the client counts as gone. A broadcast waits in each client's outbox,
# but is in memory once.
_MAX_BYTES = 16 * 1024**2

# Seconds by which a client may be taken for silent too early. Both sides count from the handshake
# or from the last pong, which neither sees when the other does, and timers are late.
_TOLERANCE = 0.02


class Outbox(asyncio.Queue[Any]):
    """The queue of packets of one Engine.IO session.

    Theory of operation. The library puts packets in, and takes them out for a poll or a WebSocket;
    None means that there will be no more. An outbox ends, by `finish`, when its session does: with
    the packet CLOSE, with a ping that stays unanswered, with more than `_MAX_BYTES`, or when the
    gate says so. From then on nobody waits for it, and what is put in is dropped.

    Args:
        session: the library's object for the session.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        self._server = session.server
        self._size = 0
        self._drawn = 0  # packets of the payload that is being made
        self._is_finished = False
        self._ping: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[Any] | None = None

    def finish(self) -> None:
        """Let whoever waits for a packet go on; a poll gets NOOP when there is nothing else."""
        if not self._is_finished:
            if self.empty():
                self.put_nowait(packet.Packet(packet.NOOP))
            self.put_nowait(None)
            self._is_finished = True
        if self._ping is not None:
            self._ping.cancel()

    async def close_if_silent(self) -> bool:
        """Close the session of a client that has not answered a ping in time; tell whether so."""
        pinged_at, patience = self._session.last_ping, self._server.ping_timeout - _TOLERANCE
        is_silent = pinged_at is not None and time.time() - pinged_at > patience
        if is_silent:
            self.finish()
            await self._session.close(wait=False, reason=self._server.reason.PING_TIMEOUT)
        return is_silent

    async def get(self) -> Any:
        """Return the first packet, and begin a payload with it."""
        self._drawn = 0
        return await super().get()

    def get_nowait(self) -> Any:
        """Return the next packet of the same payload.

        Raises:
            asyncio.QueueEmpty: there is none, or the payload has as many as clients in Python take.
        """
        if self._drawn >= Payload.max_decode_packets:
            raise asyncio.QueueEmpty
        self._drawn += 1
        return super().get_nowait()

    # asyncio.Queue says of these two that they can be overridden.

    def _put(self, item: Any) -> None:
        if item is None:
            super()._put(item)
        elif not self._is_finished:
            super()._put(self._checked(item))
            self._size += _bytes(item)
            if self._size > _MAX_BYTES:
                self._give_up()

    def _get(self) -> Any:
        item = super()._get()
        self._size -= _bytes(item)
        return item

    def _checked(self, item: Any) -> Any:
        """Return a packet as it is to be sent; prepare for what follows it."""
        loop = asyncio.get_running_loop()
        if item.packet_type == packet.OPEN:
            # The library cuts one to whole seconds, and the other to whole milliseconds.
            interval = self._server.ping_interval + self._server.ping_interval_grace_period
            item.data["pingInterval"] = round(interval * 1000)
            item.data["pingTimeout"] = round(self._server.ping_timeout * 1000)
        elif item.packet_type == packet.PING:
            # The library looks for clients that are silent in turns of the time-out.
            self._ping = loop.call_later(self._server.ping_timeout, self._look_after_ping)
        elif item.packet_type == packet.CLOSE:
            self._is_finished = True
            loop.call_soon(self.put_nowait, None)  # after this packet
        elif item.binary:
            # It keeps the first form it was encoded to, and polling takes another than WebSocket:
            # in a broadcast they must not share one.
            return packet.Packet(item.packet_type, data=item.data)
        return item

    def _look_after_ping(self) -> None:
        self._closing = asyncio.ensure_future(self.close_if_silent())

    def _give_up(self) -> None:
        """End the session of a client that does not take what it is sent."""
        while not self.empty():
            self._get()
        self.finish()
        reason = self._server.reason.TRANSPORT_ERROR
        self._closing = asyncio.ensure_future(self._session.close(wait=False, reason=reason))


def _bytes(item: Any) -> int:
    data = getattr(item, "data", None)  # None, at the end, is not a packet
    return len(data) if isinstance(data, str | bytes) else 0
