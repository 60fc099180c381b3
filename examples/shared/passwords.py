"""Passwords: stored as salted scrypt hashes, which take time and memory to try out."""

import asyncio
import hashlib
import hmac
import secrets

# As OWASP's Password Storage Cheat Sheet has it: 16 MiB for each attempt.
COST = {"n": 2**14, "r": 8, "p": 5}


async def hash_password(password: str) -> str:
    """Return what to store: a random salt, and the hash."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}:{(await _scrypt(password, salt)).hex()}"


async def is_password(password: str, stored: str | None) -> bool:
    """Tell whether *password* is the one that was *stored*.

    Without one it takes as long to say no, so that nobody learns by the time who has an account.
    """
    salt, _, expected = (stored or f"{'00' * 16}:").partition(":")
    given = await _scrypt(password, bytes.fromhex(salt))
    return hmac.compare_digest(given.hex(), expected)


async def _scrypt(password: str, salt: bytes) -> bytes:
    # In a thread: this is meant to be slow, and nobody else should have to wait.
    return await asyncio.to_thread(
        hashlib.scrypt, password.encode(errors="replace"), salt=salt, **COST
    )
