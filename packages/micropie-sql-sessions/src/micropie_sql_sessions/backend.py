"""SQLSessionBackend, the class users make: a row per session, with a JSON document in it."""

import logging
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import URL, Table
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from micropie import LoadedSession, SessionBackend, hash_session_id
from micropie.codec import dumps_strict, loads
from micropie.parameters import check_number, check_seconds
from micropie_sql_sessions.database import Database
from micropie_sql_sessions.engines import engine_for
from micropie_sql_sessions.errors import is_transient
from micropie_sql_sessions.purging import Purger
from micropie_sql_sessions.statements import Statements, written
from micropie_sql_sessions.tables import session_table

# A process needs few: a session keeps a connection busy for about a millisecond, and PostgreSQL
# takes 100 from all processes together.
MAX_CONNECTIONS = 10

# Seconds, some 2,000 years: every database knows that day, and no session lives to see it.
_LONGEST = 2000 * 365 * 86400

_logger = logging.getLogger("micropie")


class _Version(NamedTuple):
    """What a request has loaded: merging into it spares reading it again."""

    document: str
    revision: int


class SQLSessionBackend(SessionBackend):
    """Keeps sessions in a SQL database, for all processes and machines that serve an app.

    While the database is away each method fails within *timeout*, and works again when the
    database does, or another server has taken over. A backend made from a URL can be used in
    several event loops at once.

    Args:
        url_or_engine: a URL as SQLAlchemy takes it (`sqlite:///sessions.db`, `postgresql://`,
            `mysql://`, `mariadb://`; the driver may be left out), or an AsyncEngine, which you
            dispose of.
        table: the name of the table.
        create_table: whether to create the table if it does not exist.
        purge_every: seconds between two purges of expired sessions while the app runs, by one of
            its processes; None for none.
        timeout: seconds for a whole call, from waiting for a connection to the last retry.
        max_connections: the most that a backend made from a URL opens, in each event loop.
        pgbouncer: whether a URL of PostgreSQL leads to PgBouncer in transaction mode, where
            statements can't be prepared once for many transactions.

    Attributes:
        table: the SQLAlchemy Table, for migrations.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument has an invalid value.
        ModuleNotFoundError: the database's driver is not installed.
    """

    def __init__(
        self,
        url_or_engine: str | URL | AsyncEngine,
        *,
        table: str = "micropie_sessions",
        create_table: bool = True,
        purge_every: float | None = 300.0,
        timeout: float = 5.0,
        max_connections: int = MAX_CONNECTIONS,
        pgbouncer: bool = False,
    ) -> None:
        for name, value in (("create_table", create_table), ("pgbouncer", pgbouncer)):
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be True or False, not {value!r}")
        check_seconds("purge_every", purge_every, optional=True)
        check_seconds("timeout", timeout)
        check_number("max_connections", max_connections, int, least=1)
        self.table: Table = session_table(table)
        engine = engine_for(url_or_engine, max_connections, timeout, pgbouncer=pgbouncer)
        self._database = Database(engine, self.table, create_table=create_table, timeout=timeout)
        self._sql = Statements(self.table, engine.dialect)
        self._purger = Purger(self._database, self._sql, purge_every)

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return the session, with the time left; {} if it is missing or corrupt."""
        key, now = hash_session_id(session_id), datetime.now(UTC)

        rows = await self._database.fetch(self._sql.load, {"key": key, "now": now})
        if not (rows and (data := _decoded(key, rows[0].data))):
            return {}
        row = rows[0]
        # MySQL and SQLite return a UTC time without its zone.
        left = row.expires_at.replace(tzinfo=row.expires_at.tzinfo or UTC) - now
        version = _Version(row.data, row.revision)
        return LoadedSession(data, expires_in=left.total_seconds(), version=version)

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store *data* in place of the whole session; empty data or no time deletes it."""
        values = {"key": hash_session_id(session_id), **_encoded(data, timeout)}
        statement = self._sql.save if data and timeout > 0 else self._sql.delete
        await self._database.execute(statement, values)

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Set and remove single keys; False if the session does not exist any more."""
        key, now, removed = hash_session_id(session_id), datetime.now(UTC), set(removed)
        loaded = getattr(changed, "version", None)

        async def change(connection: AsyncConnection, document: str, revision: int) -> bool:
            """Write the row if it still has *revision*, in which it held *document*."""
            data = _decoded(key, document)
            if not data:
                return False
            kept = {name: value for name, value in data.items() if name not in removed} | changed
            values = {"key": key, "now": now, "loaded": revision, **_encoded(kept, timeout)}
            statement = self._sql.change if kept else self._sql.delete_unchanged
            return (await connection.execute(statement, values)).rowcount == 1

        async def merge(connection: AsyncConnection) -> bool:
            # Optimistic, since contention is rare: one round trip if nobody has written since.
            if isinstance(loaded, _Version) and await change(connection, *loaded):
                return True
            async with self._database.transaction(connection):
                row = await self._lock(connection, key, now)
                return row is not None and await change(connection, row.data, row.revision)

        return await self._database.write(merge)

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Let the session, if it still exists, expire *timeout* seconds from now."""
        key, now = hash_session_id(session_id), datetime.now(UTC)
        values = {"key": key, "now": now, "expires_at": _after(now, timeout)}
        await self._database.execute(self._sql.touch, values)

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return its data.

        Raises:
            ConnectionError: the connection broke, and on the retry the session was gone: it was
                deleted, but not certainly by this call.
        """
        key, now = hash_session_id(session_id), datetime.now(UTC)
        deletions = 0

        async def take(connection: AsyncConnection) -> Any:
            nonlocal deletions
            async with self._database.transaction(connection):
                row = await self._lock(connection, key, now)
                await connection.execute(self._sql.delete, {"key": key})
                deletions += 1
            return row

        row = await self._database.write(take)
        if row is None and deletions > 1:
            # Not idempotent: {} would look like a logout, and the request like a success.
            raise ConnectionError("the connection broke while a session was taken")
        return {} if row is None else _decoded(key, row.data)

    async def purge(self) -> int:
        """Delete all expired sessions, in small batches; return how many they were."""
        return await self._purger.purge()

    async def startup(self) -> None:
        """Create the table if it is wanted, and start to purge periodically.

        A database that is away does not stop the app from starting: the first request that needs
        the table creates it.
        """
        try:
            await self._database.prepare()
        except Exception as error:
            if not is_transient(error):
                raise
            _logger.error("the sessions' database is away; the app starts anyway", exc_info=error)
        self._purger.start()

    async def shutdown(self) -> None:
        """Stop purging, and close the connections unless the engine is the user's."""
        await self._purger.stop()
        await self._database.close()

    async def _lock(self, connection: AsyncConnection, key: str, now: datetime) -> Any:
        """Return a session's row, locked until the transaction ends; None if it is missing."""
        result = await connection.execute(self._sql.load_locked, {"key": key, "now": now})
        return result.one_or_none()


def _encoded(data: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Return the row of a session, as parameters of a statement.

    Raises:
        TypeError, ValueError: *data* is not a JSON object.
    """
    return written(dumps_strict(data).decode(), _after(datetime.now(UTC), timeout))


def _after(now: datetime, timeout: float) -> datetime:
    return now + timedelta(seconds=min(timeout, _LONGEST))


def _decoded(key: str, document: str) -> dict[str, Any]:
    """Return a stored session; {}, and a line in the log, if it is corrupt."""
    try:
        data = loads(document.encode())
        if isinstance(data, dict):
            return data
    except ValueError:
        pass
    # Without the value and the parser's message, which may quote it. The key is a hash.
    _logger.error("row %s is not a readable session; it counts as empty", key)
    return {}
