"""The SQL statements of a backend, made once: SQLAlchemy caches their compiled form."""

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from micropie_sql_sessions.tables import MYSQL

# The id of a sentinel row, which expires when the next purge is due. A hash is never spelt so.
PURGE_ID = "purge"


class Statements:
    """Statements about the rows of *table*.

    Parameters are called `key`, `now`, and otherwise like the column that they set; `loaded` is
    the revision that the row must still have.
    """

    def __init__(self, table: sa.Table, dialect: str) -> None:
        columns = table.c
        key: sa.BindParameter[str] = sa.bindparam("key")
        now: sa.BindParameter[datetime] = sa.bindparam("now")
        alive = (columns.id == key) & (columns.expires_at > now)
        unchanged = alive & (columns.revision == sa.bindparam("loaded"))
        written: dict[str, sa.BindParameter[Any]] = {
            name: sa.bindparam(name) for name in ("data", "revision", "expires_at")
        }
        update, delete = sa.update(table), sa.delete(table)

        self.load = sa.select(columns.data, columns.revision, columns.expires_at).where(alive)
        # SQLite has no FOR UPDATE, and SQLAlchemy leaves it out.
        self.load_locked = self.load.with_for_update()
        self.save = _upsert(table, dialect, {"id": key, **written})
        self.change = update.where(unchanged).values(written)
        self.delete = delete.where(columns.id == key)
        self.delete_unchanged = delete.where(unchanged)
        self.touch = update.where(alive).values(expires_at=written["expires_at"])

        expired = (columns.expires_at <= now) & (columns.id != PURGE_ID)
        self.expired = sa.select(columns.id).where(expired).limit(sa.bindparam("limit"))
        chosen = columns.id.in_(sa.bindparam("keys", expanding=True))
        self.purge = delete.where(chosen, expired)
        self.claim = update.where(columns.id == key, columns.expires_at <= now).values(written)
        self.first_claim = sa.insert(table).values(id=key, **written)


def written(data: str, expires_at: datetime) -> dict[str, Any]:
    """Return the parameters of a statement that writes a row, with a new revision."""
    return {"data": data, "revision": secrets.randbits(63), "expires_at": expires_at}


def _upsert(table: sa.Table, dialect: str, values: dict[str, Any]) -> sa.Insert:
    """Return a statement that inserts a row, or replaces the one that has its id."""
    names = [name for name in values if name != "id"]
    if dialect in MYSQL:
        replacing = mysql.insert(table).values(values)
        return replacing.on_duplicate_key_update({n: replacing.inserted[n] for n in names})
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    upsert = make(table).values(values)
    return upsert.on_conflict_do_update(
        index_elements=["id"], set_={name: upsert.excluded[name] for name in names}
    )
