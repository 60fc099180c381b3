"""Accounts: signing up, in and out, with hashed passwords, and pages for members only."""

from pathlib import Path

from passwords import hash_password, is_password
from ratelimit import RateLimit

from micropie import App, CrossOriginProtection, HttpMiddleware, SecurityHeaders, allow

MIN_PASSWORD, MAX_PASSWORD = 8, 256  # characters
MAX_USERS = 10_000


class Members(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=10_000)
        self._users: dict[str, str] = {}  # hashes by name; a real site has a table
        self.middlewares += [
            SecurityHeaders(),
            CrossOriginProtection(),
            # Behind it, or a page elsewhere could use up the tokens of its visitors.
            RateLimit(rate=0.2, burst=20, methods={"POST"}),  # nobody tries out a million passwords
            MembersOnly(self),
        ]

    async def index(self):
        return await self._render_template("index.html", user=self.session.get("user"))

    async def secret(self):
        """`MembersOnly` stands in front of this, so there is a user."""
        return await self._render_template("secret.html", user=self.session["user"])

    @allow("GET", "POST")
    async def sign_up(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._form("sign_up")
        name = name.strip()
        # Of ASCII: other alphabets have letters that look the same.
        if not (name.isascii() and name.isalnum() and len(name) <= 40):
            return 422, await self._form("sign_up", name, "A name has letters and digits only.")
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            problem = f"A password has at least {MIN_PASSWORD} characters."
            return 422, await self._form("sign_up", name, problem)
        hashed = await hash_password(password)
        # Looked up after the wait, in which somebody else may have taken the name.
        if name.lower() in self._users or len(self._users) >= MAX_USERS:
            return 409, await self._form("sign_up", name, "That name is taken.")
        self._users[name.lower()] = hashed
        return self._signed_in(name)

    @allow("GET", "POST")
    async def sign_in(self, *, name: str = "", password: str = ""):
        if self.request.method != "POST":
            return await self._form("sign_in")
        name = name.strip()
        if not await is_password(password[:MAX_PASSWORD], self._users.get(name.lower())):
            # Not which of the two: that would tell who has an account.
            return 403, await self._form("sign_in", name, "Wrong name or password.")
        return self._signed_in(name)

    @allow("POST")
    async def sign_out(self):
        self.session.clear()
        return self._redirect(self._url_for("index"), status_code=303)

    async def _form(self, handler: str, name: str = "", problem: str = "") -> str:
        return await self._render_template(
            "form.html", handler=handler, name=name, problem=problem, min_password=MIN_PASSWORD
        )

    def _signed_in(self, name: str):
        # A new id, so that one which somebody slipped to this browser before is worth nothing.
        self.request.regenerate_session()
        self.session["user"] = name
        return self._redirect(self._url_for("secret"), status_code=303)


class MembersOnly(HttpMiddleware):
    """Sends strangers to the form; all that is not said to be public is for members."""

    PUBLIC = frozenset({"index", "sign_in", "sign_up", "sign_out"})  # names of handlers

    def __init__(self, app: Members):
        self._app = app

    async def before_request(self, request):
        if request.route is not None and request.route.name in self.PUBLIC:
            return None
        if "user" in request.session:
            return None
        status_code, body, headers = self._app._redirect(
            self._app._url_for("sign_in"), status_code=303
        )
        return {"status_code": status_code, "body": body, "headers": headers}


app = Members()
