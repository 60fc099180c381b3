"""Short messages for those who follow: accounts, profiles, and a timeline, on SQLite."""

from pathlib import Path

from passwords import hash_password, is_password
from ratelimit import RateLimit
from store import PAGE, Store, User

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow
from micropie_sql_sessions import SQLSessionBackend

MAX_TEXT = 200  # characters
MAX_NAME, MIN_PASSWORD, MAX_PASSWORD = 20, 8, 256
LATEST = 2**63 - 1  # no chirp comes after this one


class Chirper(App):
    def __init__(self, store: Store):
        super().__init__(
            SQLSessionBackend("sqlite:///sessions.db"),  # whoever is signed in stays so
            template_dir=Path(__file__).parent / "templates",
            max_body_size=10_000,
        )
        self._store = store
        self.middlewares += [
            SecurityHeaders(),
            CrossOriginProtection(),
            # Behind it, or a page elsewhere could use up the tokens of its visitors.
            RateLimit(rate=1, burst=60, methods={"POST"}),
        ]
        self.startup_handlers.append(store.open)
        self.shutdown_handlers.append(store.close)

    async def index(self, *, before: int = LATEST):
        """The timeline of who is signed in, everything to all others."""
        user_id = self.session.get("user_id")
        if user_id is None:
            chirps = await self._store.everything(_checked(before))
        else:
            chirps = await self._store.timeline(user_id, _checked(before))
        return await self._page("index.html", chirps=chirps, is_latest=before == LATEST)

    async def all(self, *, before: int = LATEST):
        chirps = await self._store.everything(_checked(before))
        return await self._page("all.html", chirps=chirps)

    async def user(self, name: str, *, before: int = LATEST):
        """The profile of one user: `/user/ada`."""
        user = await self._find(name)
        chirps = await self._store.chirps_of(user.id, _checked(before))
        viewer = self.session.get("user_id")
        is_following = viewer and await self._store.is_following(viewer, user.id)
        return await self._page("user.html", user=user, chirps=chirps, is_following=is_following)

    @allow("POST")
    async def chirp(self, *, text: str):
        user_id = self._require_user()
        text = " ".join(text.split())
        if not 0 < len(text) <= MAX_TEXT:
            raise HTTPError(422, f"A chirp has 1 to {MAX_TEXT} characters.")
        await self._store.chirp(user_id, text)
        return self._see("index")

    @allow("POST")
    async def follow(self, name: str):
        user_id, user = self._require_user(), await self._find(name)
        await self._store.follow(user_id, user.id)
        return self._see("user", user.name)

    @allow("POST")
    async def unfollow(self, name: str):
        user_id, user = self._require_user(), await self._find(name)
        await self._store.unfollow(user_id, user.id)
        return self._see("user", user.name)

    @allow("GET", "POST")
    async def sign_up(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._page("sign_up.html")
        if not (name.isascii() and name.isalnum() and len(name) <= MAX_NAME):
            problem = f"A name has 1 to {MAX_NAME} letters and digits."
            return 422, await self._page("sign_up.html", name=name, problem=problem)
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            problem = f"A password has at least {MIN_PASSWORD} characters."
            return 422, await self._page("sign_up.html", name=name, problem=problem)
        user = await self._store.add_user(name, await hash_password(password))
        if user is None:
            return 409, await self._page("sign_up.html", name=name, problem="That name is taken.")
        return self._signed_in(user)

    @allow("GET", "POST")
    async def sign_in(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._page("sign_in.html")
        user = await self._store.find_user(name)
        if not await is_password(password[:MAX_PASSWORD], user and user.password):
            problem = "Wrong name or password."
            return 403, await self._page("sign_in.html", name=name, problem=problem)
        return self._signed_in(user)

    @allow("POST")
    async def sign_out(self):
        self.session.clear()
        return self._see("index")

    def _signed_in(self, user: User):
        self.request.regenerate_session()
        self.session |= {"user_id": user.id, "name": user.name}
        return self._see("index")

    def _require_user(self) -> int:
        if "user_id" not in self.session:
            raise HTTPError(303, "", {"Location": self._url_for("sign_in")})
        return self.session["user_id"]

    async def _find(self, name: str) -> User:
        user = await self._store.find_user(name)
        if user is None:
            raise HTTPError(404)
        return user

    def _see(self, handler: str, *segments: str):
        """Send the browser there, so that reloading the page does not post again."""
        return self._redirect(self._url_for(handler, *segments), status_code=303)

    async def _page(self, template: str, **context) -> str:
        return await self._render_template(
            template, me=self.session.get("name"), page_size=PAGE, max_text=MAX_TEXT, **context
        )


def _checked(before: int) -> int:
    """Return what SQLite can take for a number."""
    return max(0, min(before, LATEST))


app = Chirper(Store("chirp.db"))
