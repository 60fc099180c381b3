"""Tokens: what a client shows to say who it is."""

import os
import secrets
from datetime import timedelta

import jwt
from database import now

LIFETIME = timedelta(days=30)

# Without one of the environment's, tokens end with the process, and workers don't share them.
_SECRET = os.environ.get("CONDUIT_SECRET") or secrets.token_hex(32)


def new_token(user_id: int) -> str:
    claims = {"sub": str(user_id), "exp": now() + LIFETIME}
    return jwt.encode(claims, _SECRET, algorithm="HS256")


def user_id_of(header: str) -> int | None:
    """Return whose token is in the header Authorization; None if there is no valid one."""
    scheme, _, token = header.partition(" ")
    try:
        claims = jwt.decode(token.strip(), _SECRET, algorithms=["HS256"])
        return int(claims["sub"]) if scheme in ("Token", "Bearer") else None
    except (jwt.InvalidTokenError, KeyError, ValueError):
        return None
