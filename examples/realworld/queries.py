"""Articles in the database: what a reader sees of each, in two queries however many they are."""

import re
import secrets
import unicodedata
from collections.abc import Sequence
from typing import Any

from database import Article, Favorite, Follow, Tag, User
from schemas import NewArticle, Profile
from sqlalchemy import ColumnElement, Row, Select, exists, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession


def following(reader_id: int | None) -> ColumnElement[bool]:
    """Tell, in a query with a User, whether the reader follows that user."""
    if reader_id is None:
        return false().label("following")
    mine = exists().where(Follow.follower_id == reader_id, Follow.followed_id == User.id)
    return mine.label("following")


def profile(row: Any) -> Profile:
    return Profile(username=row.username, bio=row.bio, image=row.image, following=row.following)


def _articles(reader_id: int | None, *, with_body: bool) -> Select[Any]:
    columns = [getattr(Article, name) for name in _COLUMNS]
    if with_body:
        columns.append(Article.body)
    favorites = select(func.count()).where(Favorite.article_id == Article.id).scalar_subquery()
    favorited = exists().where(Favorite.article_id == Article.id, Favorite.user_id == reader_id)
    return select(
        *columns,
        User.username,
        User.bio,
        User.image,
        following(reader_id),
        favorites.label("favorites_count"),
        (false() if reader_id is None else favorited).label("favorited"),
    ).join(User, User.id == Article.author_id)


_COLUMNS = ("id", "author_id", "slug", "title", "description", "created_at", "updated_at")


async def one_article(db: AsyncSession, slug: str, reader_id: int | None) -> dict[str, Any] | None:
    """Return the fields of the article *slug*; None if there is none."""
    query = _articles(reader_id, with_body=True).where(Article.slug == slug)
    row = (await db.execute(query)).one_or_none()
    return None if row is None else (await _with_tags(db, [row]))[0]


def filters(
    tag: str | None, author: str | None, favorited: str | None
) -> list[ColumnElement[bool]]:
    """Return the conditions of a list: a tag, who wrote them, whose favourites they are."""
    conditions: list[ColumnElement[bool]] = []
    if tag is not None:
        conditions.append(exists().where(Tag.article_id == Article.id, Tag.name == tag))
    if author is not None:
        conditions.append(User.username == author)
    if favorited is not None:
        fan_id = select(User.id).where(User.username == favorited).scalar_subquery()
        is_theirs = Favorite.article_id == Article.id, Favorite.user_id == fan_id
        conditions.append(exists().where(*is_theirs))
    return conditions


async def some_articles(
    db: AsyncSession,
    reader_id: int | None,
    conditions: Sequence[ColumnElement[bool]],
    *,
    limit: int,
    offset: int,
) -> tuple[list[dict[str, Any]], int]:
    """Return the newest articles that meet *conditions*, and how many there are in all."""
    query = _articles(reader_id, with_body=False).where(*conditions)
    newest = query.order_by(Article.created_at.desc(), Article.id.desc())
    rows = (await db.execute(newest.limit(limit).offset(offset))).all()
    counted = select(func.count()).select_from(Article).join(User, User.id == Article.author_id)
    total = (await db.execute(counted.where(*conditions))).scalar_one()
    return await _with_tags(db, rows), total


async def _with_tags(db: AsyncSession, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    tags: dict[int, list[str]] = {row.id: [] for row in rows}
    if tags:
        query = select(Tag.article_id, Tag.name).where(Tag.article_id.in_(tags))
        for article_id, name in await db.execute(query.order_by(Tag.article_id, Tag.place)):
            tags[article_id].append(name)
    return [{**row._mapping, "tag_list": tags[row.id], "author": profile(row)} for row in rows]


async def add_article(db: AsyncSession, author_id: int, fields: NewArticle) -> str:
    """Store an article; return its slug."""
    article = Article(
        author_id=author_id,
        slug=new_slug(fields.title),
        title=fields.title,
        description=fields.description,
        body=fields.body,
    )
    db.add(article)
    await db.flush()
    names = dict.fromkeys(fields.tag_list)
    db.add_all(
        Tag(article_id=article.id, place=place, name=name) for place, name in enumerate(names)
    )
    await db.flush()
    return article.slug


def new_slug(title: str) -> str:
    """Return a name for URLs, which no other article has."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:200]
    return f"{words or 'article'}-{secrets.token_hex(4)}"
