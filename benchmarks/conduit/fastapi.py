"""Three endpoints of Conduit on FastAPI."""

from collections.abc import AsyncIterator
from typing import Annotated

from database import User, connected
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Security
from fastapi.security import APIKeyHeader
from queries import add_article, filters, one_article, some_articles
from schemas import ArticleOut, ArticleResponse, ArticlesResponse, ArticleSummary, NewArticleRequest
from sqlalchemy.ext.asyncio import AsyncSession
from tokens import user_id_of

app = FastAPI(lifespan=connected)
token = APIKeyHeader(name="Authorization", auto_error=False)


async def begin(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.state.database.begin() as db:
        yield db


# Ends before the response is sent: the next request of that client must see what this one wrote.
Database = Annotated[AsyncSession, Depends(begin, scope="function")]


async def get_reader_id(header: Annotated[str | None, Security(token)]) -> int | None:
    if not header:
        return None
    reader_id = user_id_of(header)
    if reader_id is None:
        raise HTTPException(401)
    return reader_id


ReaderId = Annotated[int | None, Depends(get_reader_id)]


async def get_user_id(reader_id: ReaderId, db: Database) -> int:
    if reader_id is None or await db.get(User, reader_id) is None:
        raise HTTPException(401)
    return reader_id


UserId = Annotated[int, Depends(get_user_id)]


@app.get("/articles")
async def articles(
    db: Database,
    reader_id: ReaderId,
    tag: str | None = None,
    author: str | None = None,
    favorited: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0)] = 0,
) -> ArticlesResponse:
    """List articles, the newest first."""
    found, total = await some_articles(
        db, reader_id, filters(tag, author, favorited), limit=limit, offset=offset
    )
    summaries = [ArticleSummary(**fields) for fields in found]
    return ArticlesResponse(articles=summaries, articles_count=total)


@app.get("/articles/{slug}")
async def article(slug: str, db: Database, reader_id: ReaderId) -> ArticleResponse:
    """Return an article with its author."""
    fields = await one_article(db, slug, reader_id)
    if fields is None:
        raise HTTPException(404)
    return ArticleResponse(article=ArticleOut(**fields))


@app.post("/articles", status_code=201)
async def write(new: NewArticleRequest, db: Database, user_id: UserId) -> ArticleResponse:
    """Write an article."""
    slug = await add_article(db, user_id, new.article)
    fields = await one_article(db, slug, user_id)
    return ArticleResponse(article=ArticleOut(**fields))
