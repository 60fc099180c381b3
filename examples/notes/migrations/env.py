"""How Alembic gets at the database: by the app's own engine, which may be of any driver."""

import asyncio

from alembic import context
from database import engine, metadata


def migrate(connection) -> None:
    # SQLite can't alter a table: Alembic makes a new one and moves the rows there.
    context.configure(connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


async def main() -> None:
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
