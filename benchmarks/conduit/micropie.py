"""Three endpoints of Conduit on MicroPie."""

from typing import Annotated, Literal

from annotated_types import Interval
from database import User, connected
from queries import add_article, filters, one_article, some_articles
from schemas import ArticleOut, ArticleResponse, ArticlesResponse, ArticleSummary, NewArticleRequest
from tokens import user_id_of

from micropie import App, HTTPError, route
from micropie_openapi import OpenAPI

TOKEN = {"type": "apiKey", "in": "header", "name": "Authorization"}


class Conduit(App):
    @route.get("/articles")
    async def articles(
        self,
        tag: str | None = None,
        author: str | None = None,
        favorited: str | None = None,
        limit: Annotated[int, Interval(ge=1, le=100)] = 20,
        offset: Annotated[int, Interval(ge=0)] = 0,
    ) -> ArticlesResponse:
        """List articles, the newest first."""
        async with self._begin() as db:
            found, total = await some_articles(
                db, self._reader_id(), filters(tag, author, favorited), limit=limit, offset=offset
            )
        summaries = [ArticleSummary(**fields) for fields in found]
        return ArticlesResponse(articles=summaries, articles_count=total)

    @route.get("/articles/{slug}")
    async def article(self, slug: str) -> ArticleResponse:
        """Return an article with its author."""
        async with self._begin() as db:
            fields = await one_article(db, slug, self._reader_id())
        if fields is None:
            raise HTTPError(404)
        return ArticleResponse(article=ArticleOut(**fields))

    @route.post("/articles")
    async def write(self, new: NewArticleRequest) -> tuple[Literal[201], ArticleResponse]:
        """Write an article."""
        user_id = self._reader_id()
        async with self._begin() as db:
            if user_id is None or await db.get(User, user_id) is None:
                raise HTTPError(401)
            slug = await add_article(db, user_id, new.article)
            fields = await one_article(db, slug, user_id)
        return 201, ArticleResponse(article=ArticleOut(**fields))

    def _begin(self):
        return self.request.scope["state"]["database"].begin()

    def _reader_id(self) -> int | None:
        if not (header := self.request.headers.get("authorization")):
            return None
        reader_id = user_id_of(header)
        if reader_id is None:
            raise HTTPError(401)
        return reader_id


app = Conduit(lifespan=connected)
app.mount("/docs", OpenAPI(security_schemes={"Token": TOKEN}, security=["Token"]))
