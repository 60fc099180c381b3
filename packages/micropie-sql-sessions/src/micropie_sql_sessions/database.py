"""Running work on the database: retried, within a timeout, and batched for SQLite."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import Executable, Row, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from micropie.concurrency import Batcher
from micropie_sql_sessions.engines import Engine
from micropie_sql_sessions.errors import TableVanished, is_missing_table, is_transient

_RETRIES = 4
_BASE_DELAY = 0.05  # seconds; doubled before each retry, with at most half of it as jitter

# Seconds to close a connection after a timeout. Some drivers take two before SQLAlchemy gives up;
# cancelled earlier, they leave a task behind whose error is never retrieved.
_CLOSE_TIMEOUT = 3.0

# Works in a transaction of SQLite: it takes some milliseconds then, which other processes wait.
_MAX_BATCH = 20

_Result = TypeVar("_Result")
Work = Callable[[AsyncConnection], Awaitable[_Result]]


class Database:
    """Runs work on connections of an engine, and creates the table before the first.

    SQLite has one writer at a time, and syncs the disk for each transaction. Writes of requests
    that come at the same moment would contend and pay one by one, so they share a transaction.

    Args:
        engine: provides the connections.
        table: the table of the sessions.
        create_table: whether to create it if it does not exist.
        timeout: seconds for a piece of work, from waiting for a connection to the last retry.
    """

    def __init__(self, engine: Engine, table: Table, *, create_table: bool, timeout: float) -> None:
        self._engine = engine
        self._table = table
        self._create_table = create_table
        self._prepared: WeakSet[AsyncEngine] = WeakSet()
        self._timeout = timeout
        self._running: set[asyncio.Future[Any]] = set()
        self._has_one_writer = engine.dialect == "sqlite"
        self._batcher = Batcher[Work[Any], Any](self._run_batch, max_size=_MAX_BATCH, serial=True)

    async def run(self, work: Work[_Result]) -> _Result:
        """Return the result of *work*, which gets a connection; retry after a transient error.

        It runs in a task of its own. SQLAlchemy waits for the database when it discards a
        connection, and a database that hangs must not hold up the request. If the request is
        cancelled, the work still ends.

        Raises:
            TimeoutError: the work and its retries took longer than `timeout`.
            RuntimeError: the table does not exist.
        """
        return await self._in_time(asyncio.create_task(self._run_with_retries(work)))

    async def write(self, work: Work[_Result]) -> _Result:
        """Run *work* that writes, by one statement at most, so that a batch can contain it."""
        if not self._has_one_writer:
            return await self.run(work)
        return await self._in_time(self._batcher.submit(work))

    def transaction(self, connection: AsyncConnection) -> AbstractAsyncContextManager[None]:
        """Make the block, a part of work that writes, one transaction."""
        if self._has_one_writer or not self._engine.autocommits:
            return nullcontext()  # all of the batch, or of the work, is one already
        return _transaction(connection, "BEGIN")

    async def fetch(self, select: Executable, values: dict[str, Any]) -> Sequence[Row[Any]]:
        """Return the rows of one statement."""

        async def fetch(connection: AsyncConnection) -> Sequence[Row[Any]]:
            return (await connection.execute(select, values)).all()

        return await self.run(fetch)

    async def execute(self, statement: Executable, values: dict[str, Any]) -> int:
        """Run one statement that writes; return the number of rows."""

        async def execute(connection: AsyncConnection) -> int:
            return (await connection.execute(statement, values)).rowcount

        return await self.write(execute)

    async def prepare(self) -> None:
        """Create the table now, if the first work would."""
        if self._create_table:
            await self.run(_nothing)

    async def close(self) -> None:
        """Wait for running work, and close the engine if the backend made it."""
        self._prepared.clear()
        loop = asyncio.get_running_loop()
        if running := [work for work in list(self._running) if work.get_loop() is loop]:
            await asyncio.wait(running, timeout=self._timeout)
        await self._engine.close()

    async def _run_batch(self, batch: Sequence[Work[Any]]) -> list[Any]:
        async def run_all(connection: AsyncConnection) -> list[Any]:
            # A transaction that began as a reader can't write once another process has.
            async with _transaction(connection, "BEGIN IMMEDIATE"):
                return [await _outcome(work, connection) for work in batch]

        return await self.run(run_all)

    async def _run_with_retries(self, work: Work[_Result]) -> _Result:
        # The limit for work that is abandoned by its request, and for closing its connection.
        async with asyncio.timeout(self._timeout + _CLOSE_TIMEOUT):
            for number in range(_RETRIES):
                try:
                    return await self._run_once(work)
                except Exception as error:
                    if not is_transient(error):
                        raise
                await asyncio.sleep(_BASE_DELAY * 2**number * random.uniform(0.5, 1))  # noqa: S311
            return await self._run_once(work)

    async def _run_once(self, work: Work[_Result]) -> _Result:
        engine = self._engine.current()
        try:
            async with engine.connect() as connection:
                if self._create_table and engine not in self._prepared:
                    await self._create(connection)
                    self._prepared.add(engine)
                async with self._transaction_of_all(connection):
                    return await work(connection)
        except DBAPIError as error:
            error.hide_parameters = True  # the log must not show what sessions hold
            if is_missing_table(error):
                if self._create_table:
                    # It went while the app ran: nothing was written, and the retry creates it.
                    # Other work at the same moment may have found that out already.
                    self._prepared.discard(engine)
                    raise TableVanished from error
                raise RuntimeError(
                    f"the database has no table {self._table.name}: start the app with "
                    "create_table=True, or run your migrations"
                ) from error
            raise

    def _transaction_of_all(
        self, connection: AsyncConnection
    ) -> AbstractAsyncContextManager[object]:
        return nullcontext() if self._engine.autocommits else connection.begin()

    async def _create(self, connection: AsyncConnection) -> None:
        """Create the table and its index where they do not exist."""
        for create in (self._table.create, *(index.create for index in self._table.indexes)):
            try:
                async with self._transaction_of_all(connection):
                    await connection.run_sync(create, checkfirst=True)
            except DBAPIError:
                if connection.invalidated:
                    raise
                # Another process created it after the check: check again.
                async with self._transaction_of_all(connection):
                    await connection.run_sync(create, checkfirst=True)

    async def _in_time(self, running: asyncio.Future[_Result]) -> _Result:
        """Return the result of *running*, which `timeout` seconds later is cancelled."""
        self._running.add(running)
        running.add_done_callback(self._on_end)
        await asyncio.wait((running,), timeout=self._timeout)
        with suppress(TimeoutError, asyncio.CancelledError):  # of its own, for the same reason
            if running.done():
                return running.result()
        running.cancel()
        raise TimeoutError(f"the database has not answered in {self._timeout} s")

    def _on_end(self, ended: asyncio.Future[Any]) -> None:
        self._running.discard(ended)
        if not ended.cancelled():
            ended.exception()  # retrieved, in case the request was cancelled


async def _nothing(_connection: AsyncConnection) -> None:
    """Work for which only the table is made."""


async def _outcome(work: Work[Any], connection: AsyncConnection) -> Any:
    """Return what *work* returns or raises; raise an error of the database, for a retry."""
    try:
        return await work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        return error


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
    """End a transaction that failed; discard the connection if it can't."""
    if isinstance(error, Exception) and not connection.invalidated:
        with suppress(DBAPIError):
            await connection.exec_driver_sql("ROLLBACK")
            return
    if not connection.invalidated:
        await connection.invalidate()
