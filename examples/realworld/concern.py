"""What the parts of the API have in common."""

from contextlib import AbstractAsyncContextManager

from database import Article, User
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from micropie import App, HTTPError


class Concern(App):
    def _begin(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Return a session of the database, whose changes are committed when it is left."""
        return self.request.scope["state"]["database"].begin()

    @property
    def _reader_id(self) -> int | None:
        """Who asks; None for somebody without a token."""
        return self.request.state.user_id

    async def _me(self, db: AsyncSession) -> User:
        """Return the user who asks.

        Raises:
            HTTPError: 401, there is no such user any more.
        """
        user = await db.get(User, self._reader_id)
        if user is None:
            raise HTTPError(401)
        return user

    async def _article(self, db: AsyncSession, slug: str) -> Article:
        """Return the article of this name.

        Raises:
            HTTPError: 404, there is none.
        """
        article = await db.scalar(select(Article).where(Article.slug == slug))
        if article is None:
            raise HTTPError(404, "there is no such article")
        return article
