"""Sessions in the memory of one process: the default, and enough for a server with one worker."""

import itertools
import threading
from collections import OrderedDict
from collections.abc import Collection
from time import monotonic
from typing import Any, NamedTuple

from micropie.codec import dumps_strict, loads
from micropie.session_backend import LoadedSession, SessionBackend, hash_session_id

# Anyone can have sessions made for them, so there must be an end; small ones take 0.5 KiB each.
MAX_SESSIONS = 100_000

_EMPTY = b"{}"


class _Stored(NamedTuple):
    document: bytes
    timeout: float
    expires: float  # by time.monotonic()


class InMemorySessionBackend(SessionBackend):
    """Keeps sessions in this process: gone when it ends, unknown to its siblings.

    Every method is atomic, also between event loops in several threads. No task drops expired
    sessions: each write looks at a few that are due next, however many there are.

    Args:
        max_sessions: the most to keep, None for no limit; beyond it the session that was
            written or touched the longest time ago makes room.
    """

    def __init__(self, *, max_sessions: int | None = MAX_SESSIONS) -> None:
        if max_sessions is not None and (not isinstance(max_sessions, int) or max_sessions < 1):
            raise ValueError(f"max_sessions must be a positive integer or None: {max_sessions!r}")
        self._max_sessions = max_sessions
        self._lock = threading.Lock()
        # By hash of the id, in the order in which they were written.
        self._sessions: OrderedDict[str, _Stored] = OrderedDict()
        # Sessions with the same timeout expire in the order in which they were written. Nearly
        # always there is one timeout only, but one long session must not hold up the short ones.
        self._queues: OrderedDict[float, OrderedDict[str, None]] = OrderedDict()

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return a copy of the session, with the time left; {} if there is none."""
        with self._lock:
            stored = self._find(hash_session_id(session_id))
        if stored is None:
            return {}
        return LoadedSession(loads(stored.document), expires_in=stored.expires - monotonic())

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store a copy of *data* for *timeout* seconds; nothing, or no time, deletes."""
        document = _encoded(data)
        with self._lock:
            self._replace(hash_session_id(session_id), document, timeout)

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Change and remove single keys; False when there is no such session any more."""
        key = hash_session_id(session_id)
        with self._lock:
            stored = self._find(key)
            if stored is None:
                return False
            data = loads(stored.document)
            for name in removed:
                data.pop(name, None)
            data.update(changed)
            self._replace(key, _encoded(data), timeout)
        return True

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Keep a session, if it is still there, for another *timeout* seconds."""
        key = hash_session_id(session_id)
        with self._lock:
            stored = self._find(key)
            if stored is not None:
                self._replace(key, stored.document, timeout)

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return what it held."""
        key = hash_session_id(session_id)
        with self._lock:
            stored = self._find(key)
            if stored is None:
                return {}
            self._remove(key)
        data: dict[str, Any] = loads(stored.document)
        return data

    def _find(self, key: str) -> _Stored | None:
        stored = self._sessions.get(key)
        if stored is not None and stored.expires <= monotonic():
            self._remove(key)
            return None
        return stored

    def _replace(self, key: str, document: bytes, timeout: float) -> None:
        if key in self._sessions:
            self._remove(key)
        if document == _EMPTY or timeout <= 0:
            return
        now = monotonic()
        self._sessions[key] = _Stored(document, timeout, now + timeout)
        self._queues.setdefault(timeout, OrderedDict())[key] = None
        self._drop_expired(timeout, now)
        if self._max_sessions is not None and len(self._sessions) > self._max_sessions:
            self._remove(next(iter(self._sessions)))

    def _remove(self, key: str) -> None:
        timeout = self._sessions.pop(key).timeout
        queue = self._queues[timeout]
        del queue[key]
        if not queue:
            del self._queues[timeout]

    def _drop_expired(self, timeout: float, now: float) -> None:
        """Look at two sessions of the timeout just written, and at two of another one in turn.

        Two for one written, so every queue shrinks to its living sessions however many have
        piled up; in turn, so that queues nobody writes to any more are emptied as well.
        """
        in_turn = next(iter(self._queues))
        self._queues.move_to_end(in_turn)
        for queue in (self._queues[timeout], self._queues[in_turn]):
            for key in list(itertools.islice(queue, 2)):
                if self._sessions[key].expires > now:
                    break
                self._remove(key)


def _encoded(data: dict[str, Any]) -> bytes:
    # What orjson returns keeps hold of a buffer of 4 KiB; a copy is as long as it must be.
    return bytes(memoryview(dumps_strict(data)))
