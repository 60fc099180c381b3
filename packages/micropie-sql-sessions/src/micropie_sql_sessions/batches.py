"""Writing to SQLite: requests that write at the same moment share a transaction."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

# A batch takes some milliseconds then, for which those of other processes have to wait.
_MOST = 20

_Result = TypeVar("_Result")
Work = Callable[[AsyncConnection], Awaitable[_Result]]
_Waiting = list[tuple[Work[Any], asyncio.Future[Any]]]


class Batches:
    """Runs one batch of work after the other: what has come since the last one began.

    SQLite has one writer at a time, and takes a write to the disk for each transaction. Requests
    that write at the same time would get into each other's way, and pay for it one by one.

    Args:
        run: runs the work of a batch, in a transaction.
    """

    def __init__(self, run: Callable[[Work[list[Any]]], Awaitable[list[Any]]]) -> None:
        self._run = run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: _Waiting = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Work[_Result]) -> _Result:
        """Return what *work* does. It writes by one statement at most, so it is done or not."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._task = loop, [], None
        done: asyncio.Future[_Result] = loop.create_future()
        self._waiting.append((work, done))
        if self._task is None:
            # In a task of its own: a request that is cancelled must not take others along.
            self._task = asyncio.create_task(self._run_all())
        return await done

    async def finish(self) -> None:
        """Wait for what goes on, if anything does."""
        if self._task is not None and self._loop is asyncio.get_running_loop():
            await asyncio.wait((self._task,))

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._run_batch(batch)
        finally:
            self._task = None

    async def _run_batch(self, batch: _Waiting) -> None:
        async def together(connection: AsyncConnection) -> list[Any]:
            return [await _result(work, connection) for work, _ in batch]

        try:
            results = await self._run(together)
        except Exception as error:
            results = [error] * len(batch)
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():  # whoever waited has gone
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)


async def _result(work: Work[Any], connection: AsyncConnection) -> Any:
    """Return what *work* returns or raises, unless that is an error of the database."""
    try:
        return await work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        return error
