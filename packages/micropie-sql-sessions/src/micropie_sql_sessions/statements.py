"""The SQL of a backend, made once: SQLAlchemy keeps what it has compiled by statement."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BindParameter,
    Delete,
    Insert,
    Table,
    Update,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

# The row that says when the next purge is due: no hash is spelt so.
PURGE_ID = "purge"


class Statements:
    """What is said about the rows of *table*.

    Parameters are called `key`, `now`, and else like the column that they are the new value of;
    `loaded` is the revision that a row must still have.
    """

    def __init__(self, table: Table, dialect: str) -> None:
        columns = table.c
        key: BindParameter[str] = bindparam("key")
        now: BindParameter[datetime] = bindparam("now")
        alive = (columns.id == key) & (columns.expires_at > now)
        unchanged = alive & (columns.revision == bindparam("loaded"))
        written: dict[str, BindParameter[Any]] = {
            name: bindparam(name) for name in ("data", "revision", "expires_at")
        }

        self.load = select(columns.data, columns.revision, columns.expires_at).where(alive)
        # SQLite has no FOR UPDATE, and SQLAlchemy leaves it out.
        self.hold = self.load.with_for_update()
        self.save = _upsert(table, dialect, {"id": key, **written})
        self.replace: Update = update(table).where(columns.id == key).values(written)
        self.replace_unchanged: Update = update(table).where(unchanged).values(written)
        self.delete: Delete = delete(table).where(columns.id == key)
        self.delete_unchanged: Delete = delete(table).where(unchanged)
        self.touch: Update = update(table).where(alive).values(expires_at=written["expires_at"])

        expired = (columns.expires_at <= now) & (columns.id != PURGE_ID)
        self.expired = select(columns.id).where(expired).limit(bindparam("limit"))
        chosen = columns.id.in_(bindparam("keys", expanding=True))
        self.purge: Delete = delete(table).where(chosen, expired)
        self.claim: Update = (
            update(table).where(columns.id == key, columns.expires_at <= now).values(written)
        )
        self.first_claim: Insert = insert(table).values(id=key, **written)


def _upsert(table: Table, dialect: str, values: dict[str, Any]) -> Insert:
    """Return a statement that inserts a row, or replaces the one that has its id."""
    names = [name for name in values if name != "id"]
    if dialect in ("mysql", "mariadb"):
        replacing = mysql.insert(table).values(values)
        new = replacing.inserted
        return replacing.on_duplicate_key_update({name: new[name] for name in names})
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    upsert = make(table).values(values)
    return upsert.on_conflict_do_update(
        index_elements=["id"], set_={name: upsert.excluded[name] for name in names}
    )
