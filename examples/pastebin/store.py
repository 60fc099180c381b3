"""The pastes, in SQLite: until they expire, or the oldest when there are too many."""

import secrets
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass

MAX_PASTES = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pastes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT UNIQUE NOT NULL, title TEXT NOT NULL,
    text TEXT NOT NULL, expires_at REAL NOT NULL
)
"""


@dataclass(frozen=True)
class Paste:
    title: str
    text: str


class Pastes:
    """All of this blocks, if only for a moment: call it in a thread."""

    def __init__(self, path: str) -> None:
        self._path = path
        with self._database() as database:
            database.execute(_SCHEMA)

    def add(self, paste: Paste, seconds: float) -> str:
        """Keep *paste* for so many *seconds*; return the key to it, which nobody can guess."""
        key = secrets.token_urlsafe(12)
        with self._database() as database:
            database.execute("DELETE FROM pastes WHERE expires_at < ?", (time.time(),))
            added = database.execute(
                "INSERT INTO pastes (key, title, text, expires_at) VALUES (?, ?, ?, ?)",
                (key, paste.title, paste.text, time.time() + seconds),
            )
            database.execute(
                "DELETE FROM pastes WHERE number <= ?", (added.lastrowid - MAX_PASTES,)
            )
        return key

    def find(self, key: str) -> Paste | None:
        with self._database() as database:
            row = database.execute(
                "SELECT title, text FROM pastes WHERE key = ? AND expires_at >= ?",
                (key, time.time()),
            ).fetchone()
        return Paste(*row) if row else None

    @contextmanager
    def _database(self):
        """Connect for one transaction."""
        with closing(sqlite3.connect(self._path)) as database, database:
            yield database
