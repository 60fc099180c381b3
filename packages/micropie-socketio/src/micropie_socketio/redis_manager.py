"""The client manager that joins several workers or machines through Redis."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from socketio.async_pubsub_manager import (  # type: ignore[import-untyped] # has no annotations
    AsyncPubSubManager,
)

_logger = logging.getLogger("micropie")

# Seconds for Redis to take a message; a handler that emits waits as long.
_TIMEOUT = 2.0

# Seconds of silence after which Redis is asked whether it is still there.
_SILENCE = 5.0

# Seconds between tries to reach a Redis that is away: the first wait, doubled up to the longest.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0

_FAILURES = (RedisError, OSError, TimeoutError)


class RedisManager(AsyncPubSubManager):  # type: ignore[misc] # a class without annotations
    """Sends what this process emits to the others, and to its clients what they emit.

    It speaks as python-socketio's `AsyncRedisManager` does, so a process without clients can emit
    through that one. Unlike it, it notices a Redis that does not answer, tries again within
    seconds, and logs once that Redis is away and once that it is back.

    Args:
        url: as redis-py takes it.
        channel: the name under which the workers meet.

    Raises:
        ValueError: redis-py can't make a client from *url*.
    """

    name = "redis"

    def __init__(self, url: str, channel: str = "socketio") -> None:
        super().__init__(channel=channel)
        self._url = url
        self._client: Redis | None = None
        self._is_away = False
        try:
            self._new_client()
        except Exception:
            # Nothing of the URL or of redis-py's message: parts of the password may be in them.
            raise ValueError("redis_url is no URL that redis-py takes") from None

    async def close(self) -> None:
        """Close the connections; the next use makes others."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _redis(self) -> Redis:
        if self._client is None:
            self._client = self._new_client()
        return self._client

    def _new_client(self) -> Redis:
        return Redis.from_url(
            self._url,
            # One more try, for a connection that Redis has closed since.
            retry=Retry(NoBackoff(), retries=1),
            socket_connect_timeout=_TIMEOUT,
            socket_timeout=None,
            protocol=2,
        )

    async def _publish(self, data: dict[str, Any]) -> None:
        message = self.json.dumps(data)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._redis().publish(self.channel, message)
        except _FAILURES as error:
            self._note_absence(error)

    async def _listen(self) -> AsyncIterator[bytes]:
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._redis().pubsub() as pubsub:
                    async with asyncio.timeout(_TIMEOUT):
                        await pubsub.subscribe(self.channel)
                    async for message in _messages(pubsub):
                        if message["type"] == "message":
                            yield message["data"]
                        elif message["type"] == "subscribe":
                            wait = _FIRST_WAIT
                            self._note_presence()
            except _FAILURES as error:
                self._note_absence(error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _note_absence(self, error: Exception) -> None:
        if not self._is_away:
            self._is_away = True
            _logger.error(
                "Socket.IO: Redis is away, so clients of other workers get nothing until it is "
                "back (%s: %s)",
                type(error).__name__,
                error,
            )

    def _note_presence(self) -> None:
        if self._is_away:
            self._is_away = False
            _logger.warning("Socket.IO: Redis is back")


async def _messages(pubsub: PubSub) -> AsyncIterator[dict[str, Any]]:
    """Yield all that comes from Redis.

    Raises:
        TimeoutError: nothing came, not even an answer to a ping.
    """
    is_asked = False
    while True:
        message = await pubsub.get_message(timeout=_SILENCE)
        if message is not None:
            is_asked = False
            yield message
        elif is_asked:
            raise TimeoutError("no answer")
        else:
            is_asked = True
            async with asyncio.timeout(_TIMEOUT):
                await pubsub.ping()
