"""The URL of a database: its driver, and options that the driver spells otherwise or not at all."""

import inspect
import ssl
from collections.abc import Collection
from importlib import import_module
from typing import Any

from sqlalchemy import URL, Dialect, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from micropie_sql_sessions.tables import MYSQL

# What a URL without a driver means, and the extra that installs it.
_DRIVERS = {"sqlite": "aiosqlite", "postgresql": "asyncpg"} | dict.fromkeys(MYSQL, "asyncmy")
_EXTRAS = {"aiosqlite": "sqlite", "asyncpg": "postgresql", "asyncmy": "mysql"}

_SQLITE_OPTIONS = ("check_same_thread", "detect_types", "isolation_level", "timeout")

# Arguments of asyncpg's connect() that are numbers: out of a URL comes text.
_NUMBERS = {
    *("timeout", "command_timeout", "statement_cache_size"),
    *("max_cached_statement_lifetime", "max_cacheable_statement_size"),
}

# A session may hold any character, so a URL can't say that it may not. With MySQL's older names for
# UTF-8, which have three bytes a character, all of it is meant.
_MYSQL_UTF8 = ("utf8mb4", "utf8mb3", "utf8")
_POSTGRESQL_UTF8 = ("utf8", "UTF8", "utf-8", "UTF-8", "unicode", "UNICODE")

# libpq's, of which asyncpg takes the same values.
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def url_with_driver(text: str | URL) -> URL:
    """Return a URL that names its driver.

    Raises:
        ValueError: it is not one that SQLAlchemy takes, or its database or driver is not supported.
    """
    try:
        url = make_url(text)
        name = "postgresql" if url.drivername == "postgres" else url.drivername  # as hosts say
        if name in _DRIVERS:
            url = url.set(drivername=f"{name}+{_DRIVERS[name]}")
        dialect = url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        # Without the URL and SQLAlchemy's message, which may contain parts of the password.
        raise ValueError(
            "url_or_engine is not a URL that SQLAlchemy takes: it has the form "
            "dialect+driver://user:password@host:port/database, with special characters in user "
            "and password percent-encoded"
        ) from None
    check_supported(url.get_backend_name())
    # Before its driver is imported: nobody should install one to be told this.
    if not dialect.get_async_dialect_cls(url).is_async:
        raise ValueError(
            f"url_or_engine names {url.drivername}, which would block the event loop: "
            "leave the driver out, or name one for asyncio"
        )
    return url


def check_supported(dialect: str) -> str:
    """Return *dialect*.

    Raises:
        ValueError: it is of another database.
    """
    if dialect not in _DRIVERS:
        raise ValueError(
            f"url_or_engine must be of SQLite, PostgreSQL, MySQL or MariaDB, not {dialect}"
        )
    return dialect


def how_to_install(driver: str) -> str:
    """Return the command that installs *driver*."""
    extra = _EXTRAS.get(driver)
    package = driver if extra is None else f"micropie-sql-sessions[{extra}]"
    return f"pip install '{package}'"


def translated(url: URL) -> tuple[URL, dict[str, Any]]:
    """Return *url* without the options that its driver spells otherwise, and connect() arguments.

    Hosts give out URLs for the clients that come with the database.

    Raises:
        ValueError: an option has a value that the driver can't keep to.
    """
    options, arguments = dict(url.query), dict[str, Any]()
    if url.get_driver_name() == "asyncpg":
        if "sslmode" in options:
            arguments["ssl"] = _one_of("sslmode", options.pop("sslmode"), _SSL_MODES)
        if options.pop("channel_binding", "prefer") == "require":
            raise ValueError(
                "url_or_engine asks for channel_binding=require, which asyncpg does not have: "
                "leave it out, or use postgresql+psycopg"
            )
        if "connect_timeout" in options:
            options["timeout"] = options.pop("connect_timeout")
        for name in options.keys() & _NUMBERS:
            arguments[name] = _number(name, options.pop(name))
        if "timeout" in arguments and arguments["timeout"] <= 0:
            del arguments["timeout"]  # libpq's "no limit", with which asyncpg would never connect
        for name in options.keys() & {"application_name", "options"}:
            arguments.setdefault("server_settings", {})[name] = options.pop(name)
    elif url.get_driver_name() == "psycopg":
        if "client_encoding" in options:
            _one_of("client_encoding", options.pop("client_encoding"), _POSTGRESQL_UTF8)
            options["client_encoding"] = _POSTGRESQL_UTF8[0]
    elif url.get_driver_name() == "asyncmy":
        # The driver's own is utf8mb4.
        if "charset" in options:
            _one_of("charset", options.pop("charset"), _MYSQL_UTF8)
        if "use_unicode" in options:
            _one_of("use_unicode", options.pop("use_unicode"), ("1", "true", "True"))
        for name in options.keys() & {"ssl-mode", "ssl_mode"}:
            if make_context := _MYSQL_SSL[_one_of(name, options.pop(name), _MYSQL_SSL)]:
                arguments["ssl"] = make_context()
    return url.set(query=options), arguments


def check_options(url: URL, dialect: Dialect) -> None:
    """Check that the driver knows every option of *url*.

    Raises:
        ValueError: it does not, and connecting would fail.
    """
    driver = dialect.driver
    if driver == "aiosqlite":
        # Without uri=true SQLAlchemy drops all others, with it they are SQLite's.
        names, known = set(url.query), set(url.query if "uri" in url.query else _SQLITE_OPTIONS)
    elif driver in ("asyncpg", "psycopg", "asyncmy"):
        names, known = set(dialect.create_connect_args(url)[1]), {"prepared_statement_cache_size"}
        connect = import_module(driver).connect
        if driver == "psycopg":
            connect = import_module(driver).AsyncConnection.connect
            libpq = import_module("psycopg.pq").Conninfo.get_defaults()
            known |= {option.keyword.decode() for option in libpq}
        known |= inspect.signature(connect).parameters.keys()
    else:
        return
    if unknown := sorted(names - known):
        raise ValueError(
            f"url_or_engine has an option that {driver} does not know: {', '.join(unknown)}"
        )


def _one_of(name: str, value: Any, known: Collection[str]) -> str:
    if value not in known:
        raise ValueError(f"url_or_engine: {name} must be one of {', '.join(known)}")
    return str(value)


def _number(name: str, value: Any) -> float:
    try:
        return int(value) if str(value).isdecimal() else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"url_or_engine: {name} must be a number") from None


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _verified_authority() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


# MySQL's modes as asyncmy takes them. It can't try TLS first: PREFERRED goes without.
_MYSQL_SSL = {
    "DISABLED": None,
    "PREFERRED": None,
    "REQUIRED": _unverified,
    "VERIFY_CA": _verified_authority,
    "VERIFY_IDENTITY": ssl.create_default_context,
}
