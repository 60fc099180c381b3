"""The SQLAlchemy engine of a backend: made from a URL and closed again, or lent by the user."""

import asyncio
import math
from typing import Any

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

DIALECTS = ("sqlite", "postgresql", "mysql", "mariadb")

# What a URL that names no driver means: the driver of the extra. Some hosts say postgres.
_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "mysql": "mysql+asyncmy",
    "mariadb": "mariadb+asyncmy",
}
_EXTRAS = {"sqlite": "sqlite", "postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}


def engine_source(
    url_or_engine: object, max_connections: int, timeout: float
) -> "OwnEngine | LentEngine":
    """Return where a backend gets its engine from, each time it needs it.

    Raises:
        TypeError: *url_or_engine* is neither a URL nor an asynchronous engine.
        ValueError: there is no engine for the URL, or its database is not one of DIALECTS.
        ModuleNotFoundError: the database's driver is not installed.
    """
    if isinstance(url_or_engine, str | URL):
        return OwnEngine(url_or_engine, max_connections, timeout)
    if isinstance(url_or_engine, AsyncEngine):
        return LentEngine(url_or_engine)
    wrong = type(url_or_engine)
    raise TypeError(
        "url_or_engine must be a URL or an AsyncEngine of SQLAlchemy, not "
        f"{wrong.__module__}.{wrong.__qualname__}"
    )


class OwnEngine:
    """An engine made from a URL when it is first used, in the event loop that uses it.

    Args:
        url: as SQLAlchemy takes it; without a driver it means that of the extra.
        max_connections: the most to open.
        timeout: seconds that the database waits for another process to finish writing.
    """

    def __init__(self, url: str | URL, max_connections: int, timeout: float) -> None:
        self._url = _with_driver(url)
        self._max_connections = max_connections
        self._timeout = timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: set[Any] = set()
        self._engine = self._make()
        self.dialect = self._engine.dialect.name

    def engine(self) -> AsyncEngine:
        """Return the engine of the running event loop, whose connections commit by themselves."""
        loop = asyncio.get_running_loop()
        # Connections are bound to their loop; what another one left open can't be used any more.
        if self._loop is not loop:
            if self._loop is not None:
                self._engine = self._make()
            self._loop = loop
        return self._engine

    async def close(self) -> None:
        """Close the connections; the next use opens others.

        Cancel it when it takes too long: it says goodbye to the database on each connection.
        """
        if self._loop is not asyncio.get_running_loop():
            return
        try:
            await self._engine.dispose()
        finally:
            for connection in self._open:
                self._engine.dialect.do_terminate(connection)

    def _make(self) -> AsyncEngine:
        options: dict[str, Any] = {}
        size = self._max_connections
        if self._url.get_backend_name() == "sqlite":
            options["connect_args"] = {"timeout": self._timeout}
            if self._url.database in (None, "", ":memory:"):
                size = 1  # each connection would have a database of its own
        elif self._url.get_backend_name() in ("mysql", "mariadb"):
            # A statement whose caller has given up would go on waiting for a row, for 50 s.
            wait = f"SET innodb_lock_wait_timeout = {math.ceil(self._timeout)}"
            options["connect_args"] = {"init_command": wait}
        try:
            engine = create_async_engine(
                self._url,
                # One statement is one round trip then, with no BEGIN, COMMIT or ROLLBACK.
                isolation_level="AUTOCOMMIT",
                skip_autocommit_rollback=True,
                pool_reset_on_return=None,
                poolclass=AsyncAdaptedQueuePool,
                pool_size=size,
                max_overflow=0,
                pool_timeout=None,  # the backend's bounds waiting and working together
                **options,
            )
        except ModuleNotFoundError as error:
            extra = _EXTRAS[self._url.get_backend_name()]
            raise ModuleNotFoundError(
                f"{error.name} is not installed: pip install 'micropie-sql-sessions[{extra}]'",
                name=error.name,
            ) from None
        except (ArgumentError, InvalidRequestError):
            raise ValueError(
                f"url_or_engine names {self._url.drivername}, which would block the event loop: "
                "leave the driver out, or name one for asyncio"
            ) from None
        if engine.dialect.name == "sqlite":
            event.listen(engine.sync_engine, "connect", _set_up_sqlite)
        elif engine.dialect.driver == "psycopg":
            # A statement whose caller has given up: asyncpg has the server cancel it.
            wait = f"SET lock_timeout = {math.ceil(self._timeout * 1000)}"
            event.listen(engine.sync_engine, "connect", lambda new, _record: _execute(new, wait))
        self._open = opened = set()
        event.listen(engine.sync_engine, "connect", lambda new, _record: opened.add(new))
        event.listen(engine.sync_engine, "close", lambda old, _record: opened.discard(old))
        return engine


class LentEngine:
    """An engine that was given, and that its owner closes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.dialect = engine.dialect.name
        if self.dialect not in DIALECTS:
            raise ValueError(_wrong_dialect(self.dialect))
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    def engine(self) -> AsyncEngine:
        """Return the engine, as a view whose connections commit by themselves."""
        return self._engine

    async def close(self) -> None:
        """Leave it open."""


def _with_driver(text: str | URL) -> URL:
    try:
        url = make_url(text)
        if url.drivername in _DRIVERS:
            url = url.set(drivername=_DRIVERS[url.drivername])
        url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Nothing of the URL or of SQLAlchemy's message: parts of the password may be in them.
        raise ValueError(
            "url_or_engine is no URL that SQLAlchemy takes: it is spelt "
            "dialect+driver://user:password@host:port/database, special characters in user and "
            "password are percent-encoded"
        ) from None
    if url.get_backend_name() not in DIALECTS:
        raise ValueError(_wrong_dialect(url.get_backend_name()))
    return url


def _wrong_dialect(dialect: str) -> str:
    return f"url_or_engine must be of SQLite, PostgreSQL, MySQL or MariaDB, not {dialect}"


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # Readers and a writer at the same time, and nothing acknowledged is lost with the power.
    _execute(connection, "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL")


def _execute(connection: Any, *statements: str) -> None:
    cursor = connection.cursor()
    for statement in statements:
        cursor.execute(statement)
    cursor.close()
