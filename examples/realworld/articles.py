"""Articles: writing, reading, lists of them, favourites and tags."""

from typing import Annotated, Literal

from accounts import for_all, signed_in
from annotated_types import Interval
from concern import Concern
from database import Article, Favorite, Follow, Tag
from queries import add_article, filters, new_slug, one_article, some_articles
from schemas import (
    ArticleChangesRequest,
    ArticleOut,
    ArticleResponse,
    ArticlesResponse,
    ArticleSummary,
    NewArticleRequest,
    TagsResponse,
)
from sqlalchemy import ColumnElement, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from micropie import HTTPError, route

Limit = Annotated[int, Interval(ge=1, le=100)]
Offset = Annotated[int, Interval(ge=0, le=2**31 - 1)]


class Articles(Concern):
    @route.get("/articles")
    @for_all
    async def articles(
        self,
        *,
        tag: str | None = None,
        author: str | None = None,
        favorited: str | None = None,
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> ArticlesResponse:
        """List articles, the newest first.

        Args:
            tag: that they have.
            author: who wrote them.
            favorited: whose favourites they are.
            limit: how many.
            offset: how many to skip.
        """
        return await self._list(filters(tag, author, favorited), limit, offset)

    @route.get("/articles/feed")
    @signed_in
    async def feed(self, *, limit: Limit = 20, offset: Offset = 0) -> ArticlesResponse:
        """List the articles of those whom one follows, the newest first.

        Args:
            limit: how many.
            offset: how many to skip.
        """
        mine = Follow.follower_id == self._reader_id, Follow.followed_id == Article.author_id
        return await self._list([exists().where(*mine)], limit, offset)

    @route.post("/articles")
    @signed_in
    async def write(self, new: NewArticleRequest) -> tuple[Literal[201], ArticleResponse]:
        """Write an article."""
        async with self._begin() as db:
            slug = await add_article(db, (await self._me(db)).id, new.article)
            return 201, await self._article_response(db, slug)

    @route.get("/articles/{slug}")
    @for_all
    async def article(self, slug: str) -> ArticleResponse:
        """Return an article.

        Args:
            slug: its name in URLs.

        Raises:
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            return await self._article_response(db, slug)

    @route.put("/articles/{slug}")
    @signed_in
    async def change(self, slug: str, changes: ArticleChangesRequest) -> ArticleResponse:
        """Change one's article; a new title gives it a new slug.

        Args:
            slug: its name in URLs.

        Raises:
            HTTPError: 403, it is another's.
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            article = await self._mine(db, slug)
            for name, value in changes.article.model_dump(exclude_none=True).items():
                setattr(article, name, value)
            if changes.article.title is not None:
                article.slug = new_slug(article.title)
            await db.flush()
            return await self._article_response(db, article.slug)

    @route.delete("/articles/{slug}")
    @signed_in
    async def remove(self, slug: str) -> None:
        """Delete one's article, with its comments.

        Args:
            slug: its name in URLs.

        Raises:
            HTTPError: 403, it is another's.
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            await db.delete(await self._mine(db, slug))

    @route.post("/articles/{slug}/favorite")
    @signed_in
    async def favorite(self, slug: str) -> ArticleResponse:
        """Make an article one's favourite.

        Args:
            slug: its name in URLs.

        Raises:
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            me, article = await self._me(db), await self._article(db, slug)
            await db.merge(Favorite(article_id=article.id, user_id=me.id))
            await db.flush()
            return await self._article_response(db, slug)

    @route.delete("/articles/{slug}/favorite")
    @signed_in
    async def unfavorite(self, slug: str) -> ArticleResponse:
        """Take an article out of one's favourites.

        Args:
            slug: its name in URLs.

        Raises:
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            me, article = await self._me(db), await self._article(db, slug)
            mine = Favorite.article_id == article.id, Favorite.user_id == me.id
            await db.execute(delete(Favorite).where(*mine))
            return await self._article_response(db, slug)

    @route.get("/tags")
    async def tags(self) -> TagsResponse:
        """List the tags that most articles have."""
        query = select(Tag.name).group_by(Tag.name).order_by(func.count().desc(), Tag.name)
        async with self._begin() as db:
            return TagsResponse(tags=list(await db.scalars(query.limit(50))))

    async def _mine(self, db: AsyncSession, slug: str) -> Article:
        article = await self._article(db, slug)
        if article.author_id != self._reader_id:
            raise HTTPError(403, "it is another's article")
        return article

    async def _article_response(self, db: AsyncSession, slug: str) -> ArticleResponse:
        fields = await one_article(db, slug, self._reader_id)
        if fields is None:
            raise HTTPError(404, "there is no such article")
        return ArticleResponse(article=ArticleOut(**fields))

    async def _list(
        self, conditions: list[ColumnElement[bool]], limit: int, offset: int
    ) -> ArticlesResponse:
        async with self._begin() as db:
            found, total = await some_articles(
                db, self._reader_id, conditions, limit=limit, offset=offset
            )
        summaries = [ArticleSummary(**fields) for fields in found]
        return ArticlesResponse(articles=summaries, articles_count=total)
