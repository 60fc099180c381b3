"""Sessions around a request: the cookie, loading before the handler, storing after it."""

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic

from micropie._cookies import Cookie
from micropie._errors import ExplainedError, logger
from micropie._sessions.backends import SessionBackend
from micropie._sessions.session import LIFETIME, Changes, Session
from micropie.types import Headers, Scope

# 256 bits: more than can be guessed or enumerated (OWASP asks for 64 of entropy at least).
_ID_BYTES = 32

# Longer than any id of ours or of an older release; a longer one isn't worth the backend's time.
_MAX_ID_LENGTH = 256


# Each costs the backend a read, and a client may send as many as fit a header.
_MOST_TRIED = 4

# A store that is down fails every request, and each traceback has dozens of lines.
_SECONDS_BETWEEN_TRACEBACKS = 60.0


class StoreUnavailable(ExplainedError):
    """A 503: the session backend failed, so the request could not be served safely."""

    def __init__(self) -> None:
        super().__init__(503, "the session store is unavailable")


class SessionManager:
    """Loads and stores the sessions of one App.

    Theory of operation. `load` runs before the handler, `store` once, before the head of the
    response goes out. What it tells the backend depends on the session: one without an id is saved
    under a new one; one that was cleared is deleted, and what was put into it afterwards saved as
    new; one that moves is taken out and saved under a new id; of one that changed the changes are
    merged; any other is touched when a tenth of its life has passed. A backend that knows no such
    session any more means a logout in another request: the changes are dropped, and the browser's
    cookie, perhaps a new one by now, is left alone. Whatever a backend raises is StoreUnavailable.

    Args:
        backend: where they are stored.
        timeout: seconds that a session lives after it was last used.
        cookie: the cookie that carries the id.
        cookie_max_age: seconds that browsers keep it; None: until they are closed.
    """

    def __init__(
        self, backend: SessionBackend, timeout: float, cookie: Cookie, cookie_max_age: int | None
    ) -> None:
        self.backend = backend
        self.timeout = timeout
        self.cookie_name = cookie.name
        self.cookie = cookie
        self._cookie_max_age = cookie_max_age
        # Seconds left below which a session is touched. Its cookie may live shorter than itself.
        self._due = timeout - min(timeout, cookie_max_age or inf) / 10
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
        for session_id in session_ids[:_MOST_TRIED]:
            if len(session_id) > _MAX_ID_LENGTH:
                continue
            try:
                data = await self.backend.load(session_id)
            except Exception as error:
                raise self._unavailable("loaded from", error) from None
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
            if not session_id:
                raise ValueError("session_id is empty, and can't stand in a cookie")
            self.cookie.check_value(session_id)
            session.next_id = session_id
        headers = await self.store(session, scope)
        if session_id is not None and not session:
            session.next_id = session_id
            headers = [self._cookie_header(session_id, session, scope)]
        return headers

    async def store(self, session: Session, scope: Scope, *, renews: bool = True) -> Headers:
        """Store what changed in *session*; return the headers that tell the browser.

        With *renews* a persistent cookie is sent again whenever the session's expiry is pushed out.

        Raises:
            TypeError, ValueError: a value is not JSON; nothing is stored.
            StoreUnavailable: the backend failed.
        """
        changes = changed, removed = session.changes()
        session_id = session.session_id
        headers: Headers = []
        try:
            if session_id is None:
                return await self._create(session, scope)
            if session.is_cleared:
                # What was put into it after clear() starts a new session.
                await self.backend.save(session_id, {}, 0)
                return await self._create(session, scope)
            if session.is_moving:
                return await self._move(session_id, session, changes, scope)
            if changed or removed:
                renews = renews or LIFETIME in changed
                headers = await self._merge(session_id, session, changes, scope)
            elif not (self._is_due(session) and await self._touch(session_id, session)):
                return headers
        except Exception as error:
            raise self._unavailable("stored in", error) from None
        kept_id, max_age = session.session_id, self._max_age(session)
        if renews and not headers and kept_id is not None and max_age is not None:
            # It gets its whole life again.
            headers = [self.cookie.header(kept_id, scope, max_age)]
        return headers

    def _cookie_header(self, session_id: str, session: Session, scope: Scope) -> tuple[str, str]:
        return self.cookie.header(session_id, scope, self._max_age(session))

    def _max_age(self, session: Session) -> int | None:
        return self._cookie_max_age if session.lifetime is None else int(session.lifetime)

    def _timeout(self, session: Session) -> float:
        return self.timeout if session.lifetime is None else session.lifetime

    def _unavailable(self, what: str, error: Exception) -> StoreUnavailable:
        """Log why the backend failed, and return what the client is answered."""
        self._log_failure(what, error)
        return StoreUnavailable()

    async def _create(self, session: Session, scope: Scope) -> Headers:
        """Store *session* under a new id; expire the cookie of one that was emptied."""
        if not session:
            return self._forget(session, scope) if session.is_cleared else []
        session_id = session.next_id or _new_id()
        timeout = self._timeout(session)
        await self.backend.save(session_id, session.document(), timeout)
        session.mark_stored(session_id, timeout)
        return [self._cookie_header(session_id, session, scope)]

    async def _move(
        self, session_id: str, session: Session, changes: Changes, scope: Scope
    ) -> Headers:
        """Give the session a new id, starting from what is stored now, not when it was loaded."""
        stored, (changed, removed) = await self.backend.take(session_id), changes
        # Without one, this is a login whose form was sent twice, say: what belonged to the old
        # session is gone, and what this request has set itself must hold, since it says so.
        data = {**stored, **changed}
        session.replace({key: value for key, value in data.items() if key not in removed})
        headers = await self._create(session, scope)
        if headers or stored:
            return headers or self._forget(session, scope)
        return self._discard_changes(session)

    async def _merge(
        self, session_id: str, session: Session, changes: Changes, scope: Scope
    ) -> Headers:
        timeout = self._timeout(session)
        if not await self.backend.merge(session_id, *changes, timeout):
            return self._discard_changes(session)
        # Empty here need not be empty there: another request may have added a key.
        if not session and not await self.backend.load(session_id):
            return self._forget(session, scope)
        session.mark_stored(session_id, timeout)
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
        return [self.cookie.header("", scope, max_age=0)]

    def _is_due(self, session: Session) -> bool:
        """Tell whether a tenth of the session's life, or of its cookie's, has passed."""
        left = session.expires_in
        if left is None:
            return True
        return left <= (self._due if session.lifetime is None else session.lifetime * 0.9)

    async def _touch(self, session_id: str, session: Session) -> bool:
        """Push the expiry out; tell whether that succeeded. The request goes on if not."""
        timeout = self._timeout(session)
        try:
            await self.backend.touch(session_id, session.document(), timeout)
        except Exception as error:
            self._log_failure("kept alive in", error)
            return False
        session.mark_touched(timeout)
        return True

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
            # Without an id it was logged out meanwhile.
            if session.session_id is not None and self._is_due(session):
                await self._touch(session.session_id, session)
            await asyncio.sleep(self._timeout(session) / 10)

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
