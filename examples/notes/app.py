"""Notes for their writers' eyes only; whoever is signed in stays so over a restart."""

from pathlib import Path

import database
from database import Notes, User
from passwords import hash_password, is_password
from ratelimit import RateLimit

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow

MAX_NAME, MIN_PASSWORD, MAX_PASSWORD = 20, 8, 256  # characters
MAX_TEXT = 2000
MAX_NOTES = 200  # of one user
MAX_ID = 2**31 - 1  # more is no number of a note: PostgreSQL refuses it


class Notebook(App):
    def __init__(self):
        super().__init__(
            database.sessions,
            template_dir=Path(__file__).parent / "templates",
            max_body_size=20_000,
        )
        self._notes = Notes(database.engine)
        self.middlewares += [
            SecurityHeaders(),
            CrossOriginProtection(),
            # Behind it, or a page elsewhere could use up the tokens of its visitors.
            RateLimit(rate=1, burst=60, methods={"POST"}),
        ]
        self.shutdown_handlers.append(self._close)

    async def index(self):
        user_id = self.session.get("user_id")
        notes = [] if user_id is None else await self._notes.of(user_id)
        return await self._page("index.html", notes=notes, max_text=MAX_TEXT)

    @allow("POST")
    async def add(self, *, text: str):
        user_id = self._require_user()
        text = text.replace("\r\n", "\n").replace("\0", "").strip()  # PostgreSQL has no \0
        if not 0 < len(text) <= MAX_TEXT:
            raise HTTPError(422, f"A note has 1 to {MAX_TEXT:,} characters.")
        if await self._notes.count(user_id) >= MAX_NOTES:
            raise HTTPError(409, f"{MAX_NOTES} notes are enough: remove one.")
        await self._notes.add(user_id, text)
        return self._see("index")

    @allow("POST")
    async def remove(self, note_id: int):
        user_id = self._require_user()
        if not (0 < note_id <= MAX_ID and await self._notes.remove(user_id, note_id)):
            raise HTTPError(404)
        return self._see("index")

    @allow("GET", "POST")
    async def sign_up(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._page("sign_up.html")
        if not _is_name(name):
            problem = f"A name has 1 to {MAX_NAME} letters and digits."
            return 422, await self._page("sign_up.html", name=name, problem=problem)
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            problem = f"A password has at least {MIN_PASSWORD} characters."
            return 422, await self._page("sign_up.html", name=name, problem=problem)
        user = await self._notes.add_user(name, await hash_password(password))
        if user is None:
            return 409, await self._page("sign_up.html", name=name, problem="That name is taken.")
        return self._signed_in(user)

    @allow("GET", "POST")
    async def sign_in(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._page("sign_in.html")
        user = await self._notes.find_user(name) if _is_name(name) else None
        if not await is_password(password[:MAX_PASSWORD], user and user.password):
            problem = "Wrong name or password."
            return 403, await self._page("sign_in.html", name=name, problem=problem)
        return self._signed_in(user)

    @allow("POST")
    async def sign_out(self):
        self.session.clear()
        return self._see("index")

    def _signed_in(self, user: User):
        # A new id, so that one which somebody slipped to this browser before is worth nothing.
        self.request.regenerate_session()
        self.session |= {"user_id": user.id, "name": user.name}
        return self._see("index")

    def _require_user(self) -> int:
        if "user_id" not in self.session:
            raise HTTPError(303, "", {"Location": self._url_for("sign_in")})
        return self.session["user_id"]

    def _see(self, handler: str):
        """Send the browser there, so that reloading the page does not post again."""
        return self._redirect(self._url_for(handler), status_code=303)

    async def _page(self, template: str, **context) -> str:
        return await self._render_template(template, me=self.session.get("name"), **context)

    async def _close(self) -> None:
        # What is being purged needs the engine, which the backend does not close: it was lent.
        await self.session_backend.shutdown()
        await database.engine.dispose()


def _is_name(name: str) -> bool:
    return name.isascii() and name.isalnum() and len(name) <= MAX_NAME


app = Notebook()
