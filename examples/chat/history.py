"""What was said: the latest of it, in a table of the database."""

import time
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, delete, insert, select
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.schema import CreateTable

_messages = Table(
    "messages",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("said_at", BigInteger, nullable=False),
)

_MOST = 2**31 - 1  # the largest Integer of PostgreSQL and MySQL; clients name larger ones


class History:
    """Messages: dicts of `id` (growing), `name`, `text` and `said_at` (milliseconds since 1970)."""

    MAX_MESSAGES = 500  # the oldest makes room for the next

    def __init__(self, database_url: str) -> None:
        self._engine = create_async_engine(database_url)

    async def open(self) -> None:
        """Create the table, unless another worker has."""
        async with self._engine.begin() as connection:
            await connection.execute(CreateTable(_messages, if_not_exists=True))

    async def close(self) -> None:
        """Close the connections to the database."""
        await self._engine.dispose()

    async def add(self, name: str, text: str) -> dict[str, Any]:
        """Keep a message of this moment, and return it."""
        said_at = time.time_ns() // 1_000_000
        message = {"name": _storable(name), "text": _storable(text), "said_at": said_at}
        async with self._engine.begin() as connection:
            result = await connection.execute(insert(_messages).values(message))
            (number,) = result.inserted_primary_key
            too_old = _messages.c.id <= number - self.MAX_MESSAGES
            await connection.execute(delete(_messages).where(too_old))
        return {"id": number, **message}

    async def after(self, number: int) -> list[dict[str, Any]]:
        """Return the messages after that one, in order; after 0 come all of them."""
        number = min(max(number, 0), _MOST)
        wanted = select(_messages).where(_messages.c.id > number).order_by(_messages.c.id)
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(wanted)).mappings()]


def _storable(text: str) -> str:
    """Return *text* without NUL, which PostgreSQL refuses, and without halves of characters."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
