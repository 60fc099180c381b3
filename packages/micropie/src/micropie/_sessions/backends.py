"""Session backends: what a store must do, and the one that keeps sessions in this process."""

import functools
import itertools
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Any, NamedTuple

from micropie.codec import dumps_strict, loads


class LoadedSession(dict[str, Any]):
    """A session's data, and what the store knows about it.

    Args:
        data: the session.
        expires_in: seconds until it expires; None when the store can't tell. The App pushes the
            expiry out less often when it knows.
        version: identifies what was loaded, in any form that the backend likes; the App hands it
            back to `merge`, in a SessionChanges.
    """

    __slots__ = ("expires_in", "version")

    def __init__(
        self, data: Mapping[str, Any], *, expires_in: float | None = None, version: Any = None
    ) -> None:
        super().__init__(data)
        self.expires_in = expires_in
        self.version = version


class SessionChanges(dict[str, Any]):
    """The keys of a session that a request has set or changed, with their new values.

    The App hands one to `SessionBackend.merge`. A backend that compares versions can then spare
    itself a read when nobody else has written since; all others take it for the dict it is.

    Args:
        changed: key -> new value.
        version: that of the LoadedSession which the request has changed; None if it had none.
    """

    __slots__ = ("version",)

    def __init__(self, changed: Mapping[str, Any], *, version: Any = None) -> None:
        super().__init__(changed)
        self.version = version


class SessionBackend(ABC):
    """Keeps sessions: dicts of JSON values under an id, each with a time to expire.

    A subclass implements `load` and `save`. The defaults of the other methods are built on those
    two, and between their reading and their writing another request can get in; a subclass
    overrides them to make each one atomic step of its store. An empty session is one that does
    not exist. Ids are secrets: store `hash_session_id(session_id)` in their place. Run
    `micropie.testing.SessionBackendContract` to see whether a backend keeps to all of this.

    What a method raises, other than TypeError and ValueError for data that is not JSON, means
    that the store failed: the client gets a 503.
    """

    @abstractmethod
    async def load(self, session_id: str) -> dict[str, Any]:
        """Return the data of a session; {} if there is none, or it has expired.

        The dict belongs to the caller, who may change it. A LoadedSession tells the time left.

        Args:
            session_id: whose session; any text, since it comes from a cookie.
        """

    @abstractmethod
    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store *data* in place of all that the session held, until *timeout* seconds from now.

        Empty data, or a timeout of 0 or less, deletes the session.

        Args:
            session_id: whose session.
            data: key -> JSON value.
            timeout: seconds.

        Raises:
            TypeError: *data* holds something that is not JSON; the stored session is as it was.
            ValueError: the same for NaN and whatever else `micropie.codec.dumps_strict` refuses.
        """

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Change single keys of a session that exists, and leave its other keys alone.

        Args:
            session_id: whose session.
            changed: key -> new JSON value, each replacing the whole old one; may be empty. The
                App hands over a SessionChanges, others may hand over any dict.
            removed: keys to remove, none of them in *changed*; may be empty or name keys that
                are not there.
            timeout: seconds, above 0, from now until the session expires.

        Returns:
            True when the session existed; if no key is left, it is deleted now. False when it
            never existed, was deleted or has expired: then nothing is written, so that a slow
            request can't bring back a session that was logged out.

        Raises:
            TypeError: *changed* holds something that is not JSON; nothing is written.
            ValueError: the same for NaN and whatever else `micropie.codec.dumps_strict` refuses.
        """
        stored = await self.load(session_id)
        if not stored:
            return False
        kept = {key: value for key, value in stored.items() if key not in removed}
        await self.save(session_id, kept | changed, timeout)
        return True

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Let a session expire *timeout* seconds, above 0, from now; do nothing if it is gone.

        Args:
            session_id: whose session.
            data: the caller's copy, by now perhaps out of date. It is for stores that can push
                the expiry out in no other way, and must not revert what others have saved since.
            timeout: seconds.
        """
        stored = await self.load(session_id)
        if stored:
            await self.save(session_id, stored, timeout)

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return the data it held; {} if there is none, or it has expired.

        Whatever a merge has acknowledged before is in it, and no merge succeeds afterwards.

        Args:
            session_id: whose session.
        """
        stored = await self.load(session_id)
        if stored:
            await self.save(session_id, {}, 0)
        return stored

    async def startup(self) -> None:  # noqa: B027 - most stores connect when first used
        """Prepare, when the app starts; a server may never call this, or call it twice."""

    async def shutdown(self) -> None:  # noqa: B027 - not every store holds something
        """Close connections and end tasks, when the app stops; `startup` may follow."""


def hash_session_id(session_id: str) -> str:
    """Return what a store keeps in place of *session_id*: its SHA-256 in hex, 64 characters.

    An id holds 256 random bits, so a plain hash is enough: there is nothing to guess from.
    """
    # A cookie may carry any text, and no text may make this fail.
    hashed: str = _sha256()(session_id.encode("utf-8", "surrogatepass")).hexdigest()
    return hashed


@functools.cache
def _sha256() -> Callable[[bytes], Any]:
    import hashlib  # here: it sets OpenSSL going

    return hashlib.sha256


# Any client can create sessions, so their number is bounded; small ones take 0.5 KiB each.
MAX_SESSIONS = 100_000

_NOTHING = b"{}"


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
        if document == _NOTHING or timeout <= 0:
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
    # orjson's result keeps a buffer of 4 KiB alive; a copy takes its own size.
    return bytes(memoryview(dumps_strict(data)))
