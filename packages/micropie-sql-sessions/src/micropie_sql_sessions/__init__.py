"""Sessions of a MicroPie app in SQLite, PostgreSQL, MySQL or MariaDB."""

from micropie_sql_sessions.backend import SQLSessionBackend

__all__ = ["SQLSessionBackend"]
