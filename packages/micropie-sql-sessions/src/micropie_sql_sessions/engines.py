"""The SQLAlchemy engine of a backend: managed (made from a URL, and closed) or the user's own."""

import asyncio
import math
import os
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, ExceptionContext, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from micropie.concurrency import LoopLocal
from micropie_sql_sessions.errors import is_wrong_server
from micropie_sql_sessions.tables import MYSQL
from micropie_sql_sessions.urls import (
    check_options,
    check_supported,
    how_to_install,
    translated,
    url_with_driver,
)

# One statement is one round trip then, without BEGIN, COMMIT and ROLLBACK.
_AUTOCOMMIT = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}

# Arguments with which a driver leaves no named statement behind in a connection.
_UNPREPARED: dict[str, dict[str, Any]] = {
    "asyncpg": {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": str,  # "": unnamed
    },
    "psycopg": {"prepare_threshold": None},
}


def engine_for(
    url_or_engine: object, max_connections: int, timeout: float, *, pgbouncer: bool
) -> "Engine":
    """Return what provides a backend with its engine, in whichever event loop is running.

    Raises:
        TypeError: *url_or_engine* is neither a URL nor an asynchronous engine.
        ValueError: SQLAlchemy has no engine for the URL, or its database is not supported.
        ModuleNotFoundError: the database's driver is not installed.
    """
    if isinstance(url_or_engine, str | URL):
        return ManagedEngine(url_or_engine, max_connections, timeout, pgbouncer=pgbouncer)
    if isinstance(url_or_engine, AsyncEngine):
        return ExternalEngine(url_or_engine)
    raise TypeError(
        f"url_or_engine must be a URL or an AsyncEngine of SQLAlchemy, not {type(url_or_engine)}"
    )


class ManagedEngine:
    """An engine made from a URL, in each event loop that uses it.

    Args:
        url: as SQLAlchemy takes it; the driver may be left out.
        max_connections: the most to open.
        timeout: seconds that a statement waits for a lock.
        pgbouncer: whether the URL leads to a PgBouncer that gives each transaction another
            connection.

    Attributes:
        dialect: SQLAlchemy's name of the database.
        autocommits: whether a statement is a transaction unless something else is said.
    """

    def __init__(
        self, url: str | URL, max_connections: int, timeout: float, *, pgbouncer: bool
    ) -> None:
        self._url, self._arguments = translated(url_with_driver(url))
        self.autocommits = not pgbouncer
        if pgbouncer:
            if self._url.get_driver_name() not in _UNPREPARED:
                raise ValueError("pgbouncer is for asyncpg and psycopg, the drivers of PostgreSQL")
            self._arguments |= _UNPREPARED[self._url.get_driver_name()]
        self._max_connections = max_connections
        self._timeout = timeout
        self._engines = LoopLocal(self._make, self._dispose)
        # The connections of an engine that are open.
        self._open: WeakKeyDictionary[AsyncEngine, set[Any]] = WeakKeyDictionary()
        dialect = self._make().dialect
        check_options(self._url, dialect)
        self.dialect = dialect.name

    def current(self) -> AsyncEngine:
        """Return the engine of the running event loop."""
        return self._engines.get()

    async def close(self) -> None:
        """Close the connections of the running event loop; the next use opens others."""
        await self._engines.close()

    async def _dispose(self, engine: AsyncEngine) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout):
                await engine.dispose()
        for connection in self._open[engine]:  # closed without telling the database
            engine.dialect.do_terminate(connection)

    def _make(self) -> AsyncEngine:
        is_sqlite = self._url.get_backend_name() == "sqlite"
        in_memory = is_sqlite and self._url.database in (None, "", ":memory:")
        try:
            engine = create_async_engine(
                self._url,
                connect_args=self._arguments,
                poolclass=AsyncAdaptedQueuePool,
                # In memory each connection would have a database of its own.
                pool_size=1 if in_memory else self._max_connections,
                max_overflow=0,
                pool_timeout=None,  # the backend's includes waiting for a connection
                **(_AUTOCOMMIT if self.autocommits else {}),
            )
        except ModuleNotFoundError as error:
            install = how_to_install(self._url.get_driver_name())
            raise ModuleNotFoundError(
                f"{error.name} is not installed: {install}", name=error.name
            ) from None
        except ValueError as error:  # SQLAlchemy converts some options
            raise ValueError(f"url_or_engine has an option with a wrong value: {error}") from None
        self._open[engine] = opened = set()
        # Behind a pooler a setting would stay for whoever gets the connection next.
        settings = _settings(engine, self._timeout) if self.autocommits else ()

        def set_up(connection: Any, _record: object) -> None:
            opened.add(connection)
            cursor = connection.cursor()
            for setting in settings:
                cursor.execute(setting)
            cursor.close()

        event.listen(engine.sync_engine, "connect", set_up)
        event.listen(engine.sync_engine, "close", lambda old, _record: opened.discard(old))
        _leave_wrong_servers(engine)
        if is_sqlite and not in_memory and "uri" not in self._url.query:
            _keep_to_file(engine, os.path.abspath(self._url.database or ""))
        return engine


class ExternalEngine:
    """An engine that the user made, and disposes of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.dialect = check_supported(engine.dialect.name)
        # Its owner may use it behind PgBouncer, where only a transaction has one connection.
        self.autocommits = self.dialect != "postgresql"
        options = {"isolation_level": "AUTOCOMMIT"} if self.autocommits else {}
        self._engine = engine.execution_options(**options)
        _leave_wrong_servers(self._engine)

    def current(self) -> AsyncEngine:
        """Return a view of the engine."""
        return self._engine

    async def close(self) -> None:
        """Leave it open."""


Engine = ManagedEngine | ExternalEngine


def _settings(engine: AsyncEngine, timeout: float) -> tuple[str, ...]:
    """Return statements for new connections: a statement waits *timeout* seconds for a lock.

    Without them one whose request has given up would wait on, in MySQL for 50 s.
    """
    seconds, milliseconds = math.ceil(timeout), min(math.ceil(timeout * 1000), 2**31 - 1)
    if engine.dialect.name == "sqlite":
        # Readers do not block the writer, and acknowledged writes survive a power cut.
        wal = ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")
        return (f"PRAGMA busy_timeout={milliseconds}", *wal)
    if engine.dialect.name in MYSQL:
        return (f"SET innodb_lock_wait_timeout = {seconds}",)
    if engine.dialect.driver == "psycopg":  # asyncpg has the server cancel the statement
        return (f"SET lock_timeout = {milliseconds}",)
    return ()


def _file_identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _keep_to_file(engine: AsyncEngine, path: str) -> None:
    """Give up connections to a file of SQLite that was deleted or replaced since they were made."""

    def remember(_connection: object, record: Any) -> None:
        record.info["file"] = _file_identity(path)

    def check(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["file"] != _file_identity(path):
            raise DisconnectionError

    event.listen(engine.sync_engine, "connect", remember)
    event.listen(engine.sync_engine, "checkout", check)


def _leave_wrong_servers(engine: AsyncEngine) -> None:
    """Give up all connections when one turns out to lead to a server that does not write.

    After a failover, open connections stay with the old server and new ones reach the new one.
    """

    def on_error(context: ExceptionContext) -> None:
        if context.engine is engine.sync_engine and is_wrong_server(context.original_exception):
            context.is_disconnect = True  # so the pool replaces them all

    event.listen(engine.sync_engine, "handle_error", on_error)
