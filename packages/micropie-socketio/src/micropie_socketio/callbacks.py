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


class Callbacks(dict[Any, "_Pending"]):
    """The `callbacks` of a client manager: {client or room: {id: callback}}.

    The library takes an entry out when it is answered, and those of a client of this process when
    it leaves. Here an entry goes as well when the `call` that made it is over, and when there are
    too many; nothing is left of a client for which no callback waits.

    Args:
        on_left: is told of a client of this process that has left before it answered.
    """

    def __init__(self, on_left: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self._on_left = on_left
        self.places: dict[_Place, None] = {}  # in the order in which they were noted
        # Not one per client, as in the library: an answer that comes too late must not be taken
        # for that to a later call.
        self.ids = itertools.count(1)

    def __setitem__(self, room: Any, ids: dict[int, Any]) -> None:
        super().__setitem__(room, _Pending(self, room))

    def __delitem__(self, room: Any) -> None:
        """Forget a client that has left; tell *on_left*: other workers may wait for it."""
        self.drop(room)
        if self._on_left is not None:
            self._on_left(room)

    def drop(self, room: Any) -> None:
        """Forget all that waits for a client or room."""
        for number in self.pop(room, ()):
            self.places.pop((room, number), None)

    def forget(self, place: _Place) -> None:
        """Forget one callback, if it still waits."""
        room, number = place
        pending = self.get(room)
        if pending and number in pending:
            del pending[number]

    @contextmanager
    def forgetting(self) -> Iterator[None]:
        """Forget the callbacks that the block noted when it is left."""
        places: list[_Place] = []
        token = _noted.set(places)
        try:
            yield
        finally:
            _noted.reset(token)
            for place in places:
                self.forget(place)


class _Pending(dict[int, Any]):
    """The callbacks of one client or room, by id; id 0 is what ids are taken from."""

    def __init__(self, owner: Callbacks, room: Any) -> None:
        super().__init__()
        self._owner = owner
        self._room = room

    def __missing__(self, number: int) -> Any:
        if number == 0:
            return self._owner.ids
        raise KeyError(number)

    def __setitem__(self, number: int, callback: Any) -> None:
        super().__setitem__(number, callback)
        place = self._room, number
        self._owner.places[place] = None
        if (noted := _noted.get()) is not None:
            noted.append(place)
        if len(self._owner.places) > _MOST:
            self._owner.forget(next(iter(self._owner.places)))

    def __delitem__(self, number: int) -> None:
        super().__delitem__(number)
        self._owner.places.pop((self._room, number), None)
        if not self:
            self._owner.pop(self._room, None)
