"""Sending commands: where Redis is one server, those of requests at the same moment together."""

import asyncio
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.client import NEVER_DECODE

_Waiting = list[tuple[tuple[Any, ...], asyncio.Future[Any]]]

# Text in answers stays bytes, whatever the client is set to.
_OPTIONS: dict[str, Any] = {NEVER_DECODE: True}


class BatchedCommands:
    """Sends the commands of one turn of the event loop together, on one connection.

    The way to Redis and back is most of what a command costs, and a batch goes it once. No
    command waits for others: a batch leaves at the end of the turn, whatever else is on its way.

    Args:
        client: what sends them.
        timeout: seconds that a batch may take.
    """

    def __init__(self, client: Redis, timeout: float) -> None:
        self._client = client
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: _Waiting = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def execute(self, *command: bytes | str | int) -> Any:
        """Return the answer to *command*.

        Raises:
            redis.exceptions.RedisError: what Redis answered, or why it did not.
            TimeoutError: the batch took too long.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._under_way = loop, [], set()
        if not self._waiting:
            loop.call_soon(self._send)
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        return await answer

    async def finish(self) -> None:
        """Wait for the answers that are due, if any."""
        if self._under_way and self._loop is asyncio.get_running_loop():
            await asyncio.wait(self._under_way)

    def _send(self) -> None:
        batch, self._waiting = self._waiting, []
        # In a task of its own: a request that is cancelled must not take others' answers along.
        task = asyncio.create_task(self._run(batch))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _run(self, batch: _Waiting) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for command, _ in batch:
            pipeline.execute_command(*command, **_OPTIONS)
        try:
            async with asyncio.timeout(self._timeout):
                results = await pipeline.execute(raise_on_error=False)
        except Exception as error:
            results = [error] * len(batch)
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():  # whoever asked has gone
                continue
            if isinstance(result, Exception):
                answer.set_exception(result)
            else:
                answer.set_result(result)


class SingleCommands:
    """Sends each command by itself, to the node of the cluster that has its key."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    async def execute(self, *command: bytes | str | int) -> Any:
        """Return the answer to *command*.

        Raises:
            redis.exceptions.RedisError: what Redis answered, or why it did not.
        """
        return await self._client.execute_command(*command, **_OPTIONS)


Commands = BatchedCommands | SingleCommands
