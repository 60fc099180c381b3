"""The redis-py client of a backend: made from a URL and closed again, or lent by the user."""

import asyncio

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff
from redis.exceptions import MaxConnectionsError

from micropie_redis.commands import BatchedCommands, Commands, SingleCommands

Client = Redis | RedisCluster

# Three more tries, in 0.35 to 0.7 s: enough for a connection that Redis has closed and for a
# quick restart, and few enough that requests do not pile up while Redis is away.
_RETRIES = 3
_BASE_DELAY = 0.05  # seconds, doubled before each try, of which at least half is waited
_LONGEST_DELAY = 0.5

# Seconds likewise, for a connection to become free: an answer takes some milliseconds.
_BASE_WAIT = 0.005
_LONGEST_WAIT = 0.1


def client_source(
    url_or_client: object, max_connections: int, timeout: float
) -> "OwnClient | LentClient":
    """Return what has commands sent for a backend, in whichever event loop it is.

    Raises:
        TypeError: *url_or_client* is neither a URL nor an asynchronous client.
        ValueError: redis-py can't make a client from the URL.
    """
    if isinstance(url_or_client, str):
        return OwnClient(url_or_client, max_connections, timeout)
    if isinstance(url_or_client, Redis | RedisCluster):
        return LentClient(url_or_client, timeout)
    wrong = type(url_or_client)
    raise TypeError(
        "url_or_client must be a URL or a client of redis.asyncio, not "
        f"{wrong.__module__}.{wrong.__qualname__}"
    )


class OwnClient:
    """A client made from a URL when it is first used, in the event loop that uses it.

    Args:
        url: as redis-py takes it.
        max_connections: the most to open.
        timeout: seconds that commands may take.

    Raises:
        ValueError: redis-py can't make a client from *url*.
    """

    def __init__(self, url: str, max_connections: int, timeout: float) -> None:
        self.retry = Retry(EqualJitterBackoff(_LONGEST_DELAY, _BASE_DELAY), _RETRIES)
        self._url = url
        self._max_connections = max_connections
        self._timeout = timeout
        self._client: Redis | None = None
        self._commands: BatchedCommands | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        try:
            # redis-py looks at some of the options only here.
            self._pool().make_connection()  # type: ignore[no-untyped-call] # has no annotations
        except Exception:
            # Nothing of the URL or of redis-py's message: parts of the password may be in them.
            raise ValueError(
                "url_or_client is no URL that redis-py takes: it starts with redis://, rediss:// "
                "or unix://, special characters in user and password are percent-encoded, and "
                "options after the ? are those of redis-py's connections"
            ) from None

    def commands(self) -> BatchedCommands:
        """Return what sends commands in the running event loop."""
        loop = asyncio.get_running_loop()
        # Connections are bound to their loop; what another one left open can't be used any more.
        if self._commands is None or self._loop is not loop:
            self._client, self._loop = Redis.from_pool(self._pool()), loop
            self._commands = BatchedCommands(self._client, self._timeout)
        return self._commands

    async def close(self) -> None:
        """Close the client; the next use makes another."""
        client, commands, loop = self._client, self._commands, self._loop
        self._client = self._commands = self._loop = None
        if client is None or commands is None or loop is not asyncio.get_running_loop():
            return
        try:
            await commands.finish()
        finally:
            await client.aclose()

    def _pool(self) -> BlockingConnectionPool:
        return BlockingConnectionPool.from_url(
            self._url,
            max_connections=self._max_connections,
            # None: each step would get such a timeout anew. The backend's bounds them together.
            timeout=None,
            socket_timeout=None,
            socket_connect_timeout=None,
            # RESP2 says all that is needed here, and new connections are spared the HELLO.
            protocol=2,
        )


class LentClient:
    """A client that was given: it has retries of its own, and its owner closes it."""

    def __init__(self, client: Client, timeout: float) -> None:
        # A cluster's client fails at once when all connections to a node are busy, and has no
        # pool that waits. Trying again, for as long as the backend lets it, is the waiting.
        backoff = EqualJitterBackoff(_LONGEST_WAIT, _BASE_WAIT)
        self.retry = Retry(backoff, retries=-1, supported_errors=(MaxConnectionsError,))
        self._commands = (
            SingleCommands(client)
            if isinstance(client, RedisCluster)
            else BatchedCommands(client, timeout)
        )

    def commands(self) -> Commands:
        """Return what sends commands on the client."""
        return self._commands

    async def close(self) -> None:
        """Leave the client open, with nothing under way."""
        if isinstance(self._commands, BatchedCommands):
            await self._commands.finish()
