"""Sending commands to Redis: pipelined to a single server, one by one to a cluster."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.client import NEVER_DECODE
from redis.exceptions import BusyLoadingError, ClusterDownError, ReadOnlyError, ResponseError

from micropie.concurrency import Batcher

# How a server refuses because of its role: a replica, one that starts, one that is cut off.
_WRONG_SERVER = (ReadOnlyError, BusyLoadingError, ClusterDownError)  # and MasterDownError below it

_Command = tuple[bytes | str | int, ...]

# Text in replies stays bytes, whatever the client is set to.
_OPTIONS: dict[str, Any] = {NEVER_DECODE: True}


class PipelinedCommands:
    """Sends the commands of one turn of the event loop in one pipeline.

    The round trip is most of what a command costs, and a pipeline makes it once. A pipeline does
    not wait for the reply to an earlier one.

    Args:
        client: sends the pipelines.
        timeout: seconds that a pipeline may take.
    """

    def __init__(self, client: Redis, timeout: float) -> None:
        self.client = client
        self._timeout = timeout
        self._batcher: Batcher[_Command, Any] = Batcher(self._run)

    def execute(self, *command: bytes | str | int) -> Awaitable[Any]:
        """Return the reply to *command*.

        Raises:
            redis.exceptions.RedisError: Redis refused the command, or did not answer.
            TimeoutError: the pipeline took too long.
        """
        return self._batcher.submit(command)

    async def drain(self) -> None:
        """Wait for the replies that are outstanding."""
        await self._batcher.drain()

    async def _run(self, commands: Sequence[_Command]) -> Sequence[Any]:
        async with asyncio.timeout(self._timeout):
            try:
                replies = await self._send(commands)
            except BusyLoadingError as error:  # the others are replies
                replies = [error] * len(commands)
            refused = [n for n, reply in enumerate(replies) if _is_wrong_server(reply)]
            if refused:
                # After a failover, open connections stay with the old master and new ones reach the
                # new one. A command that was refused so has done nothing, and can be sent again.
                await self.client.connection_pool.disconnect(inuse_connections=False)
                again = await self._send([commands[n] for n in refused])
                for n, reply in zip(refused, again, strict=True):
                    replies[n] = reply
        return replies

    async def _send(self, commands: Sequence[_Command]) -> list[Any]:
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command, **_OPTIONS)
        return await pipeline.execute(raise_on_error=False)


def _is_wrong_server(reply: object) -> bool:
    # Before Redis 7 a script's error has the code in its middle.
    return isinstance(reply, _WRONG_SERVER) or (
        isinstance(reply, ResponseError) and "-READONLY " in str(reply)
    )


class ClusterCommands:
    """Sends each command by itself, to the node of the cluster that has its key."""

    def __init__(self, client: RedisCluster) -> None:
        self._client = client

    async def execute(self, *command: bytes | str | int) -> Any:
        """Return the reply to *command*.

        Raises:
            redis.exceptions.RedisError: Redis refused the command, or did not answer.
        """
        return await self._client.execute_command(*command, **_OPTIONS)

    async def drain(self) -> None:
        """Return at once: a command ends with its caller."""


Commands = PipelinedCommands | ClusterCommands
