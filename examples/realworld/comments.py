"""Comments below an article."""

from typing import Annotated

from accounts import for_all, signed_in
from annotated_types import Interval
from concern import Concern
from database import Comment, User
from queries import following, profile
from schemas import CommentOut, CommentResponse, CommentsResponse, NewCommentRequest
from sqlalchemy import select

from micropie import HTTPError, route


class Comments(Concern):
    @route.get("/articles/{slug}/comments")
    @for_all
    async def comments(self, slug: str) -> CommentsResponse:
        """List the comments of an article, the newest first.

        Args:
            slug: the name of the article in URLs.

        Raises:
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            article = await self._article(db, slug)
            query = self._query().where(Comment.article_id == article.id)
            rows = await db.execute(query.order_by(Comment.id.desc()).limit(1000))
            return CommentsResponse(comments=[_comment(row) for row in rows])

    @route.post("/articles/{slug}/comments")
    @signed_in
    async def comment(self, slug: str, new: NewCommentRequest) -> CommentResponse:
        """Comment an article.

        Args:
            slug: the name of the article in URLs.

        Raises:
            HTTPError: 404, there is no such article.
        """
        async with self._begin() as db:
            me, article = await self._me(db), await self._article(db, slug)
            comment = Comment(article_id=article.id, author_id=me.id, body=new.comment.body)
            db.add(comment)
            await db.flush()
            rows = await db.execute(self._query().where(Comment.id == comment.id))
            return CommentResponse(comment=_comment(rows.one()))

    @route.delete("/articles/{slug}/comments/{id}")
    @signed_in
    async def remove_comment(
        self,
        slug: str,
        id: Annotated[int, Interval(ge=1, le=2**31 - 1)],  # noqa: A002 - the API's name for it
    ) -> None:
        """Delete one's comment.

        Args:
            slug: the name of the article in URLs.
            id: of the comment.

        Raises:
            HTTPError: 403, it is another's.
            HTTPError: 404, there is no such comment.
        """
        async with self._begin() as db:
            article = await self._article(db, slug)
            comment = await db.get(Comment, id)
            if comment is None or comment.article_id != article.id:
                raise HTTPError(404, "there is no such comment")
            if comment.author_id != self._reader_id:
                raise HTTPError(403, "it is another's comment")
            await db.delete(comment)

    def _query(self):
        columns = Comment.id, Comment.body, Comment.created_at, Comment.updated_at
        author = User.username, User.bio, User.image, following(self._reader_id)
        return select(*columns, *author).join(User, User.id == Comment.author_id)


def _comment(row) -> CommentOut:
    return CommentOut(**row._mapping, author=profile(row))
