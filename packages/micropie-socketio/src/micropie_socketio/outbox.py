"""What waits to be sent to one client."""

import asyncio
from typing import Any

from engineio import packet  # type: ignore[import-untyped] # has no annotations
from engineio.payload import Payload  # type: ignore[import-untyped] # likewise

# Bytes that may wait before the client counts as gone. A broadcast waits in each client's outbox,
# but is in memory once.
_MAX_BYTES = 16 * 1024**2


class Outbox(asyncio.Queue[Any]):
    """The queue of packets of one Engine.IO session.

    The library puts packets in, and takes them out for a poll or a WebSocket; None means that there
    will be no more. When more than `_MAX_BYTES` wait, they are dropped and the session is closed.

    Args:
        session: the library's object for the session.
    """

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session
        self._size = 0
        self._drawn = 0  # packets of the payload that is being made
        self._closing: asyncio.Future[Any] | None = None

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
        if item is not None and item.packet_type == packet.OPEN:
            # The library cuts one to whole seconds, and the other to whole milliseconds.
            server = self._session.server
            interval = server.ping_interval + server.ping_interval_grace_period
            item.data["pingInterval"] = round(interval * 1000)
            item.data["pingTimeout"] = round(server.ping_timeout * 1000)
        elif item is not None and item.binary:
            # It keeps the first form it was encoded to, and polling takes another than WebSocket:
            # in a broadcast they must not share one.
            item = packet.Packet(item.packet_type, data=item.data)
        super()._put(item)
        self._size += _bytes(item)
        if self._size > _MAX_BYTES and self._closing is None:
            while not self.empty():
                self._get()
            reason = self._session.server.reason.TRANSPORT_ERROR
            self._closing = asyncio.ensure_future(self._session.close(wait=False, reason=reason))

    def _get(self) -> Any:
        item = super()._get()
        self._size -= _bytes(item)
        return item


def _bytes(item: Any) -> int:
    data = getattr(item, "data", None)  # None, at the end, is not a packet
    return len(data) if isinstance(data, str | bytes) else 0
