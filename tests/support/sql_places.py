"""Tables of their own, in each kind of database."""

import asyncio
import secrets
import sqlite3

from micropie_sql_sessions import SQLSessionBackend
from support.sessions import PATIENT


class SQLiteFile:
    """A database in a file."""

    def __init__(self, folder):
        self.path = folder / "sessions.db"
        self.url = f"sqlite+aiosqlite:///{self.path}"

    def execute(self, sql):
        """Return what *sql* yields, tab-separated, as the servers of the tests do."""
        with sqlite3.connect(self.path, timeout=PATIENT) as connection:
            rows = connection.execute(sql).fetchall()
        connection.close()
        return "\n".join("\t".join(map(str, row)) for row in rows)


class Place:
    """A table of its own in a database.

    Attributes:
        url: of the database.
        table: the table's name; no other test uses it.
    """

    def __init__(self, database, url):
        self.url = url
        self.table = f"sessions_{secrets.token_hex(6)}"
        self._database = database

    def backend(self, **options):
        return SQLSessionBackend(self.url, **{"table": self.table, "timeout": PATIENT} | options)

    def execute(self, sql):
        """Return what *sql* yields; {} in it stands for the table."""
        return self._database.execute(sql.replace("{}", self.table))

    def count(self, condition="id <> 'purge'"):
        return int(self.execute(f"SELECT count(*) FROM {{}} WHERE {condition}"))


DRIVERS = ["postgresql+asyncpg", "postgresql+psycopg", "mysql+asyncmy"]


async def until(condition):
    async with asyncio.timeout(PATIENT):
        while not condition():  # noqa: ASYNC110 - it is a server that is waited for
            await asyncio.sleep(0.02)
