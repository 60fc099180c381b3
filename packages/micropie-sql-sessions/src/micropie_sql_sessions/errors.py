"""What the errors of databases mean: each driver has its own codes."""

from sqlalchemy.exc import DBAPIError

# SQLSTATE: serialisation failure, deadlock, shut down by the administrator or by a crash, not
# ready to take connections, too many connections.
_PASSING_STATES = {"40001", "40P01", "57P01", "57P02", "57P03", "53300"}
_PASSING_STATE_CLASS = "08"  # connection exceptions

# MySQL: read of a row that has changed since, too many connections, shutdown, lock wait timeout,
# deadlock, and the client's: can't connect, server gone, lost connection.
_PASSING_NUMBERS = {1020, 1040, 1053, 1205, 1213, 2002, 2003, 2006, 2013}

# SQLite's primary codes: busy, locked.
_PASSING_CODES = {5, 6}


def is_passing(error: Exception) -> bool:
    """Tell whether another try may do: the connection broke, or others were in the way."""
    if not isinstance(error, DBAPIError):
        return True  # an OSError of connecting
    if error.connection_invalidated:
        return True
    state = _state(error)
    return (
        state in _PASSING_STATES
        or state.startswith(_PASSING_STATE_CLASS)
        or _number(error) in _PASSING_NUMBERS
        or _sqlite_code(error) in _PASSING_CODES
    )


def is_missing_table(error: DBAPIError) -> bool:
    """Tell whether there is no such table."""
    return (
        _state(error) == "42P01"
        or _number(error) == 1146
        or (_sqlite_code(error) == 1 and "no such table" in str(error.orig))
    )


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _number(error: DBAPIError) -> int | None:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def _sqlite_code(error: DBAPIError) -> int | None:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
