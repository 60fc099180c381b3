"""Purging expired sessions: on demand, and periodically by one process of many."""

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

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
        self._every = every
        self._task: asyncio.Task[None] | None = None

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
        """Purge periodically from now on."""
        if self._every is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._purge_forever(self._every))

    async def stop(self) -> None:
        """Stop purging periodically."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait((task,))

    async def _purge_forever(self, every: float) -> None:
        while True:
            try:
                if await self._claim(every):
                    await self.purge()
            except Exception as error:
                _logger.error("expired sessions could not be purged", exc_info=error)
            await asyncio.sleep(every)

    async def _claim(self, every: float) -> bool:
        """Renew the sentinel row; return False if it has not expired."""
        now = datetime.now(UTC)
        values = {"key": PURGE_ID, "now": now, **written("", now + timedelta(seconds=every))}

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
