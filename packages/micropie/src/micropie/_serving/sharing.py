"""Sessions that Apps share with those mounted in them: who uses whose, and what may not be."""

from micropie._handlers.mounts import Mount
from micropie._http.connection import Connection
from micropie._scope_keys import PARENT, SESSIONS
from micropie._serving.parts import Parts, parts_of
from micropie._sessions.manager import SessionManager


def shares_session(app: object, owner: SessionManager) -> bool:
    """Tell whether *app* is an App that uses the sessions of *owner*."""
    parts = parts_of(app)
    return parts is not None and parts.shares_session(owner)


def hand_down_session(mount: Mount, connection: Connection, sessions: SessionManager) -> bool:
    """Let a mounted App that shares sessions use that of *connection*; return whether it does.

    Args:
        mount: the app, and the scope to call it with.
        connection: of the App above it.
        sessions: of the App above it, which may share those of one further up.
    """
    owner: SessionManager = connection.scope.get(SESSIONS, sessions)
    is_shared = shares_session(mount.app, owner)
    if is_shared:
        mount.scope[PARENT], mount.scope[SESSIONS] = connection, owner
    return is_shared


def check_cookie_owners(parts: Parts) -> None:
    """Reject Apps that would replace each other's session cookie, above *parts* and below.

    Raises:
        ValueError: two have the same cookie and different backends.
    """
    root = parts
    while root.parent is not None:
        root = root.parent
    owners: dict[object, SessionManager] = {}
    waiting = [(root, root.sessions)]
    for parts, owner in waiting:
        sessions = owner if parts.shares_session(owner) else parts.sessions
        other = owners.setdefault(sessions.cookie.place, sessions)
        if sessions.backend is not other.backend:
            raise ValueError(
                f"two Apps, one mounted below the other, keep the cookie {sessions.cookie_name!r} "
                "in different session backends, so each would end the other's sessions: give one "
                "another session_cookie, both the same backend object, or the mounted one none"
            )
        below = [parts_of(app) for app in parts.mounts.values()]
        seen = [parts for parts, _ in waiting]  # an App may be mounted twice, or in itself
        waiting += [(child, sessions) for child in below if child and child not in seen]
