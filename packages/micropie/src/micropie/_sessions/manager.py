"""Sessions around a request: the cookie, loading before the handler, storing after it."""

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import Any, TypeVar

from micropie._errors import ExplainedError, logger
from micropie._sessions.backends import SessionBackend
from micropie._sessions.cookie import SessionCookie
from micropie._sessions.session import Session
from micropie.types import Headers, Scope

T = TypeVar("T")

# Key of a scope: the SessionManager that owns the session which a mounted App shares.
SESSIONS = "micropie.sessions"

# 256 bits: more than can be guessed or enumerated (OWASP asks for 64 of entropy at least).
_ID_BYTES = 32

# Longer than any id of ours or of an older release; a longer one isn't worth the backend's time.
_MAX_ID_LENGTH = 256


# Each costs the backend a read, and a client may send as many as fit a header.
_MAX_COOKIES = 4

# A store that is down fails every request, and each traceback has dozens of lines.
_SECONDS_BETWEEN_TRACEBACKS = 60.0


class StoreUnavailable(ExplainedError):
    """A 503: the session backend failed, so the request could not be served safely."""

    def __init__(self) -> None:
        super().__init__(503, "the session store is unavailable")


class SessionManager:
    """Loads and stores the sessions of one App.

    Args:
        backend: where they are stored.
        timeout: seconds that a session lives after it was last used.
        cookie: the cookie that carries the id.
    """

    def __init__(self, backend: SessionBackend, timeout: float, cookie: SessionCookie) -> None:
        self.backend = backend
        self.timeout = timeout
        self.cookie_name = cookie.name
        self.cookie = cookie
        # Handlers of which the log has told that their responses may not be cached.
        self.uncached: set[str] = set()
        # monotonic() seconds at which a traceback was logged, by type of error.
        self._last_traceback: dict[type[Exception], float] = {}

    def _log_failure(self, what: str, error: Exception) -> None:
        """Log why the store failed: in one line, with a traceback now and then."""
        kind, now = type(error), monotonic()
        is_news = now - self._last_traceback.get(kind, -inf) >= _SECONDS_BETWEEN_TRACEBACKS
        if is_news:
            self._last_traceback[kind] = now
        reason, _, _ = str(error).partition("\n")
        logger.error(
            "a session could not be %s %s: %s: %s",
            *(what, type(self.backend).__name__, kind.__name__, reason),
            exc_info=error if is_news else None,
        )

    async def load(self, session_ids: Sequence[str]) -> Session:
        """Return the first session that *session_ids* name, or a new empty one.

        Args:
            session_ids: what the client's cookies say. A browser sends those of other paths and
                domains too, which may be left from other settings.

        Raises:
            StoreUnavailable: the backend failed.
        """
        for session_id in session_ids[:_MAX_COOKIES]:
            if len(session_id) > _MAX_ID_LENGTH:
                continue
            data = await self._reached("loaded from", self.backend.load(session_id))
            if data:
                # A backend may return a plain dict, or a LoadedSession of a class of its own.
                return Session(
                    data,
                    session_id,
                    expires_in=getattr(data, "expires_in", None),
                    version=getattr(data, "version", None),
                )
        # An id that is not in the store is never adopted: somebody else may have chosen it.
        return Session()

    async def start(self, session: Session, scope: Scope, session_id: str | None) -> Headers:
        """Store a new session while a WebSocket's handshake can still carry its cookie.

        Args:
            session: stored now if it is new and holds something; deleted now if it was cleared.
            scope: the WebSocket's.
            session_id: the id for a new session; None for a random one.

        Returns:
            the header that sets the cookie, or none; with *session_id* it is set even if the
            session is empty.

        Raises:
            ValueError: *session_id* can't stand in a cookie.
            StoreUnavailable: the backend failed.
        """
        if session.session_id is not None and not session.is_cleared:
            return []
        if session_id is not None:
            self.cookie.check_id(session_id)
            session.next_id = session_id
        headers = await self.store(session, scope)
        if session_id is not None and not session:
            session.next_id = session_id
            headers = [self.cookie.set_header(session_id, scope)]
        return headers

    async def store(self, session: Session, scope: Scope) -> Headers:
        """Store what changed in *session*; return the headers that tell the browser.

        Raises:
            TypeError, ValueError: a value is not JSON; nothing is stored.
            StoreUnavailable: the backend failed.
        """
        changed, removed = session.changes()
        session_id = session.session_id
        if session_id is None:
            storing = self._create(session, scope)
        elif session.is_cleared:
            storing = self._replace(session_id, session, scope)
        elif session.is_moving:
            storing = self._move(session_id, session, changed, removed, scope)
        elif changed or removed:
            storing = self._merge(session_id, session, changed, removed, scope)
        else:
            await self._keep_alive(session_id, session)
            return []
        return await self._reached("stored in", storing)

    async def _reached(self, what: str, call: Coroutine[Any, Any, T]) -> T:
        """Return what *call*, which asks the backend, returns.

        Raises:
            StoreUnavailable: it raised; why is in the log.
        """
        try:
            return await call
        except Exception as error:
            self._log_failure(what, error)
            raise StoreUnavailable from None

    async def _replace(self, session_id: str, session: Session, scope: Scope) -> Headers:
        """Delete a session that was cleared; what was put into it afterwards starts a new one."""
        await self.backend.save(session_id, {}, 0)
        return await self._create(session, scope)

    async def _create(self, session: Session, scope: Scope) -> Headers:
        """Store *session* under a new id; expire the cookie of one that was emptied."""
        if not session:
            return self._forget(session, scope) if session.is_cleared else []
        session_id = session.next_id or _new_id()
        await self.backend.save(session_id, dict(session), self.timeout)
        session.mark_stored(session_id, self.timeout)
        return [self.cookie.set_header(session_id, scope)]

    async def _move(
        self,
        session_id: str,
        session: Session,
        changed: dict[str, Any],
        removed: set[str],
        scope: Scope,
    ) -> Headers:
        """Give the session a new id, starting from what is stored now, not when it was loaded."""
        stored = await self.backend.take(session_id)
        # Without one, this is a login whose form was sent twice, say: what belonged to the old
        # session is gone, and what this request has set itself must hold, since it says so.
        data = {**stored, **changed}
        for key in removed:
            data.pop(key, None)
        session.replace(data)
        headers = await self._create(session, scope)
        if headers or stored:
            return headers or self._forget(session, scope)
        return self._discard_changes(session)

    async def _merge(
        self,
        session_id: str,
        session: Session,
        changed: dict[str, Any],
        removed: set[str],
        scope: Scope,
    ) -> Headers:
        if not await self.backend.merge(session_id, changed, removed, self.timeout):
            return self._discard_changes(session)
        # Empty here need not be empty there: another request may have added a key.
        if not session and not await self.backend.load(session_id):
            return self._forget(session, scope)
        session.mark_stored(session_id, self.timeout)
        return []

    def _discard_changes(self, session: Session) -> Headers:
        """Store nothing of a session that was logged out, or moved, while this request ran.

        The browser may have another cookie by now, which must not be replaced.
        """
        logger.info("a session's changes were dropped: it was deleted meanwhile")
        session.mark_stored(None)
        return []

    def _forget(self, session: Session, scope: Scope) -> Headers:
        session.mark_stored(None)
        return [self.cookie.expire_header(scope)]

    async def _keep_alive(self, session_id: str, session: Session) -> None:
        """Push the expiry out, at most once in a tenth of the timeout."""
        left = session.expires_in
        if left is not None and left > self.timeout * 0.9:
            return
        try:
            await self.backend.touch(session_id, dict(session), self.timeout)
            session.mark_touched(self.timeout)
        except Exception as error:
            self._log_failure("kept alive in", error)

    def begin_use(self, session: Session | None) -> asyncio.Task[None] | None:
        """Keep *session* alive until the task that this returns is cancelled.

        An open stream or WebSocket is use of its session, however long it lasts. None, without a
        stored session.
        """
        if session is None or session.session_id is None:
            return None
        return asyncio.create_task(self._use(session))

    async def _use(self, session: Session) -> None:
        while True:
            if session.session_id is not None:  # else it was logged out meanwhile
                await self._keep_alive(session.session_id, session)
            await asyncio.sleep(self.timeout / 10)

    @asynccontextmanager
    async def session_for(self, session_ids: Sequence[str], scope: Scope) -> AsyncIterator[Session]:
        """Load the session that *session_ids* name, and merge what the block changed.

        Raises:
            RuntimeError: the block put something into the session of a browser that has none, or
                none any more.
            StoreUnavailable: the backend failed.
        """
        session = await self.load(session_ids)
        yield session
        if session and (session.session_id is None or session.is_cleared):
            raise RuntimeError(
                "this browser has no session yet, and only a response can set its cookie: start "
                "the session in an HTTP handler"
            )
        await self.store(session, scope)
        session.finish()


def _new_id() -> str:
    # As secrets.token_urlsafe() makes it; that module loads several others.
    return urlsafe_b64encode(os.urandom(_ID_BYTES)).rstrip(b"=").decode()
