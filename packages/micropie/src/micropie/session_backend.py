"""What a session store must be able to do, and what it can leave to defaults."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from typing import Any


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

    What a method raises, other than TypeError and ValueError for data that is no JSON, means
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
        """Get ready, when the app starts; a server may never call it, or call it twice."""

    async def shutdown(self) -> None:  # noqa: B027 - not every store holds something
        """Let go of connections and tasks, when the app stops; `startup` may follow."""


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
