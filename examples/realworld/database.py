"""The tables, and the engine that reaches them for as long as the app runs."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import DateTime, ForeignKey, Index, String, Text, TypeDecorator, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from micropie import App


class UTCDateTime(TypeDecorator[datetime]):
    """A time with a zone: SQLite keeps none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value, dialect):
        return None if value is None else value.replace(tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


class Table(DeclarativeBase):
    type_annotation_map: ClassVar = {datetime: UTCDateTime, str: Text}


class User(Table):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(String(100), unique=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str]
    bio: Mapped[str] = mapped_column(default="")
    image: Mapped[str] = mapped_column(default="")


class Follow(Table):
    __tablename__ = "follows"

    follower_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)
    followed_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)


class Article(Table):
    __tablename__ = "articles"

    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey(User.id), index=True)
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    title: Mapped[str]
    description: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


class Tag(Table):
    """A tag of an article; `place` keeps their order."""

    __tablename__ = "tags"
    __table_args__ = (Index("tags_by_name", "name"),)

    article_id: Mapped[int] = mapped_column(
        ForeignKey(Article.id, ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))


class Favorite(Table):
    __tablename__ = "favorites"

    article_id: Mapped[int] = mapped_column(
        ForeignKey(Article.id, ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(ForeignKey(User.id), primary_key=True)


class Comment(Table):
    __tablename__ = "comments"

    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey(Article.id, ondelete="CASCADE"), index=True)
    author_id: Mapped[int] = mapped_column(ForeignKey(User.id))
    body: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, onupdate=now)


Database = async_sessionmaker[AsyncSession]


def open_database(url: str) -> Database:
    """Return what gives sessions on the database at *url*."""
    engine = create_async_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine.sync_engine, "connect")
        def configure(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.execute("PRAGMA journal_mode = WAL")  # readers don't wait for a writer
            cursor.close()

    return async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def connected(app: App) -> AsyncIterator[dict[str, Any]]:
    """Open the database that the environment names; handlers find it in `request.scope`."""
    url = os.environ.get("CONDUIT_DATABASE", "sqlite+aiosqlite:///conduit.db")
    database = open_database(url)
    engine = database.kw["bind"]
    async with engine.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    try:
        yield {"database": database}
    finally:
        await engine.dispose()
