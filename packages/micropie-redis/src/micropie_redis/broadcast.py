"""RedisBroadcast, the class users make: a Broadcast that reaches the members of all processes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from micropie import Broadcast, HTTPError, Member, WebSocket
from micropie.codec import dumps
from micropie.parameters import check_seconds
from micropie_redis.clients import check_source, pool_from_url

# One listens. A publish keeps one busy for a fraction of a millisecond.
_MAX_CONNECTIONS = 10

# Seconds without a word from Redis after which it is asked whether it is there, and before another
# attempt to reach it.
_SILENCE = 5.0
_PAUSE = 0.2

_FAILURES = (RedisError, OSError, TimeoutError)

_logger = logging.getLogger("micropie")


class RedisBroadcast(Broadcast):
    """Sends messages to whoever has joined, in all processes and machines, by Redis' pub/sub.

    Theory of operation. `send` publishes, and does no more: what comes back from Redis, from this
    process or another, goes to the members here, so all see the same order. `_listener` is the task
    that waits for it while there are members; `_is_subscribed` is set while it is subscribed. What
    is published while a process is cut off from Redis is lost to its members.

    Args:
        url_or_client: a URL as redis-py takes it, or a `redis.asyncio.Redis`, which you close.
        channel: which Broadcasts belong together: those of the same channel.
        max_waiting: messages that may wait for a member that takes them slowly.
        when_slow: "drop" or "skip", as in `Broadcast`.
        socket_timeout: seconds for Redis to take a message, or to let a member join.

    Raises:
        TypeError, ValueError: an argument is of the wrong type, or invalid.
    """

    def __init__(
        self,
        url_or_client: "str | Redis" = "redis://127.0.0.1:6379/0",
        *,
        channel: str = "micropie:broadcast",
        max_waiting: int = 100,
        when_slow: Literal["drop", "skip"] = "drop",
        socket_timeout: float = 2.0,
    ) -> None:
        super().__init__(max_waiting=max_waiting, when_slow=when_slow)
        check_seconds("socket_timeout", socket_timeout)
        if not isinstance(channel, str):
            raise TypeError(f"channel must be a str, not {channel!r}")
        self._channel = channel
        self._timeout = socket_timeout
        self._is_ours = isinstance(url_or_client, str)
        self._client = _client(url_or_client, socket_timeout)
        self._members = 0
        self._listener: asyncio.Task[None] | None = None
        self._is_subscribed = asyncio.Event()

    @asynccontextmanager
    async def join(self, ws: WebSocket | None = None, *, room: str = "") -> AsyncIterator[Member]:
        """Be a member while the block of `async with` lasts.

        Args:
            ws: an accepted WebSocket, on which the messages are sent; None to iterate over them.
            room: whose messages to get.

        Raises:
            HTTPError: 503, Redis is not there.
        """
        self._members += 1
        if self._listener is None:
            self._listener = asyncio.create_task(self._listen())
        try:
            async with super().join(ws, room=room) as member:
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._is_subscribed.wait()
                except TimeoutError:
                    raise HTTPError(503) from None
                yield member
        finally:
            self._members -= 1
            if not self._members:
                self._stop_listening()

    async def send(self, message: Any, *, room: str = "") -> None:
        """Send *message* to all members of *room*; waits for none of them.

        Args:
            message: a str or bytes as they are, anything else as JSON.
            room: whose members get it; without a NUL.

        Raises:
            HTTPError: 503, Redis is not there. Nobody gets the message then, as a rule.
            TypeError, ValueError: it has no JSON form, or is text with a lone surrogate.
        """
        payload = _encoded(message, room)
        try:
            async with asyncio.timeout(self._timeout):
                await self._client.publish(self._channel, payload)
        except _FAILURES as error:
            _logger.error("a broadcast could not be published: %r", error)
            raise HTTPError(503) from None

    async def close(self) -> None:
        """Close the connections, unless the client is yours; one of `shutdown_handlers`, say."""
        listener = self._listener
        self._stop_listening()
        if listener is not None:
            await asyncio.wait({listener})
        if self._is_ours:
            await self._client.aclose()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        self._is_subscribed.clear()
        if listener is not None:
            listener.cancel()

    async def _listen(self) -> None:
        """Deliver what is published, over one connection after the other."""
        was_heard = True
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    async with asyncio.timeout(self._timeout):
                        await pubsub.subscribe(self._channel)
                    await self._deliver(pubsub)
            except _FAILURES as error:
                # Once: while Redis is away, and when it is lost.
                if was_heard or self._is_subscribed.is_set():
                    _logger.error("a broadcast does not hear Redis: %r", error)
                was_heard = False
                self._is_subscribed.clear()
            await asyncio.sleep(_PAUSE)

    async def _deliver(self, pubsub: PubSub) -> None:
        """Deliver what comes until the connection breaks.

        Raises:
            RedisError, OSError, TimeoutError: it does.
        """
        is_asked = False
        while True:
            message = await pubsub.get_message(timeout=_SILENCE)
            if message is None:
                if is_asked:
                    raise TimeoutError("no answer to a ping")
                await pubsub.ping()
            elif message["type"] == "subscribe":
                self._is_subscribed.set()
            elif message["type"] == "message":
                await self._receive(message["data"])
            is_asked = message is None

    async def _receive(self, payload: bytes) -> None:
        try:
            message, room = _decoded(payload)
        except ValueError:
            _logger.error("what is not a broadcast came on the channel %r", self._channel)
        else:
            await super().send(message, room=room)


def _client(url_or_client: str | Redis, timeout: float) -> Redis:
    """Return the client that publishes and listens.

    Raises:
        TypeError: *url_or_client* is neither a URL nor an asynchronous client.
        ValueError: redis-py can't make a client from the URL, or the client decodes what it reads.
    """
    check_source(url_or_client, Redis)
    if isinstance(url_or_client, Redis):
        if url_or_client.connection_pool.connection_kwargs.get("decode_responses"):
            raise ValueError("url_or_client must not have decode_responses: messages are bytes")
        return url_or_client
    pool = pool_from_url(
        url_or_client,
        max_connections=_MAX_CONNECTIONS,
        timeout=timeout,
        socket_connect_timeout=timeout,
        socket_timeout=None,
        retry=Retry(NoBackoff(), 0),  # a message that is published again might come twice
        decode_responses=False,
    )
    return Redis.from_pool(pool)


def _encoded(message: Any, room: str) -> bytes:
    """Return what is published: a letter for the kind, the room, NUL, and the message.

    Raises:
        TypeError, ValueError: the message has no JSON form, or *room* has a NUL.
    """
    if "\0" in room:
        raise ValueError("the name of a room can't have a NUL")
    if isinstance(message, bytes | bytearray | memoryview):
        return b"b" + room.encode() + b"\0" + bytes(message)
    data = message.encode() if isinstance(message, str) else dumps(message)
    return b"t" + room.encode() + b"\0" + data


def _decoded(payload: bytes) -> tuple[str | bytes, str]:
    """Return message and room of what `_encoded` made.

    Raises:
        ValueError: it did not.
    """
    head, end, data = payload.partition(b"\0")
    if not end or head[:1] not in (b"t", b"b"):
        raise ValueError("not a broadcast")
    return data if head[:1] == b"b" else data.decode(), head[1:].decode()
