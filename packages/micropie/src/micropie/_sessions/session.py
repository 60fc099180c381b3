"""Session: one browser's data during one request, and what the request changed in it."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any

from micropie._errors import logger
from micropie._sessions.backends import SessionChanges
from micropie.codec import dumps_strict

# The key under which a store keeps the session's own lifetime; no user sees it.
LIFETIME = "micropie.lifetime"


# The values set or changed, and the keys removed.
Changes = tuple[SessionChanges, set[str]]


class Session(dict[str, Any]):
    """A dict of JSON values that knows which of them changed, however deep inside.

    Theory of operation. `_stored` has a fingerprint of each value as the store has it. Setting a
    value notes nothing; `changes` compares all values with their fingerprints, so a change inside
    of a list counts, and a session is as fast as a dict. What is more than a change of values is a
    flag: `is_cleared` deletes what is stored, `is_moving` gives it another id. `mark_stored` takes
    the present for what is stored, and lowers the flags. After the last storing `finish` makes a
    FinishedSession of it, which reports what is changed from then on.

    Args:
        data: what is stored.
        session_id: the id it is stored under; None for a new session.
        expires_in: seconds it has left; None if the store did not say.
        version: what the store calls the data as it was loaded; None if it did not say.
    """

    # Defaults live on the class: most sessions never set these.
    #: Seconds, if the session has a life of its own.
    lifetime: float | None = None
    _stored_lifetime: float | None = None
    #: The id to store a new session under; None for a random one.
    next_id: str | None = None
    #: Set by clear(): the stored session goes, whatever is put into this one afterwards.
    is_cleared = False
    #: Set by move(), for Request.regenerate_session(): the data moves to a new id.
    is_moving = False
    #: Method, path and handler of whoever answered, for the log.
    answered_by: tuple[str, str, str] | None = None

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        session_id: str | None = None,
        *,
        expires_in: float | None = None,
        version: Any = None,
    ) -> None:
        super().__init__(data or {})
        if LIFETIME in self:
            self.lifetime = self._stored_lifetime = self.pop(LIFETIME)
        self.session_id = session_id
        self._loaded_at = monotonic()
        self._expires_in = expires_in
        self._version = version
        self._stored = {key: _snapshot(key, value) for key, value in self.items()}

    def clear(self) -> None:
        """Empty the session and delete what is stored; values set later start a new session."""
        super().clear()
        self.lifetime = None
        self.is_cleared = True

    def set_lifetime(self, seconds: float) -> None:
        """Let the session live for *seconds* after each use, until it is cleared."""
        self.lifetime = seconds

    def move(self) -> None:
        """Let the data move to a new id when the session is stored."""
        self.is_moving = True

    def changes(self) -> Changes:
        """Return the values set or changed since the session was stored, and the keys removed.

        Raises:
            TypeError: a value, or a key, is of a type that JSON does not have.
            ValueError: a number or string that JSON can't carry.
        """
        changed = SessionChanges({}, version=self._version)
        for key, value in self.items():
            snapshot = _snapshot(key, value)
            if key not in self._stored or self._stored[key] != snapshot:
                changed[key] = value
        removed = self._stored.keys() - self.keys()
        if changed and LIFETIME in changed:
            raise ValueError(f"session[{LIFETIME!r}]: the key is reserved; use session_lifetime()")
        if self.lifetime != self._stored_lifetime or not self:
            if self and self.lifetime is not None:
                changed[LIFETIME] = self.lifetime
            elif self._stored_lifetime is not None:  # an empty session leaves nothing behind
                removed.add(LIFETIME)
        return changed, removed

    def document(self) -> dict[str, Any]:
        """Return what a store keeps of the session."""
        return dict(self) if self.lifetime is None else {**self, LIFETIME: self.lifetime}

    @property
    def is_unsaved(self) -> bool:
        """Whether something was done to the session since it was stored."""
        try:
            changed, removed = self.changes()
        except (TypeError, ValueError):
            return True
        is_moving = self.is_moving and self.session_id is not None
        return bool(changed or removed or self.is_cleared or is_moving)

    def replace(self, data: Mapping[str, Any]) -> None:
        """Hold *data* instead; unlike clear(), this does not delete what is stored."""
        super().clear()
        self.update(data)
        self.lifetime = self.pop(LIFETIME, None)

    @property
    def expires_in(self) -> float | None:
        """Seconds it has left now; in a WebSocket it may have been loaded hours ago."""
        if self._expires_in is None:
            return None
        return self._expires_in - (monotonic() - self._loaded_at)

    def mark_touched(self, expires_in: float) -> None:
        """Record that it expires in *expires_in* seconds."""
        self._loaded_at = monotonic()
        self._expires_in = expires_in

    def mark_stored(self, session_id: str | None, expires_in: float | None = None) -> None:
        """Record that the session is stored as it is now.

        Args:
            session_id: under which id; None: it was deleted.
            expires_in: seconds from now.
        """
        self._loaded_at = monotonic()
        self._expires_in = expires_in
        self._version = None  # the stored one is another now
        self._stored_lifetime = self.lifetime
        self.session_id = session_id
        self.next_id = None
        self.is_cleared = self.is_moving = False
        self._stored = {key: _snapshot(key, value) for key, value in self.items()}

    def finish(self) -> None:
        """Report changes from now on: the session was stored, and nothing stores it again."""
        self.__class__ = FinishedSession


class FinishedSession(Session):
    """A session after its last storing: a task that outlives its request may still change it.

    The class is exchanged, so that a session that is not finished stays as fast as a dict.
    """

    _is_reported = False

    def report_changes(self) -> None:
        """Log, once, that something was changed which is not stored."""
        if self._is_reported or not self.is_unsaved:
            return
        self._is_reported = True
        logger.error(
            "%s %r: %s changed the session after its response had begun; that is not stored",
            *(self.answered_by or ("session", "", "something")),
        )

    def finish(self) -> None:
        """Do nothing: it is finished."""


def _report_changes_by(name: str) -> None:
    """Let FinishedSession report what its method *name* changes."""
    method = getattr(Session, name)

    def call(self: FinishedSession, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *args, **kwargs)
        self.report_changes()
        if isinstance(result, dict | list) and result is not self:
            # It may be changed in place by whoever gets it now.
            with suppress(RuntimeError):  # in a thread, without an event loop
                asyncio.get_running_loop().call_soon(self.report_changes)
        return result

    setattr(FinishedSession, name, call)


for _method in (
    *("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "update"),
    *("move", "set_lifetime", "setdefault", "__getitem__", "get"),
):
    _report_changes_by(_method)


def _snapshot(key: Any, value: Any) -> Any:
    """Return an immutable fingerprint of *value*, to detect changes in place."""
    if not isinstance(key, str):
        raise TypeError(
            f"the session has a key of type {type(key).__name__}; sessions have str keys"
        )
    try:
        key.encode()
    except UnicodeEncodeError:
        raise ValueError(f"the session's key {key!r} holds a lone surrogate") from None
    # The most common values stand for themselves. Not bool and float, which can equal an int.
    if type(value) is int:
        return value
    if type(value) is str:
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"session[{key!r}] holds a lone surrogate") from None
        return value
    try:
        return dumps_strict(value)
    except TypeError as error:
        raise TypeError(f"session[{key!r}] holds a {error}; sessions hold JSON values") from None
    except ValueError as error:
        raise ValueError(f"session[{key!r}] can't be stored as JSON: {error}") from None
