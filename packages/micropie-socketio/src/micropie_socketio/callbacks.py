"""Callbacks that wait for an acknowledgement, and how they are forgotten."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

# The most that wait, of all clients together; then the oldest goes. One takes some 300 bytes.
_MOST = 100_000

_Place = tuple[Any, int]  # client or room, and the id of the acknowledgement

# The callbacks that were noted since `forgetting` was entered in this task.
_noted: ContextVar[list[_Place] | None] = ContextVar("micropie_socketio_noted", default=None)


class Callbacks(dict[Any, dict[int, Any]]):
    """The `callbacks` of a client manager: {client or room: {id: callback}}.

    The library takes a callback out when it is answered, and those of a client of this process when
    it leaves. Here one goes as well when the `call` that made it is over, and when too many wait.
    The library takes the ids of a client from what it puts under the id 0 itself: from that these
    callbacks know of each new one.

    Args:
        on_left: is told of a client of this process that has left, if it was ever asked.
    """

    def __init__(self, on_left: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self._on_left = on_left
        # Not one per client, as in the library: an answer that comes too late must not be taken
        # for that to a later call.
        self._ids = itertools.count(1)
        self._places: list[_Place] = []  # in the order in which they were noted; some are answered

    def __setitem__(self, room: Any, ids: dict[int, Any]) -> None:
        super().__setitem__(room, {0: self._ids_of(room)})

    def __delitem__(self, room: Any) -> None:
        """Forget a client that has left; tell *on_left*: other workers may wait for it."""
        super().__delitem__(room)
        if self._on_left is not None:
            self._on_left(room)

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Forget the callbacks that the block noted when it is left."""
        places: list[_Place] = []
        token = _noted.set(places)
        try:
            yield
        finally:
            _noted.reset(token)
            self._forget(places)

    def _ids_of(self, room: Any) -> Iterator[int]:
        for number in self._ids:
            if len(self._places) >= 2 * _MOST:
                waiting = [one for one in self._places if one[1] in self.get(one[0], ())]
                self._places = waiting[-_MOST:]
                self._forget(waiting[:-_MOST])
            for places in (self._places, _noted.get()):
                if places is not None:
                    places.append((room, number))
            yield number

    def _forget(self, places: list[_Place]) -> None:
        for room, number in places:
            self.get(room, {}).pop(number, None)
