"""Errors of databases, classified by the codes of their drivers."""

from sqlalchemy.exc import OperationalError

_TRANSIENT = {
    # SQLSTATE: class of connection exceptions, serialization failure, deadlock, admin shutdown,
    # crash shutdown, cannot connect now, too many connections.
    *("08", "40001", "40P01", "57P01", "57P02", "57P03", "53300"),
    # MySQL: read of a row that has changed since, too many connections, shutdown, lock wait
    # timeout, deadlock; its client: can't connect (socket, TCP), server gone, connection lost.
    *(1020, 1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013),
    # SQLite's primary codes: busy, locked.
    *(5, 6),
}

_WRONG_SERVER = {
    "25006",  # SQLSTATE: read-only transaction, as on a standby
    # MySQL: --read-only, read-only mode; Galera: a node that is cut off.
    *(1290, 1836, 1047),
}

_MISSING_TABLE = {"42P01", 1146}  # SQLSTATE, MySQL
_SQLITE_ERROR = 1  # which covers a missing table, among others


class TableVanished(Exception):
    """The table was there before, and is not any more."""


def is_transient(error: Exception) -> bool:
    """Return whether a retry may succeed: the connection broke, or others contend."""
    if isinstance(error, OSError | TableVanished) or getattr(
        error, "connection_invalidated", False
    ):
        return True
    codes = _codes(error)
    # psycopg has a SQLSTATE only for errors that the server sent: this one is about connecting.
    return bool(codes & _TRANSIENT) or (None in codes and isinstance(error, OperationalError))


def is_wrong_server(error: BaseException) -> bool:
    """Return whether a server refused because of its role: it does not write, and another may."""
    return bool(_codes(error) & _WRONG_SERVER)


def is_missing_table(error: Exception) -> bool:
    """Return whether the table does not exist."""
    codes = _codes(error)
    return bool(codes & _MISSING_TABLE) or (
        _SQLITE_ERROR in codes and "no such table" in str(error)
    )


def _codes(error: BaseException) -> set[str | int | None]:
    """Return the codes in the driver's error, the class of a SQLSTATE included."""
    # SQLAlchemy does not wrap all errors about connecting.
    original = getattr(error, "orig", None) or error
    state: str | None = getattr(original, "sqlstate", "")
    codes: set[str | int | None] = {state, state and state[:2]}
    if original.args and isinstance(original.args[0], int):
        codes.add(original.args[0])
    if (code := getattr(original, "sqlite_errorcode", None)) is not None:
        codes.add(code & 0xFF)
    return codes
