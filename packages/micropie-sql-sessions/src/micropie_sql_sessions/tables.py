"""The table of the sessions: a row for each."""

import re

from sqlalchemy import BigInteger, Column, DateTime, MetaData, String, Table, Text
from sqlalchemy.dialects import mysql

MYSQL = ("mysql", "mariadb")

# What every database takes unquoted; PostgreSQL truncates longer names.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")

# MySQL's default collations take a for A and ä, and its TEXT ends at 64 KiB.
_ID = String(64).with_variant(mysql.VARCHAR(64, charset="ascii", collation="ascii_bin"), *MYSQL)
_DOCUMENT = Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *MYSQL)

# In UTC: PostgreSQL stores the time zone, the others only the time. MySQL rounds to seconds unless
# told otherwise.
_MOMENT = DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), *MYSQL)


def session_table(name: str) -> Table:
    """Return the table called *name*, in a MetaData of its own.

    Raises:
        TypeError: *name* is not a str.
        ValueError: *name* is not one that every database takes.
    """
    if not isinstance(name, str):
        raise TypeError(f"table must be a str, not {name!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"table must be 1 to 63 of a-z, A-Z, 0-9 and _, and not start with a digit: {name!r}"
        )
    return Table(
        name,
        MetaData(),
        Column("id", _ID, primary_key=True),  # the hash of the session's id, in hex
        Column("data", _DOCUMENT, nullable=False),  # JSON, as text: jsonb changes numbers
        Column("revision", BigInteger, nullable=False),  # random, and new with each write
        Column("expires_at", _MOMENT, nullable=False, index=True),
        mysql_engine="InnoDB",
        mariadb_engine="InnoDB",
    )
