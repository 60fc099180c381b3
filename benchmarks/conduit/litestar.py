"""Three endpoints of Conduit on Litestar."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from database import User, connected
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody, QueryParameter
from litestar.plugins.pydantic import PydanticPlugin
from queries import add_article, filters, one_article, some_articles
from schemas import ArticleOut, ArticleResponse, ArticlesResponse, ArticleSummary, NewArticleRequest
from sqlalchemy.ext.asyncio import AsyncSession
from tokens import user_id_of

Database = NamedDependency[AsyncSession]
ReaderId = NamedDependency[int | None]


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with connected(app) as state:
        app.state.update(state)
        yield


async def begin(state: State) -> AsyncIterator[AsyncSession]:
    async with state.database.begin() as db:
        yield db


async def get_reader_id(
    header: Annotated[str | None, HeaderParameter(name="Authorization")] = None,
) -> int | None:
    if not header:
        return None
    reader_id = user_id_of(header)
    if reader_id is None:
        raise NotAuthorizedException
    return reader_id


async def get_user_id(reader_id: ReaderId, db: Database) -> int:
    if reader_id is None or await db.get(User, reader_id) is None:
        raise NotAuthorizedException
    return reader_id


@get("/articles")
async def articles(
    db: Database,
    reader_id: ReaderId,
    tag: FromQuery[str | None] = None,
    author: FromQuery[str | None] = None,
    favorited: FromQuery[str | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    offset: Annotated[int, QueryParameter(ge=0)] = 0,
) -> ArticlesResponse:
    """List articles, the newest first."""
    found, total = await some_articles(
        db, reader_id, filters(tag, author, favorited), limit=limit, offset=offset
    )
    summaries = [ArticleSummary(**fields) for fields in found]
    return ArticlesResponse(articles=summaries, articles_count=total)


@get("/articles/{slug:str}")
async def article(slug: FromPath[str], db: Database, reader_id: ReaderId) -> ArticleResponse:
    """Return an article with its author."""
    fields = await one_article(db, slug, reader_id)
    if fields is None:
        raise NotFoundException
    return ArticleResponse(article=ArticleOut(**fields))


@post("/articles", dependencies={"user_id": Provide(get_user_id)})
async def write(
    data: JSONBody[NewArticleRequest], db: Database, user_id: NamedDependency[int]
) -> ArticleResponse:
    """Write an article."""
    slug = await add_article(db, user_id, data.article)
    fields = await one_article(db, slug, user_id)
    return ArticleResponse(article=ArticleOut(**fields))


app = Litestar(
    [articles, article, write],
    dependencies={"db": Provide(begin), "reader_id": Provide(get_reader_id)},
    lifespan=[lifespan],
    plugins=[PydanticPlugin(prefer_alias=True)],
)
