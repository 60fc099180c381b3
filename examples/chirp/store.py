"""Users, who follows whom, and what they chirped: three tables of SQLite."""

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

import aiosqlite

PAGE = 30  # chirps on one page

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    password TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS follows (
    follower INTEGER NOT NULL REFERENCES users,
    followed INTEGER NOT NULL REFERENCES users,
    PRIMARY KEY (follower, followed)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chirps (
    id INTEGER PRIMARY KEY,
    author INTEGER NOT NULL REFERENCES users,
    text TEXT NOT NULL,
    chirped_at TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS chirps_of_author ON chirps (author, id);
"""

_CHIRPS = """
SELECT chirps.id, users.name, chirps.text, chirps.chirped_at
FROM chirps JOIN users ON users.id = chirps.author
WHERE chirps.id < :before
"""


@dataclass(frozen=True)
class User:
    id: int
    name: str
    password: str


@dataclass(frozen=True)
class Chirp:
    id: int
    author: str
    text: str
    chirped_at: str


class Store:
    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> None:
        # Each statement is a transaction of its own, so requests can share the connection.
        self._database = await aiosqlite.connect(self._path, isolation_level=None)
        await self._database.execute("PRAGMA journal_mode = WAL")
        await self._database.executescript(_SCHEMA)

    async def close(self) -> None:
        await self._database.close()

    async def add_user(self, name: str, password: str) -> User | None:
        """Return the new user; None if the name is taken."""
        try:
            added = await self._database.execute(
                "INSERT INTO users (name, password) VALUES (?, ?)", (name, password)
            )
        except sqlite3.IntegrityError:
            return None
        return User(added.lastrowid, name, password)

    async def find_user(self, name: str) -> User | None:
        rows = await self._rows(
            "SELECT id, name, password FROM users WHERE name = :name", name=name
        )
        return User(*rows[0]) if rows else None

    async def chirp(self, author: int, text: str) -> None:
        await self._database.execute(
            "INSERT INTO chirps (author, text, chirped_at) VALUES (?, ?, ?)",
            (author, text, datetime.now(UTC).isoformat(timespec="minutes")),
        )

    async def follow(self, follower: int, followed: int) -> None:
        await self._database.execute(
            "INSERT OR IGNORE INTO follows VALUES (?, ?)", (follower, followed)
        )

    async def unfollow(self, follower: int, followed: int) -> None:
        await self._database.execute(
            "DELETE FROM follows WHERE follower = ? AND followed = ?", (follower, followed)
        )

    async def is_following(self, follower: int, followed: int) -> bool:
        query = "SELECT 1 FROM follows WHERE follower = :follower AND followed = :followed"
        return bool(await self._rows(query, follower=follower, followed=followed))

    async def everything(self, before: int) -> list[Chirp]:
        """Return a page of what anybody chirped, older than the chirp *before*."""
        return await self._chirps("", before=before)

    async def timeline(self, user: int, before: int) -> list[Chirp]:
        """Return a page of what *user*, and those *user* follows, chirped."""
        authors = "SELECT followed FROM follows WHERE follower = :user UNION SELECT :user"
        return await self._chirps(f"AND author IN ({authors})", user=user, before=before)

    async def chirps_of(self, user: int, before: int) -> list[Chirp]:
        return await self._chirps("AND author = :user", user=user, before=before)

    async def _chirps(self, condition: str, **values: int) -> list[Chirp]:
        order = "ORDER BY chirps.id DESC LIMIT :page"
        rows = await self._rows(f"{_CHIRPS} {condition} {order}", page=PAGE, **values)
        return [Chirp(*row) for row in rows]

    async def _rows(self, query: str, **values):
        return list(await self._database.execute_fetchall(query, values))
