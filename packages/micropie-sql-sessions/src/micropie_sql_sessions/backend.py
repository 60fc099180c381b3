"""The session backend: a row for each session, with a JSON document in it."""

import logging
import math
import secrets
from collections.abc import Collection
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import URL, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from micropie import LoadedSession, SessionBackend, hash_session_id
from micropie.codec import dumps_strict, loads
from micropie_sql_sessions.batches import Work
from micropie_sql_sessions.database import Database
from micropie_sql_sessions.engines import engine_source
from micropie_sql_sessions.errors import is_passing
from micropie_sql_sessions.purging import Purger
from micropie_sql_sessions.statements import Statements
from micropie_sql_sessions.tables import session_table

# A process needs few: a session keeps a connection busy for about a millisecond, and PostgreSQL
# takes 100 from all processes together.
MAX_CONNECTIONS = 10

# The end of time as MySQL sees it.
_NEVER = datetime(9999, 12, 31, tzinfo=UTC)

_Result = TypeVar("_Result")

_logger = logging.getLogger("micropie")


class _Loaded(NamedTuple):
    """What a request has loaded, so that its merge need not read it again."""

    backend: "SQLSessionBackend"
    key: str
    document: str
    revision: int


# Of the request whose context this is; it goes with the request.
_loaded: ContextVar[_Loaded | None] = ContextVar("micropie_sql_sessions", default=None)


class SQLSessionBackend(SessionBackend):
    """Keeps sessions in a SQL database, for all processes and machines that serve an app.

    While the database is away each method fails within *timeout*, and works again when the
    database does.

    Args:
        url_or_engine: a URL as SQLAlchemy takes it (`sqlite:///sessions.db`, `postgresql://`,
            `mysql://`, `mariadb://`; the driver may be left out), or an AsyncEngine, which is
            yours to dispose of.
        table: the name of the table.
        create_table: whether to create the table if it is not there.
        purge_every: seconds between two purges of expired sessions while the app runs, by one of
            its processes; None for none.
        timeout: seconds for a whole call, from waiting for a connection to the last retry.
        max_connections: the most that a backend made from a URL opens, in each process.

    Attributes:
        table: the SQLAlchemy Table, for migrations.

    Raises:
        TypeError: an argument is of the wrong type.
        ValueError: an argument has a value that can't be.
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
    ) -> None:
        if not isinstance(create_table, bool):
            raise TypeError(f"create_table must be True or False: {create_table!r}")
        if purge_every is not None:
            _check_seconds("purge_every", purge_every)
        _check_seconds("timeout", timeout)
        if not isinstance(max_connections, int) or isinstance(max_connections, bool):
            raise TypeError(f"max_connections must be an int: {max_connections!r}")
        if max_connections < 1:
            raise ValueError(f"max_connections must be 1 or more: {max_connections!r}")
        self.table: Table = session_table(table)
        self._source = engine_source(url_or_engine, max_connections, timeout)
        self._database = Database(self._source, timeout, table)
        self._statements = Statements(self.table, self._source.dialect)
        self._purger = Purger(self._database, self._statements, purge_every)
        self._create_table = create_table
        self._created_in: AsyncEngine | None = None

    async def load(self, session_id: str) -> dict[str, Any]:
        """Return the session, with the time left; {} if there is none, or it can't be read."""
        key, now = hash_session_id(session_id), datetime.now(UTC)

        async def load(connection: AsyncConnection) -> Any:
            result = await connection.execute(self._statements.load, {"key": key, "now": now})
            return result.one_or_none()

        row = await self._run(load)
        data = {} if row is None else _decoded(key, row.data)
        if row is None or not data:
            return {}
        _loaded.set(_Loaded(self, key, row.data, row.revision))
        return LoadedSession(data, expires_in=(_utc(row.expires_at) - now).total_seconds())

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Store *data* in place of all that was there; nothing, or no time, deletes."""
        key, written = hash_session_id(session_id), _written(data, timeout)

        async def save(connection: AsyncConnection) -> None:
            if data and timeout > 0:
                await connection.execute(self._statements.save, {"key": key, **written})
            else:
                await connection.execute(self._statements.delete, {"key": key})

        await self._write(save)

    async def merge(
        self, session_id: str, changed: dict[str, Any], removed: Collection[str], timeout: float
    ) -> bool:
        """Change and remove single keys; False when there is no such session any more."""
        key, now, removed = hash_session_id(session_id), datetime.now(UTC), set(removed)
        loaded = self._forget_loaded(key)

        async def change(connection: AsyncConnection, document: str, revision: int) -> bool:
            data = _decoded(key, document)
            if not data:
                return False
            kept = {name: value for name, value in data.items() if name not in removed} | changed
            values = {"key": key, "now": now, "loaded": revision}
            if kept:
                values |= _written(kept, timeout)
            statement = self._statements.change if kept else self._statements.empty
            return (await connection.execute(statement, values)).rowcount == 1

        async def merge(connection: AsyncConnection) -> bool:
            # Most often nobody else has written since this request loaded: one round trip.
            if loaded and await change(connection, loaded.document, loaded.revision):
                return True
            async with self._database.transaction(connection):
                row = await self._hold(connection, key, now)
                return row is not None and await change(connection, row.data, row.revision)

        return await self._write(merge)

    async def touch(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        """Keep a session, if it is still there, for another *timeout* seconds."""
        key, now = hash_session_id(session_id), datetime.now(UTC)
        values = {"key": key, "now": now, "expires_at": _after(now, timeout)}

        async def touch(connection: AsyncConnection) -> None:
            await connection.execute(self._statements.touch, values)

        await self._write(touch)

    async def take(self, session_id: str) -> dict[str, Any]:
        """Delete a session and return what it held.

        Raises:
            ConnectionError: the connection broke, and by the next try the session was gone: it
                had been deleted, and nobody knows whether by this call.
        """
        key, now = hash_session_id(session_id), datetime.now(UTC)
        deletions = 0

        async def take(connection: AsyncConnection) -> Any:
            nonlocal deletions
            async with self._database.transaction(connection):
                row = await self._hold(connection, key, now)
                await connection.execute(self._statements.delete, {"key": key})
                deletions += 1
            return row

        row = await self._write(take)
        if row is None and deletions > 1:
            # {} would pass for a logout, and the request for a success.
            raise ConnectionError("the connection broke while a session was taken")
        return {} if row is None else _decoded(key, row.data)

    async def purge(self) -> int:
        """Delete all expired sessions, in small batches; return how many there were."""
        return await self._purger.purge()

    async def startup(self) -> None:
        """Create the table if that is wanted, and begin to purge now and then.

        A database that is away does not stop the app from starting; the table can wait.
        """
        try:
            await self._see_to_table()
        except Exception as error:
            if not is_passing(error):
                raise
            _logger.error("the sessions' database is away; going on without", exc_info=error)
        self._purger.start()

    async def shutdown(self) -> None:
        """Stop purging, and close the connections unless they are those of a given engine."""
        await self._purger.stop()
        await self._database.close()
        self._created_in = None

    async def _run(self, work: Work[_Result]) -> _Result:
        await self._see_to_table()
        return await self._database.run(work)

    async def _write(self, work: Work[_Result]) -> _Result:
        await self._see_to_table()
        return await self._database.write(work)

    async def _see_to_table(self) -> None:
        """Create the table, if that is wanted, the first time. A server may never start us."""
        engine = self._source.engine()
        if self._create_table and self._created_in is not engine:
            await self._database.run(self._create)
            self._created_in = engine

    async def _create(self, connection: AsyncConnection) -> None:
        """Create the table and its index, if they are not there."""
        for create in (self.table.create, *(index.create for index in self.table.indexes)):
            try:
                await connection.run_sync(create, checkfirst=True)
            except DBAPIError:
                if connection.invalidated:
                    raise
                # Another process was quicker, between the look and the creation: look again.
                await connection.run_sync(create, checkfirst=True)

    def _forget_loaded(self, key: str) -> _Loaded | None:
        """Return what this request has loaded, if it is this session, to use it once."""
        loaded = _loaded.get()
        _loaded.set(None)
        return loaded if loaded and loaded.backend is self and loaded.key == key else None

    async def _hold(self, connection: AsyncConnection, key: str, now: datetime) -> Any:
        """Return a session's row, which nobody else can write until the transaction ends."""
        result = await connection.execute(self._statements.hold, {"key": key, "now": now})
        return result.one_or_none()


def _check_seconds(name: str, value: object) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number of seconds: {value!r}")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be above 0, and finite: {value!r}")


def _written(data: dict[str, Any], timeout: float) -> dict[str, Any]:
    """Return what is written of a session.

    Raises:
        TypeError, ValueError: *data* is no JSON object.
    """
    return {
        "data": dumps_strict(data).decode(),
        "revision": secrets.randbits(63),
        "expires_at": _after(datetime.now(UTC), timeout),
    }


def _after(now: datetime, timeout: float) -> datetime:
    try:
        return min(now + timedelta(seconds=timeout), _NEVER)
    except OverflowError:
        return _NEVER


def _utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _decoded(key: str, document: str) -> dict[str, Any]:
    """Return a stored session; {}, and a line in the log, if it is corrupt."""
    try:
        data = loads(document.encode())
        if isinstance(data, dict):
            return data
    except ValueError:
        pass
    # Neither the value nor the parser's message, which may quote it. The key is a hash.
    _logger.error("row %s holds no session that can be read; it counts as none", key)
    return {}
