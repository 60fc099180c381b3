"""The SQLAlchemy engine of a backend: managed (made from a URL, and closed) or the user's own."""

import asyncio
import math
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from micropie.concurrency import LoopLocal
from micropie_sql_sessions.tables import MYSQL

# The drivers of the extras, by dialect: what a URL without a driver means.
_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"} | dict.fromkeys(MYSQL, "asyncmy")


def engine_for(url_or_engine: object, max_connections: int, timeout: float) -> "Engine":
    """Return what provides a backend with its engine, in whichever event loop is running.

    Raises:
        TypeError: *url_or_engine* is neither a URL nor an asynchronous engine.
        ValueError: SQLAlchemy has no engine for the URL, or its database is not supported.
        ModuleNotFoundError: the database's driver is not installed.
    """
    if isinstance(url_or_engine, str | URL):
        return ManagedEngine(url_or_engine, max_connections, timeout)
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
    """

    def __init__(self, url: str | URL, max_connections: int, timeout: float) -> None:
        self._url = _with_driver(url)
        self._max_connections = max_connections
        self._timeout = timeout
        self._engines = LoopLocal(self._make, self._dispose)
        # The connections of an engine that are open.
        self._open: WeakKeyDictionary[AsyncEngine, set[Any]] = WeakKeyDictionary()
        self.dialect = self._make().dialect.name

    def current(self) -> AsyncEngine:
        """Return the engine of the running event loop, whose connections autocommit."""
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
        in_memory = self._url.get_backend_name() == "sqlite" and (
            self._url.database in (None, "", ":memory:")
        )
        try:
            engine = create_async_engine(
                self._url,
                # One statement is one round trip then, without BEGIN, COMMIT and ROLLBACK.
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
                pool_reset_on_return=None,
                poolclass=AsyncAdaptedQueuePool,
                # In memory each connection would have a database of its own.
                pool_size=1 if in_memory else self._max_connections,
                max_overflow=0,
                pool_timeout=None,  # the backend's includes waiting for a connection
            )
        except ModuleNotFoundError as error:
            dialect = self._url.get_backend_name()
            extra = "mysql" if dialect in MYSQL else dialect
            raise ModuleNotFoundError(
                f"{error.name} is not installed: pip install 'micropie-sql-sessions[{extra}]'",
                name=error.name,
            ) from None
        except (ArgumentError, InvalidRequestError):
            raise ValueError(
                f"url_or_engine names {self._url.drivername}, which would block the event loop: "
                "leave the driver out, or name one for asyncio"
            ) from None
        self._open[engine] = opened = set()
        settings = _settings(engine, self._timeout)

        def set_up(connection: Any, _record: object) -> None:
            opened.add(connection)
            cursor = connection.cursor()
            for setting in settings:
                cursor.execute(setting)
            cursor.close()

        event.listen(engine.sync_engine, "connect", set_up)
        event.listen(engine.sync_engine, "close", lambda old, _record: opened.discard(old))
        return engine


class ExternalEngine:
    """An engine that the user made, and disposes of."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.dialect = _supported(engine.dialect.name)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def current(self) -> AsyncEngine:
        """Return a view of the engine whose connections autocommit."""
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


def _with_driver(text: str | URL) -> URL:
    try:
        url = make_url(text)
        name = "postgresql" if url.drivername == "postgres" else url.drivername  # as hosts say
        if name in _DRIVERS:
            url = url.set(drivername=f"{name}+{_DRIVERS[name]}")
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Without the URL and SQLAlchemy's message, which may contain parts of the password.
        raise ValueError(
            "url_or_engine is not a URL that SQLAlchemy takes: it has the form "
            "dialect+driver://user:password@host:port/database, with special characters in user "
            "and password percent-encoded"
        ) from None
    _supported(url.get_backend_name())
    return url


def _supported(dialect: str) -> str:
    if dialect not in _DRIVERS:
        raise ValueError(
            f"url_or_engine must be of SQLite, PostgreSQL, MySQL or MariaDB, not {dialect}"
        )
    return dialect
