"""A blog of one author, on SQLAlchemy: pages of posts, a feed, and forms to write them."""

import hmac
import os
import secrets
from pathlib import Path

from posts import Post, Posts
from ratelimit import RateLimit

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow


class Blog(App):
    def __init__(self, posts: Posts, password: str):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=1024**2)
        self._posts = posts
        self._password = password
        self.middlewares += [
            SecurityHeaders(),
            CrossOriginProtection(),
            # Behind it, or a page elsewhere could use up the tokens of its visitors.
            RateLimit(rate=0.5, burst=30, methods={"POST"}),
        ]
        self.startup_handlers.append(posts.open)
        self.shutdown_handlers.append(posts.close)

    async def index(self, *, page: int = 1):
        page = min(max(1, page), 1_000_000)
        posts, has_older = await self._posts.latest(page)
        return await self._page("index.html", posts=posts, page=page, has_older=has_older)

    async def post(self, number: int):
        """`/post/3` and `/post/3/any-words`: surplus segments are for people to read."""
        return await self._page("post.html", post=await self._find(number))

    async def feed(self):
        """The latest posts for feed readers, as RFC 4287 has it."""
        posts, _ = await self._posts.latest(1)
        site = f"{self.request.scope['scheme']}://{self.request.headers.get('host', '')}"
        headers = {"Content-Type": "application/atom+xml; charset=utf-8"}
        return 200, await self._page("feed.xml", posts=posts, site=site), headers

    @allow("GET", "POST")
    async def write(self, number: int | None = None, *, title: str = "", text: str = ""):
        """A new post, or with a number the one to be changed."""
        self._require_author()
        if self.request.method != "POST":
            post = Post(title="", text="") if number is None else await self._find(number)
            return await self._page("write.html", post=post)
        title, text = " ".join(title.split()), text.replace("\r\n", "\n").strip()
        if not (0 < len(title) <= Post.MAX_TITLE and 0 < len(text) <= Post.MAX_TEXT):
            draft = Post(number=number, title=title, text=text)
            return 422, await self._page("write.html", post=draft, problem="Too long, or nothing.")
        if number is None:
            post = await self._posts.add(title, text)
        else:
            post = await self._posts.change((await self._find(number)).number, title, text)
        if post is None:  # removed meanwhile
            raise HTTPError(404)
        return self._redirect(self._url_for("post", post.number, post.slug), status_code=303)

    @allow("POST")
    async def remove(self, number: int):
        self._require_author()
        await self._posts.remove((await self._find(number)).number)
        return self._redirect(self._url_for("index"), status_code=303)

    @allow("GET", "POST")
    async def sign_in(self, *, password: str = ""):
        if self.request.method != "POST":
            return await self._page("sign_in.html")
        if not hmac.compare_digest(password.encode(errors="replace"), self._password.encode()):
            return 403, await self._page("sign_in.html", problem="Wrong password.")
        self.request.regenerate_session()
        self.session["is_author"] = True
        return self._redirect(self._url_for("index"), status_code=303)

    @allow("POST")
    async def sign_out(self):
        self.session.clear()
        return self._redirect(self._url_for("index"), status_code=303)

    def _require_author(self) -> None:
        if not self.session.get("is_author"):
            raise HTTPError(303, "", {"Location": self._url_for("sign_in")})

    async def _find(self, number: int) -> Post:
        # What SQLite can't hold as a number is the number of no post.
        post = await self._posts.find(number) if 0 < number < 2**63 else None
        if post is None:
            raise HTTPError(404)
        return post

    async def _page(self, name: str, **context) -> str:
        is_author = self.session.get("is_author", False)
        return await self._render_template(name, is_author=is_author, limits=Post, **context)


def author_password() -> str:
    """Return BLOG_PASSWORD; without it one for this run, which the log tells."""
    if password := os.environ.get("BLOG_PASSWORD"):
        return password
    password = secrets.token_urlsafe(9)
    print(f"The author's password for this run: {password}", flush=True)
    return password


app = Blog(Posts("sqlite+aiosqlite:///blog.db"), author_password())
