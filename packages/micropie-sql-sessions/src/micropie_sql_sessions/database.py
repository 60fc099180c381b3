"""Work on the database, within a time that holds whatever the database does."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from micropie_sql_sessions.batches import Batches, Work
from micropie_sql_sessions.engines import LentEngine, OwnEngine
from micropie_sql_sessions.errors import is_missing_table, is_passing

_RETRIES = 4
_BASE_DELAY = 0.05  # seconds, doubled before each try, of which at least half is waited

# Seconds for a connection that is given up to take its leave. With some drivers SQLAlchemy stops
# waiting after two; cancelled before that, it leaves an error behind that nobody looks at.
_GOODBYE = 3.0

_Result = TypeVar("_Result")


class Database:
    """Runs work on connections of an engine.

    Args:
        source: where the engine comes from.
        timeout: seconds for a piece of work, from waiting for a connection to the last retry.
        table: the name of the table, for errors.
    """

    def __init__(self, source: OwnEngine | LentEngine, timeout: float, table: str) -> None:
        self._source = source
        self._timeout = timeout
        self._table = table
        self._batches: Batches | None = None
        if source.dialect == "sqlite":
            self._batches = Batches(self._run_in_transaction)
        self._running: set[asyncio.Task[object]] = set()

    async def run(self, work: Work[_Result]) -> _Result:
        """Return what *work* does with a connection, after more tries if something passes.

        It runs in a task of its own: SQLAlchemy waits for the database when it has to give up a
        connection, and a database that has stopped must not hold up the request. If the
        request is cancelled, the work goes on to its end.

        Raises:
            TimeoutError: all that took longer than `timeout`.
            RuntimeError: there is no such table.
        """
        task = asyncio.create_task(self._tries(work))
        self._running.add(task)
        task.add_done_callback(self._forget)
        await asyncio.wait((task,), timeout=self._timeout)
        if not task.done():
            task.cancel()
        elif not task.cancelled() and not isinstance(task.exception(), TimeoutError):
            return task.result()
        raise self._too_late()

    async def write(self, work: Work[_Result]) -> _Result:
        """Do the same with *work* that writes, by one statement at most."""
        if self._batches is None:
            return await self.run(work)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._batches.run(work)
        except TimeoutError:
            raise self._too_late() from None

    @asynccontextmanager
    async def transaction(self, connection: AsyncConnection) -> AsyncIterator[None]:
        """Make one step of what the block does, which is part of work that writes."""
        if self._batches is not None:  # it is in one already
            yield
            return
        async with _transaction(connection, "BEGIN"):
            yield

    async def close(self) -> None:
        """Wait for the work that goes on, and close the engine if it is the backend's own."""
        with suppress(TimeoutError):  # it is closed then, but the database was not told
            async with asyncio.timeout(self._timeout):
                if self._batches is not None:
                    await self._batches.finish()
                if self._running:
                    await asyncio.wait(self._running)
                await self._source.close()

    async def _run_in_transaction(self, work: Work[_Result]) -> _Result:
        async def in_transaction(connection: AsyncConnection) -> _Result:
            # One that began as a reader could not write once another process has.
            async with _transaction(connection, "BEGIN IMMEDIATE"):
                return await work(connection)

        return await self.run(in_transaction)

    async def _tries(self, work: Work[_Result]) -> _Result:
        # The end also of work that nobody waits for any more, and of waiting for a goodbye.
        async with asyncio.timeout(self._timeout + _GOODBYE):
            for number in range(_RETRIES):
                try:
                    return await self._try(work)
                except Exception as error:
                    if not is_passing(error):
                        raise
                await asyncio.sleep(_BASE_DELAY * 2**number * random.uniform(0.5, 1))  # noqa: S311
            return await self._try(work)

    async def _try(self, work: Work[_Result]) -> _Result:
        try:
            async with self._source.engine().connect() as connection:
                return await work(connection)
        except DBAPIError as error:
            error.hide_parameters = True  # it is logged, and sessions are nobody's business
            if is_missing_table(error):
                raise RuntimeError(
                    f"the database has no table {self._table}: start the app with "
                    "create_table=True, or run your migrations"
                ) from error
            raise

    def _too_late(self) -> TimeoutError:
        return TimeoutError(f"the database has not answered in {self._timeout} s")

    def _forget(self, task: "asyncio.Task[object]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # has been looked at: nobody waits for it when a request is cancelled


@asynccontextmanager
async def _transaction(connection: AsyncConnection, begin: str) -> AsyncIterator[None]:
    await connection.exec_driver_sql(begin)
    try:
        yield
        await connection.exec_driver_sql("COMMIT")
    except BaseException as error:
        await _roll_back(connection, error)
        raise


async def _roll_back(connection: AsyncConnection, error: BaseException) -> None:
    """End a transaction that failed; a connection that can't is not used again."""
    if connection.invalidated:
        return
    if isinstance(error, Exception):
        try:
            await connection.exec_driver_sql("ROLLBACK")
            return
        except DBAPIError:
            pass
    if not connection.invalidated:
        await connection.invalidate()
