"""Who sends a request: passwords, and the hook that reads tokens."""

import asyncio
import os
import secrets
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHash
from argon2.profiles import CHEAPEST
from tokens import user_id_of

from micropie import HTTPError, HttpMiddleware, Request
from micropie_openapi import describe

# Tests hash hundreds of passwords, which need no protection.
_is_cheap = os.environ.get("CONDUIT_PASSWORDS") == "cheap"
_hasher = PasswordHasher.from_parameters(CHEAPEST) if _is_cheap else PasswordHasher()
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
            request.state.user_id = user_id_of(header)
            if request.state.user_id is None:
                raise HTTPError(401, headers={"WWW-Authenticate": "Token"})
