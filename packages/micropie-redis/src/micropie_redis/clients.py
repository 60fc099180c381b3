"""The redis-py client of a backend: managed (made from a URL, and closed) or the user's own."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import EqualJitterBackoff
from redis.exceptions import MaxConnectionsError

from micropie.concurrency import LoopLocal
from micropie_redis.commands import ClusterCommands, Commands, PipelinedCommands

Client = Redis | RedisCluster

# Three retries, within 0.35 to 0.7 s: enough for a connection that Redis has closed and for a
# quick restart, and few enough that requests do not pile up while Redis is away.
_RETRIES = 3
_BASE_DELAY = 0.05  # seconds; doubled before each retry, with at most half of it as jitter
_MAX_DELAY = 0.5

# Seconds between attempts to get a connection that is free: a reply takes some milliseconds.
_BASE_WAIT = 0.005
_MAX_WAIT = 0.1


def client_for(
    url_or_client: str | Client, max_connections: int, timeout: float
) -> "ManagedClient | ExternalClient":
    """Return the client that sends a backend's commands, in whichever event loop is running.

    Raises:
        TypeError: *url_or_client* is neither a URL nor an asynchronous client.
        ValueError: redis-py can't make a client from the URL.
    """
    check_source(url_or_client, Redis, RedisCluster)
    if isinstance(url_or_client, str):
        return ManagedClient(url_or_client, max_connections, timeout)
    return ExternalClient(url_or_client, timeout)


def check_source(url_or_client: object, *clients: type) -> None:
    """Check that *url_or_client* is a str, or one of these *clients*.

    Raises:
        TypeError: it is something else, such as a client that blocks.
    """
    if not isinstance(url_or_client, (str, *clients)):
        names = " or ".join(f"redis.asyncio.{client.__name__}" for client in clients)
        wrong = type(url_or_client)
        raise TypeError(
            f"url_or_client must be a URL or a {names}, not {wrong.__module__}.{wrong.__qualname__}"
        )


def pool_from_url(url: str, **options: Any) -> BlockingConnectionPool:
    """Return a pool of connections, none of which is open yet.

    Args:
        url: as redis-py takes it.
        options: of the pool and its connections.

    Raises:
        ValueError: redis-py can't connect by *url*. Neither the URL nor redis-py's message is in
            it, which may contain parts of the password.
    """
    try:
        # RESP2 has every type used here, and saves new connections the HELLO.
        pool = BlockingConnectionPool.from_url(url, protocol=2, **options)
        # redis-py checks some of the options only here.
        pool.make_connection()  # type: ignore[no-untyped-call] # has no annotations
    except Exception:
        raise ValueError(
            "url_or_client is not a URL that redis-py takes: it starts with redis://, "
            "rediss:// or unix://, special characters in user and password are "
            "percent-encoded, and options after the ? are those of redis-py's connections"
        ) from None
    return pool


class ManagedClient:
    """A client made from a URL in each event loop that uses it, when it is first used there.

    Args:
        url: as redis-py takes it.
        max_connections: the most to open.
        timeout: seconds that commands may take.

    Raises:
        ValueError: redis-py can't make a client from *url*.
    """

    def __init__(self, url: str, max_connections: int, timeout: float) -> None:
        self.retry = Retry(EqualJitterBackoff(_MAX_DELAY, _BASE_DELAY), _RETRIES)
        self._url = url
        self._max_connections = max_connections
        self._timeout = timeout
        self._commands = LoopLocal(self._connect, self._disconnect)
        self._pool()  # raises for a URL that no loop could use

    def commands(self) -> PipelinedCommands:
        """Return what sends commands in the running event loop."""
        return self._commands.get()

    async def close(self) -> None:
        """Close the client of the running event loop; the next use makes another."""
        await self._commands.close()

    def _connect(self) -> PipelinedCommands:
        return PipelinedCommands(Redis.from_pool(self._pool()), self._timeout)

    async def _disconnect(self, commands: PipelinedCommands) -> None:
        try:
            await commands.drain()
        finally:
            await commands.client.aclose()

    def _pool(self) -> BlockingConnectionPool:
        # Without timeouts: each would start again at every step. The backend limits the whole call.
        timeouts = {"timeout": None, "socket_timeout": None, "socket_connect_timeout": None}
        return pool_from_url(self._url, max_connections=self._max_connections, **timeouts)


class ExternalClient:
    """A client that the user made, with retries of its own, and closes."""

    def __init__(self, client: Client, timeout: float) -> None:
        # A cluster's client fails at once when all connections to a node are in use: it has no
        # pool that blocks. Retries for as long as the backend's timeout take its place.
        backoff = EqualJitterBackoff(_MAX_WAIT, _BASE_WAIT)
        self.retry = Retry(backoff, retries=-1, supported_errors=(MaxConnectionsError,))
        self._commands: Commands = (
            ClusterCommands(client)
            if isinstance(client, RedisCluster)
            else PipelinedCommands(client, timeout)
        )

    def commands(self) -> Commands:
        """Return what sends commands on the client."""
        return self._commands

    async def close(self) -> None:
        """Wait for outstanding replies; the client stays open."""
        await self._commands.drain()
