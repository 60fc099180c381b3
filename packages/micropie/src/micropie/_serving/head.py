"""The last step to the head of a response: the session is stored, its header and cookies added."""

from asyncio import Task

from micropie._errors import logger
from micropie._headers import raw_headers
from micropie._http.request import Request
from micropie._scope_keys import PARENT
from micropie._sessions.manager import SessionManager
from micropie.types import RawHeaders

_VARY = (b"vary", b"Cookie")

# Of these directives each keeps a response out of caches that several clients share.
_NOT_SHARED = frozenset({b"private", b"no-store", b"no-cache"})


async def add_session(
    raw: RawHeaders, request: Request, sessions: SessionManager, *, renews: bool = True
) -> None:
    """Store the session of *request*, and add its headers to *raw*.

    With *renews* a persistent cookie is sent again from time to time.

    Raises:
        StoreUnavailable: the backend failed.
        TypeError, ValueError: the session holds no JSON, or another cookie has its cookie's name.
    """
    if sessions.cookie_name in request._set_cookies:
        request._set_cookies = {}
        raise ValueError(f"set_cookie(): {sessions.cookie_name!r} is the session's cookie")
    session, scope = request._session, request.scope
    if session is None:
        return
    # A mounted App that shares this session answers before its parent, and knows the handler.
    if session.answered_by is None:
        session.answered_by = scope["method"], scope["path"], request._handler_name
    if PARENT in scope:
        return
    try:
        headers = (
            [] if request._discards_session else await sessions.store(session, scope, renews=renews)
        )
    except Exception:
        request._discards_session = True  # so that the answer to this error does not try again
        raise
    finally:
        session.finish()
    if request._session_used:
        raw.append(_VARY)
    if headers:
        raw += raw_headers(headers)
        _keep_from_caches(raw, request, sessions)


async def begin_mounted(
    raw: RawHeaders, request: Request, sessions: SessionManager
) -> Task[None] | None:
    """Add session and cookies to the head *raw* of another app's response.

    Returns:
        what keeps the session alive until that app has answered, to be cancelled then.

    Raises:
        Exception: as `add_session`.
    """
    await add_session(raw, request, sessions, renews=False)
    raw += cookies_set(request)
    request._is_answered = True
    return None if PARENT in request.scope else sessions.begin_use(request._session)


def cookies_set(request: Request) -> RawHeaders:
    """Return the headers of the cookies that `request.set_cookie` has set."""
    return raw_headers([*request._set_cookies.values()]) if request._set_cookies else []


def _keep_from_caches(raw: RawHeaders, request: Request, sessions: SessionManager) -> None:
    """Let no shared cache store a response that sets the session's cookie.

    To a shared cache all first visitors are one, and it may store a response with a cookie unless
    it is told not to (RFC 9111, 3 and 7.3).
    """
    given = b",".join(value for name, value in raw if name == b"cache-control").lower()
    if {part.partition(b"=")[0].strip() for part in given.split(b",")} & _NOT_SHARED:
        return
    raw[:] = [pair for pair in raw if pair[0] != b"cache-control"]
    raw.append((b"cache-control", b"no-store"))
    if given and request._handler_name not in sessions.uncached:
        sessions.uncached.add(request._handler_name)
        logger.warning(
            "%s %r: %s gave Cache-Control: %s to a response that sets the session's cookie; it is "
            "sent as no-store, as caches might hand the session to others",
            *request._log_names(),
            given.decode("latin-1"),
        )
