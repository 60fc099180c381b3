"""RedisSessionBackend, the class users make: a Redis hash per session, a field per key."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from micropie import LoadedSession, SessionBackend, hash_session_id
from micropie.codec import dumps_strict, loads
from micropie.parameters import check_number, check_seconds
from micropie_redis.clients import Client, client_for
from micropie_redis.commands import Commands
from micropie_redis.scripts import LOAD, MERGE, SAVE, TAKE

# Plenty for one event loop: a session keeps a connection busy for a fraction of a millisecond.
MAX_CONNECTIONS = 50

# Seconds, some 2,000 years: Redis refuses what does not fit 64 bits of milliseconds.
_LONGEST = 2000 * 365 * 86400

_Result = TypeVar("_Result")

_logger = logging.getLogger("micropie")


class RedisSessionBackend(SessionBackend):
    """Keeps sessions in Redis, for all processes and machines that serve an app.

    Every method is one round trip, and one atomic step on one key, so it works in a cluster too.
    While Redis is away each fails within *socket_timeout*, and works again when Redis does, or
    another server has taken over. One made from a URL can be used in several event loops at once.

    Args:
        url_or_client: a URL as redis-py takes it (`redis://`, `rediss://` for TLS, `unix://`), or
            a client of `redis.asyncio`: `Redis`, `RedisCluster`, or what `Sentinel.master_for`
            returns. A client keeps its own retries and timeouts, and you close it.
        prefix: what the names of the keys in Redis start with; a hash of the session's id follows.
        socket_timeout: seconds for a whole call, from waiting for a connection to the last retry.
        max_connections: the most that a backend made from a URL opens, in each event loop.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument has an invalid value.
    """

    def __init__(
        self,
        url_or_client: str | Client = "redis://127.0.0.1:6379/0",
        *,
        prefix: str = "micropie:session:",
        socket_timeout: float = 2.0,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be a str, not {prefix!r}")
        check_seconds("socket_timeout", socket_timeout)
        check_number("max_connections", max_connections, int, least=1)
        self._prefix = prefix
        self._timeout = socket_timeout
        self._client = client_for(url_or_client, max_connections, socket_timeout)

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return the session, with the time left; {} if it is missing or corrupt."""
        key = self._key(session_id)
        found = await self._read(key, lambda commands: LOAD.run(commands, key))
        if found is None:
            return {}
        data, milliseconds = found
        # -1: the key has lost its expiry; the App's touch sets it again.
        expires_in = milliseconds / 1000 if milliseconds >= 0 else None
        return LoadedSession(data, expires_in=expires_in)

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store *data* in place of the whole session; empty data or no time deletes it."""
        key, fields = self._key(session_id), _encoded(data)
        if fields and timeout > 0:
            expiry = _milliseconds(timeout)
            await self._call(lambda commands: SAVE.run(commands, key, expiry, *fields))
        else:
            await self._call(lambda commands: commands.execute("DEL", key))

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Set and remove single keys; False if the session does not exist any more."""
        key, expiry = self._key(session_id), _milliseconds(timeout)
        fields = [*(name.encode() for name in removed), *_encoded(changed)]
        count = len(removed)
        merged = await self._call(lambda commands: MERGE.run(commands, key, expiry, count, *fields))
        return bool(merged)

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Let the session, if it still exists, expire *timeout* seconds from now."""
        key, expiry = self._key(session_id), _milliseconds(timeout)
        await self._call(lambda commands: commands.execute("PEXPIRE", key, expiry))

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return its data.

        Raises:
            redis.exceptions.ConnectionError: the connection broke, and on the retry the session
                was gone: Redis had deleted it, and its data was lost with the reply. A client of
                the user's that retries by itself hides that; the session is then {}.
        """
        key = self._key(session_id)
        attempts = 0

        async def take(commands: Commands) -> Any:
            nonlocal attempts
            attempts += 1
            return await TAKE.run(commands, key)

        data: dict[str, Any] | None = await self._read(key, take)
        if data is None and attempts > 1:
            # Not idempotent: {} would look like a logout, and the request like a success.
            raise RedisConnectionError("the connection broke while a session was taken")
        return data or {}

    async def shutdown(self) -> None:
        """Close the connections, unless the client is the user's."""
        async with asyncio.timeout(self._timeout):
            await self._client.close()

    def _key(self, session_id: str) -> str:
        return self._prefix + hash_session_id(session_id)

    async def _read(self, key: str, command: Callable[[Commands], Awaitable[Any]]) -> Any:
        """Return the JSON value that *command* reads; None if it is missing or corrupt."""
        try:
            document: bytes | None = await self._call(command)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            document = b""  # not JSON either
        try:
            return None if document is None else loads(document)
        except ValueError:
            # Without the value and the parser's message, which may quote it. The key is a hash.
            _logger.error("%s in Redis is not a readable session; it counts as empty", key)
            return None

    async def _call(self, command: Callable[[Commands], Awaitable[_Result]]) -> _Result:
        """Return the result of *command*, retried when the connection fails.

        Raises:
            TimeoutError: command and retries took longer than `socket_timeout`.
        """
        commands, retry = self._client.commands(), self._client.retry
        try:
            async with asyncio.timeout(self._timeout):
                return await retry.call_with_retry(lambda: command(commands), _on_failure)
        except TimeoutError:
            raise TimeoutError(f"Redis has not answered in {self._timeout} s") from None


async def _on_failure(error: Exception) -> None:
    """Leave the connection alone before a retry: redis-py has closed it already."""


def _milliseconds(timeout: float) -> int:
    # Rounded up: Redis deletes at once what expires in 0 ms.
    return math.ceil(min(timeout, _LONGEST) * 1000)


def _encoded(data: dict[str, Any]) -> list[bytes]:
    """Return fields and values alternating, as HSET takes them.

    Raises:
        TypeError, ValueError: *data* is not a JSON object.
    """
    fields: list[bytes] = []
    for name, value in data.items():
        if not isinstance(name, str):
            raise TypeError(f"{type(name).__name__} as a key")
        fields += name.encode(), dumps_strict(value)
    return fields
