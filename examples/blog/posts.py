"""The posts: a table of SQLAlchemy's, and what the blog asks of it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import String, Text, select
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


class Post(Base):
    __tablename__ = "posts"
    MAX_TITLE, MAX_TEXT = 120, 50_000  # characters

    number: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(String(MAX_TITLE))
    text: Mapped[str] = mapped_column(Text)
    written_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))

    @property
    def slug(self) -> str:
        """The title as a URL likes it; `/post/3` finds the post as well."""
        return re.sub(r"\W+", "-", self.title.lower()).strip("-")


class Posts:
    PAGE = 10  # posts on one page

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(url)
        # Posts are shown after their transaction has ended, so they keep their values.
        self._transaction = async_sessionmaker(self._engine, expire_on_commit=False).begin

    async def open(self) -> None:
        async with self._engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    async def close(self) -> None:
        await self._engine.dispose()

    async def latest(self, page: int) -> tuple[Sequence[Post], bool]:
        """Return the posts of a page, the first being 1, and whether there are older ones."""
        query = select(Post).order_by(Post.number.desc())
        query = query.offset((page - 1) * self.PAGE).limit(self.PAGE + 1)
        async with self._transaction() as transaction:
            posts = (await transaction.scalars(query)).all()
        return posts[: self.PAGE], len(posts) > self.PAGE

    async def find(self, number: int) -> Post | None:
        async with self._transaction() as transaction:
            return await transaction.get(Post, number)

    async def add(self, title: str, text: str) -> Post:
        post = Post(title=title, text=text)
        async with self._transaction() as transaction:
            transaction.add(post)
        return post

    async def change(self, number: int, title: str, text: str) -> Post | None:
        async with self._transaction() as transaction:
            post = await transaction.get(Post, number)
            if post is not None:
                post.title, post.text = title, text
        return post

    async def remove(self, number: int) -> None:
        async with self._transaction() as transaction:
            if post := await transaction.get(Post, number):
                await transaction.delete(post)
