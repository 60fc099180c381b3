"""The session backend: a Redis hash for each session, a field of it for each key."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from micropie import LoadedSession, SessionBackend, hash_session_id
from micropie.codec import dumps_strict, loads
from micropie_redis.clients import Client, client_source
from micropie_redis.commands import Commands
from micropie_redis.scripts import LOAD, MERGE, SAVE, TAKE

# Plenty for one event loop: a session keeps a connection busy for a fraction of a millisecond.
MAX_CONNECTIONS = 50

_Result = TypeVar("_Result")

_logger = logging.getLogger("micropie")


class RedisSessionBackend(SessionBackend):
    """Keeps sessions in Redis, for all processes and machines that serve an app.

    Every method is one round trip, and one atomic step on one key, so a cluster will do as well.
    While Redis is away each fails within *socket_timeout*, and works again when Redis does.

    Args:
        url_or_client: a URL as redis-py takes it (`redis://`, `rediss://` for TLS, `unix://`), or
            a client of `redis.asyncio`: `Redis`, `RedisCluster`, or what `Sentinel.master_for`
            returns. A client keeps its own retries and timeouts, and is yours to close.
        prefix: what the names of the keys in Redis start with; a hash of the session's id follows.
        socket_timeout: seconds for a whole call, from waiting for a connection to the last retry.
        max_connections: the most that a backend made from a URL opens, in each process.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument has a value that can't be.
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
            raise TypeError(f"prefix must be a str: {prefix!r}")
        if not isinstance(socket_timeout, int | float) or isinstance(socket_timeout, bool):
            raise TypeError(f"socket_timeout must be a number of seconds: {socket_timeout!r}")
        if not 0 < socket_timeout < math.inf:
            raise ValueError(f"socket_timeout must be above 0, and finite: {socket_timeout!r}")
        if not isinstance(max_connections, int) or isinstance(max_connections, bool):
            raise TypeError(f"max_connections must be an int: {max_connections!r}")
        if max_connections < 1:
            raise ValueError(f"max_connections must be 1 or more: {max_connections!r}")
        self._prefix = prefix
        self._socket_timeout = socket_timeout
        self._source = client_source(url_or_client, max_connections, socket_timeout)

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return the session, with the time left; {} if there is none, or it can't be read."""
        key = self._key(session_id)
        found = await self._read(key, lambda commands: LOAD.run(commands, key))
        if found is None:
            return {}
        data, milliseconds = found
        # -1: somebody has taken the expiry away; touching sets it again.
        expires_in = milliseconds / 1000 if milliseconds >= 0 else None
        return LoadedSession(data, expires_in=expires_in)

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store *data* in place of all that was there; nothing, or no time, deletes."""
        key, fields = self._key(session_id), _encoded(data)
        if fields and timeout > 0:
            expiry = _milliseconds(timeout)
            await self._call(lambda commands: SAVE.run(commands, key, expiry, *fields))
        else:
            await self._call(lambda commands: commands.execute("DEL", key))

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Change and remove single keys; False when there is no such session any more."""
        key, expiry = self._key(session_id), _milliseconds(timeout)
        fields = [*(name.encode() for name in removed), *_encoded(changed)]
        count = len(removed)
        merged = await self._call(lambda commands: MERGE.run(commands, key, expiry, count, *fields))
        return bool(merged)

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Keep a session, if it is still there, for another *timeout* seconds."""
        key, expiry = self._key(session_id), _milliseconds(timeout)
        await self._call(lambda commands: commands.execute("PEXPIRE", key, expiry))

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return what it held.

        Raises:
            redis.exceptions.ConnectionError: the connection broke, and by the next try the
                session was gone: Redis had deleted it, and what it held went with the answer. A
                given client that tries again by itself hides that; the session is then {}.
        """
        key = self._key(session_id)
        tries = 0

        async def take(commands: Commands) -> Any:
            nonlocal tries
            tries += 1
            return await TAKE.run(commands, key)

        data: dict[str, Any] | None = await self._read(key, take)
        if data is None and tries > 1:
            # {} would pass for a logout, and the request for a success.
            raise RedisConnectionError("the connection broke while a session was taken")
        return data or {}

    async def shutdown(self) -> None:
        """Close the connections, unless they are those of a client that was given."""
        async with asyncio.timeout(self._socket_timeout):
            await self._source.close()

    def _key(self, session_id: str) -> str:
        return self._prefix + hash_session_id(session_id)

    async def _read(self, key: str, command: Callable[[Commands], Awaitable[Any]]) -> Any:
        """Return what the JSON that *command* gets says; None if there is none, or no session."""
        try:
            document: bytes | None = await self._call(command)
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return _report_corrupt(key)
        if document is None:
            return None
        try:
            return loads(document)
        except ValueError:
            return _report_corrupt(key)

    async def _call(self, command: Callable[[Commands], Awaitable[_Result]]) -> _Result:
        """Return what *command* does, after more tries if the connection fails.

        Raises:
            TimeoutError: all that took longer than `socket_timeout`.
        """
        commands = self._source.commands()
        try:
            async with asyncio.timeout(self._socket_timeout):
                return await self._source.retry.call_with_retry(lambda: command(commands), _go_on)
        except TimeoutError:
            raise TimeoutError(f"Redis has not answered in {self._socket_timeout} s") from None


async def _go_on(error: Exception) -> None:
    """Have redis-py's Retry do no more than wait: the connection is closed already."""


def _milliseconds(timeout: float) -> int:
    # Up: what expires in 0 ms is deleted at once.
    return math.ceil(timeout * 1000)


def _encoded(data: dict[str, Any]) -> list[bytes]:
    """Return fields and values in turn, as HSET takes them.

    Raises:
        TypeError, ValueError: *data* is no JSON object.
    """
    fields: list[bytes] = []
    for name, value in data.items():
        if not isinstance(name, str):
            raise TypeError(f"{type(name).__name__} as a key")
        fields += name.encode(), dumps_strict(value)
    return fields


def _report_corrupt(key: str) -> None:
    # Neither the value nor the parser's message, which may quote it. The key holds a hash only.
    _logger.error("%s in Redis is no session that can be read; it counts as none", key)
