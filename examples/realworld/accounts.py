"""Who sends a request: passwords, tokens, and the hook that reads them."""

import asyncio
import os
import secrets
from datetime import timedelta
from typing import Any, TypeVar

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHash
from database import now

from micropie import HTTPError, HttpMiddleware, Request
from micropie_openapi import describe

LIFETIME = timedelta(days=30)

# Without one of the environment's, tokens end with the process, and workers don't share them.
_SECRET = os.environ.get("CONDUIT_SECRET") or secrets.token_hex(32)

_hasher = PasswordHasher()
# To be as slow when there is no such user as with a wrong password.
_NOBODY = _hasher.hash(secrets.token_hex(16))

H = TypeVar("H")


async def hash_password(password: str) -> str:
    """Return the hash to store; in a thread, as it takes some 50 ms on purpose."""
    return await asyncio.to_thread(_hasher.hash, password)


async def is_password(password: str, password_hash: str | None) -> bool:
    """Tell whether *password* has this hash; None is that of nobody."""
    try:
        return await asyncio.to_thread(_hasher.verify, password_hash or _NOBODY, password)
    except (Argon2Error, InvalidHash):
        return False


def new_token(user_id: int) -> str:
    claims = {"sub": str(user_id), "exp": now() + LIFETIME}
    return jwt.encode(claims, _SECRET, algorithm="HS256")


def signed_in(handler: H) -> H:
    """Refuse everybody without a token; where it is sent, `request.state.user_id` is theirs."""
    handler.sign_in = "required"
    return describe(security=["Token"], responses={401: "Sign in first."})(handler)


def for_all(handler: H) -> H:
    """Take a token, too: what one sees of others depends on it."""
    handler.sign_in = "optional"
    return describe(responses={401: "The token is not valid."})(handler)


class Tokens(HttpMiddleware):
    """Reads `Authorization: Token ...`, and guards what is for users only."""

    async def before_request(self, request: Request) -> None:
        request.state.user_id = None
        route = request.route
        if route is None or request.method not in (route.methods or ()):
            return  # a 404, or a 405
        header = request.headers.get("authorization", "")
        needed = getattr(route.handler, "sign_in", None)
        if needed == "required" or (needed == "optional" and header):
            request.state.user_id = _user_of(header)


def _user_of(header: str) -> int:
    scheme, _, token = header.partition(" ")
    try:
        claims: dict[str, Any] = jwt.decode(token.strip(), _SECRET, algorithms=["HS256"])
        if scheme in ("Token", "Bearer"):
            return int(claims["sub"])
    except (jwt.InvalidTokenError, KeyError, ValueError):
        pass
    raise HTTPError(401, headers={"WWW-Authenticate": "Token"})
