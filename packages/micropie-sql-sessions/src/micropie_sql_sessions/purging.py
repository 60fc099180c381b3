"""Expired sessions are deleted: on demand, and now and then by one process of many."""

import asyncio
import logging
import secrets
import time
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from micropie_sql_sessions.database import Database
from micropie_sql_sessions.statements import PURGE_ID, Statements

# A batch takes SQLite some milliseconds, and the pause, at least as long, lets those write who
# wait: they look every few milliseconds, later every 25, whether it is their turn.
_BATCH = 100
_PAUSE = 0.025  # seconds

_logger = logging.getLogger("micropie")


class Purger:
    """Deletes expired sessions.

    All processes agree by a row of the same table, with an id that no session can have: it
    expires when the next purge is due, and whoever puts that off is the one who purges.

    Args:
        database: where the sessions are.
        statements: its SQL.
        every: seconds between two purges in the background; None for none.
    """

    def __init__(self, database: Database, statements: Statements, every: float | None) -> None:
        self._database = database
        self._statements = statements
        self._every = every
        self._task: asyncio.Task[None] | None = None

    async def purge(self) -> int:
        """Delete all that has expired, in batches; return how many sessions that were."""
        now, count = datetime.now(UTC), 0

        async def batch(connection: AsyncConnection) -> tuple[int, int]:
            """Return how many looked expired, and how many were."""
            values = {"now": now, "limit": _BATCH}
            keys = (await connection.scalars(self._statements.expired, values)).all()
            if not keys:
                return 0, 0
            # By itself, so that SQLite is held no longer than it takes. Looked at again: a session
            # that was given up may be saved anew meanwhile.
            values = {"now": now, "keys": keys}
            deleted = await connection.execute(self._statements.purge, values)
            return len(keys), deleted.rowcount

        while True:
            begin = time.monotonic()
            found, deleted = await self._database.run(batch)
            count += deleted
            if found < _BATCH:
                return count
            await asyncio.sleep(max(_PAUSE, time.monotonic() - begin))

    def start(self) -> None:
        """Purge now and then, from now on."""
        if self._every is not None and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._purge_forever(self._every))

    async def stop(self) -> None:
        """Purge no more."""
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
        """Tell whether a purge is due, and nobody else has taken it."""
        now = datetime.now(UTC)
        values = {
            "key": PURGE_ID,
            "now": now,
            "data": "",
            "revision": secrets.randbits(63),
            "expires_at": now + timedelta(seconds=every),
        }

        async def claim(connection: AsyncConnection) -> bool:
            claimed = await connection.execute(self._statements.claim, values)
            if claimed.rowcount:
                return True
            try:
                await connection.execute(self._statements.first_claim, values)
            except IntegrityError:
                return False  # it is not due yet
            return True

        return await self._database.write(claim)
