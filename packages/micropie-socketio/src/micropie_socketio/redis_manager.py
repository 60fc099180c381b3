"""The client manager that joins several workers or machines through Redis."""

import asyncio
import json
import logging
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from socketio.async_pubsub_manager import (  # type: ignore[import-untyped] # has no annotations
    AsyncPubSubManager,
)
from socketio.packet import Packet  # type: ignore[import-untyped] # likewise

_logger = logging.getLogger("micropie")

# Seconds for Redis to take a message; a handler that emits waits as long.
_TIMEOUT = 2.0

# Seconds of silence after which Redis is asked whether it is still there.
_SILENCE = 5.0

# Seconds between tries to reach a Redis that is away: the first wait, doubled up to the longest.
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0
_WORTH_A_LINE = 4  # failures in a row; the fourth comes after 0.7 seconds

_FAILURES = (RedisError, OSError, TimeoutError)


class RedisManager(AsyncPubSubManager):  # type: ignore[misc] # a class without annotations
    """Sends what this process emits to the others, and to its clients what they emit.

    It speaks as python-socketio's `AsyncRedisManager` does, so a process without clients can emit
    through that one. Unlike it, it notices a Redis that does not answer, tries again within
    seconds, and logs once that Redis is away and once that it is back. What runs code of the
    application, callbacks and disconnect handlers, runs in tasks: the loop that listens goes on.

    `_publish` and `_listen` are what the library has its subclasses implement. Messages are JSON in
    both directions: what `_listen` gives to the library are dicts, which it does not decode.

    Args:
        url_or_client: a URL as redis-py takes it, or a `redis.asyncio.Redis`, as
            `Sentinel.master_for` returns it. A client is closed by whoever made it.

    Raises:
        ValueError: redis-py can't make a client from a URL.
    """

    name = "redis"

    def __init__(self, url_or_client: "str | Redis") -> None:
        super().__init__()
        self._source = url_or_client
        self._failures = 0  # in a row
        try:
            self._client = self._new_client()
        except Exception:
            # Nothing of the URL or of redis-py's message: parts of the password may be in them.
            raise ValueError("redis_url is not a URL that redis-py takes") from None

    async def close(self) -> None:
        """Close the connections, unless the client is not ours; the next use makes others."""
        if self._client is not self._source:
            await self._client.aclose()
            self._client = self._new_client()  # for another event loop, maybe

    def announce_left(self, sid: Any) -> None:
        """Tell the other workers that a client has left for which callbacks wait."""
        message = {"method": "left", "sid": sid, "host_id": self.host_id}
        self.server.start_background_task(self._publish, message)

    def _new_client(self) -> Redis:
        if not isinstance(self._source, str):
            return self._source
        # No second try: what is published again may come twice.
        timeouts: Any = {"socket_connect_timeout": _TIMEOUT, "socket_timeout": None}
        return Redis.from_url(self._source, retry=Retry(NoBackoff(), 0), protocol=2, **timeouts)

    async def _publish(self, data: dict[str, Any]) -> None:
        if data["method"] == "callback" and Packet.data_is_binary(args := list(data["args"])):
            # As the library does it with what is emitted.
            args, attachments = Packet.deconstruct_binary(args)
            args = [args, *(b64encode(one).decode() for one in attachments)]
            data = {**data, "args": args, "binary": True}
        message = self.json.dumps(data)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await self._client.publish(self.channel, message)
        except _FAILURES as error:
            self._note(error)

    async def _listen(self) -> AsyncIterator[dict[str, Any]]:
        wait = _FIRST_WAIT
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    async with asyncio.timeout(_TIMEOUT):
                        await pubsub.subscribe(self.channel)
                    is_asked = False  # whether it is there
                    while (message := await pubsub.get_message(timeout=_SILENCE)) or not is_asked:
                        is_asked = message is None
                        if message is None:
                            async with asyncio.timeout(_TIMEOUT):
                                await pubsub.ping()
                        elif message["type"] == "subscribe":
                            wait = _FIRST_WAIT
                            self._note(None)
                        elif message["type"] == "message" and (data := self._take(message["data"])):
                            yield data
                    raise TimeoutError("no answer")
            except _FAILURES as error:
                self._note(error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _take(self, text: bytes | str) -> dict[str, Any] | None:
        """Do what a message asks for; return one that the library is to handle."""
        run = self.server.start_background_task
        try:
            data: dict[str, Any] = json.loads(text)
            method, sid, is_own = data["method"], data.get("sid"), data["host_id"] == self.host_id
            if method == "callback" and is_own:
                args = data["args"]
                if data.get("binary"):
                    args = Packet.reconstruct_binary(args[0], [b64decode(one) for one in args[1:]])
                run(self.trigger_callback, sid, data["id"], args)
            elif method == "disconnect" and not is_own:
                run(self.server.disconnect, sid, data["namespace"], ignore_queue=True)
            elif method == "left" and not is_own:
                self.callbacks.pop(sid, None)
            elif not is_own:
                return data
        except (LookupError, TypeError, ValueError, RecursionError):
            _logger.warning("Socket.IO: a message from Redis is not one of python-socketio")
        return None

    def _note(self, error: Exception | None) -> None:
        """Log once that Redis is away, because of *error*, and once that it is back.

        A few failures in a row are not worth it: a server that restarts is back within a second.
        """
        before, self._failures = self._failures, 0 if error is None else self._failures + 1
        if error is not None and before + 1 == _WORTH_A_LINE:
            _logger.error(
                "Socket.IO: Redis is away, so clients of other workers get nothing until it is "
                "back (%s: %s)",
                *(type(error).__name__, error),
            )
        elif error is None and before >= _WORTH_A_LINE:
            _logger.warning("Socket.IO: Redis is back")
