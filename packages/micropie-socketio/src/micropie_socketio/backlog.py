"""What waits to be sent to one client."""

import asyncio
from collections import deque
from typing import Any

from engineio.payload import Payload  # type: ignore[import-untyped] # has no annotations

# Bytes that may wait before the client counts as gone. A broadcast waits in each client's queue,
# but is in memory once.
_MAX_BYTES = 16 * 1024**2


class Backlog(asyncio.Queue[Any]):
    """A queue of packets that knows how many bytes they are.

    It gives out no more at once than clients in Python take.
    """

    _queue: deque[Any]
    _size = 0
    _drawn = 0

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be put in."""
        return self._size > _MAX_BYTES

    async def get(self) -> Any:
        """Return the first packet, and begin a payload with it."""
        self._drawn = 0
        return await super().get()

    def get_nowait(self) -> Any:
        """Return the next packet of the same payload.

        Raises:
            asyncio.QueueEmpty: there is none, or the payload is full; others are for the next one.
        """
        if self._drawn >= Payload.max_decode_packets:
            raise asyncio.QueueEmpty
        self._drawn += 1
        return super().get_nowait()

    def clear(self) -> None:
        """Forget all packets."""
        self._queue.clear()
        self._size = 0

    # asyncio.Queue says of these two that they can be overridden.

    def _put(self, item: Any) -> None:
        self._size += _bytes(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._size -= _bytes(item)
        return item


def _bytes(item: Any) -> int:
    data = getattr(item, "data", None)  # None, at the end, is not a packet
    return len(data) if isinstance(data, str | bytes) else 0
