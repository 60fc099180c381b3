"""Purging expired sessions: on demand, and periodically by one process of many."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from math import inf

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from micropie.concurrency import LoopLocal
from micropie_sql_sessions.database import Database
from micropie_sql_sessions.statements import PURGE_ID, Statements, written

# A batch takes SQLite some milliseconds, and the pause, at least as long, gives waiting writers
# their turn: they poll every few milliseconds, later every 25.
_BATCH = 100
_PAUSE = 0.025  # seconds

_logger = logging.getLogger("micropie")


class Purger:
    """Deletes expired sessions.

    Processes elect the one that purges by a sentinel row of the same table, with an id that no
    session has. It expires when the next purge is due, and the process that renews it purges.

    Args:
        database: runs the statements.
        sql: the statements.
        every: seconds between two purges in the background; None for none.
    """

    def __init__(self, database: Database, sql: Statements, every: float | None) -> None:
        self._database = database
        self._sql = sql
        self._every = inf if every is None else every
        self._tasks = LoopLocal(lambda: asyncio.create_task(self._repeat()), _cancel)

    async def purge(self) -> int:
        """Delete all that has expired, in batches; return the number of sessions deleted."""
        now, count = datetime.now(UTC), 0
        while True:
            start = time.monotonic()
            found = await self._database.fetch(self._sql.expired, {"now": now, "limit": _BATCH})
            if keys := [row.id for row in found]:
                # It checks the expiry again: a session may have been saved since.
                count += await self._database.execute(self._sql.purge, {"now": now, "keys": keys})
            if len(keys) < _BATCH:
                return count
            await asyncio.sleep(max(_PAUSE, time.monotonic() - start))

    def start(self) -> None:
        """Purge periodically from now on, in the running event loop."""
        if self._every < inf:
            self._tasks.get()

    async def stop(self) -> None:
        """Stop purging periodically in the running event loop."""
        await self._tasks.close()

    async def _repeat(self) -> None:
        while True:
            try:
                if await self._claim():
                    await self.purge()
            except Exception as error:
                _logger.error("expired sessions could not be purged", exc_info=error)
            await asyncio.sleep(self._every)

    async def _claim(self) -> bool:
        """Renew the sentinel row; return False if it has not expired."""
        now = datetime.now(UTC)
        values = {"key": PURGE_ID, "now": now, **written("", now + timedelta(seconds=self._every))}

        async def claim(connection: AsyncConnection) -> bool:
            claimed = await connection.execute(self._sql.claim, values)
            if claimed.rowcount:
                return True
            try:
                await connection.execute(self._sql.first_claim, values)
            except IntegrityError:
                return False
            return True

        return await self._database.write(claim)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
