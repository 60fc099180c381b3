"""The JSON of the API, in and out: names in camel case, as its description has them."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

# PostgreSQL stores no text with this character.
_NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=_NO_NUL)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_NUL)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=_NO_NUL)]
Free = Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NUL)]


class Schema(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, serialize_by_alias=True
    )


class Errors(Schema):
    body: list[str]


class Failure(Schema):
    """What every error answers with."""

    errors: Errors


# Users.


class Credentials(Schema):
    email: Line
    password: Line


class LoginRequest(Schema):
    user: Credentials


class NewUser(Schema):
    username: Name
    email: Line
    password: Line


class NewUserRequest(Schema):
    user: NewUser


class UserChanges(Schema):
    """What is not sent, or null, stays as it is."""

    username: Name | None = None
    email: Line | None = None
    password: Line | None = None
    bio: Free | None = None
    image: Free | None = None


class UserChangesRequest(Schema):
    user: UserChanges


class UserOut(Schema):
    email: str
    token: str
    username: str
    bio: str
    image: str


class UserResponse(Schema):
    user: UserOut


class Profile(Schema):
    username: str
    bio: str
    image: str
    following: bool


class ProfileResponse(Schema):
    profile: Profile


# Articles.


class NewArticle(Schema):
    title: Line
    description: Text
    body: Text
    tag_list: Annotated[list[Name], Field(max_length=20)] = []


class NewArticleRequest(Schema):
    article: NewArticle


class ArticleChanges(Schema):
    """What is not sent, or null, stays as it is."""

    title: Line | None = None
    description: Text | None = None
    body: Text | None = None


class ArticleChangesRequest(Schema):
    article: ArticleChanges


class ArticleSummary(Schema):
    """An article in a list, which goes without its text."""

    slug: str
    title: str
    description: str
    tag_list: list[str]
    created_at: datetime
    updated_at: datetime
    favorited: bool
    favorites_count: int
    author: Profile


class ArticleOut(ArticleSummary):
    body: str


class ArticleResponse(Schema):
    article: ArticleOut


class ArticlesResponse(Schema):
    articles: list[ArticleSummary]
    articles_count: int


class TagsResponse(Schema):
    tags: list[str]


# Comments.


class NewComment(Schema):
    body: Text


class NewCommentRequest(Schema):
    comment: NewComment


class CommentOut(Schema):
    id: int
    created_at: datetime
    updated_at: datetime
    body: str
    author: Profile


class CommentResponse(Schema):
    comment: CommentOut


class CommentsResponse(Schema):
    comments: list[CommentOut]
