"""The database: one engine for notes and sessions, and all tables, as Alembic sees them too."""

import os
from collections.abc import Sequence

from sqlalchemy import ForeignKey, String, Text, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from micropie_sql_sessions import SQLSessionBackend


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)  # in lower case
    password: Mapped[str] = mapped_column(String(200))  # hashed


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    text: Mapped[str] = mapped_column(Text)


class Notes:
    """What the app asks of the database; of notes, those of one user."""

    def __init__(self, engine: AsyncEngine) -> None:
        # Rows are shown after their transaction has ended, so they keep their values.
        self._transaction = async_sessionmaker(engine, expire_on_commit=False).begin

    async def add_user(self, name: str, password: str) -> User | None:
        """Add a user with a hashed password; None if the name is taken."""
        user = User(name=name.lower(), password=password)
        try:
            async with self._transaction() as transaction:
                transaction.add(user)
        except IntegrityError:
            return None
        return user

    async def find_user(self, name: str) -> User | None:
        async with self._transaction() as transaction:
            return await transaction.scalar(select(User).where(User.name == name.lower()))

    async def of(self, user_id: int) -> Sequence[Note]:
        """Return the notes of a user, the latest first."""
        query = select(Note).where(Note.user_id == user_id).order_by(Note.id.desc())
        async with self._transaction() as transaction:
            return (await transaction.scalars(query)).all()

    async def count(self, user_id: int) -> int:
        query = select(func.count()).where(Note.user_id == user_id)
        async with self._transaction() as transaction:
            return await transaction.scalar(query)

    async def add(self, user_id: int, text: str) -> None:
        async with self._transaction() as transaction:
            transaction.add(Note(user_id=user_id, text=text))

    async def remove(self, user_id: int, note_id: int) -> bool:
        """Tell whether there was such a note of that user."""
        mine = delete(Note).where(Note.id == note_id, Note.user_id == user_id)
        async with self._transaction() as transaction:
            return (await transaction.execute(mine)).rowcount > 0


engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///notes.db"))

# On the app's engine, so on its connections; the table is Alembic's to make.
sessions = SQLSessionBackend(engine, create_table=False)

metadata = [Base.metadata, sessions.table.metadata]
