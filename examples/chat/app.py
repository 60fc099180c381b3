"""A chat for everybody who logs in: all of MicroPie and its four extensions in one app.

    uvicorn app:app

Sessions and messages are in a SQLite file beside this one. DATABASE_URL names another database, and
REDIS_URL a Redis, which then keeps the sessions and joins several workers.
"""

import os
from pathlib import Path

from history import History
from hooks import FewSockets
from transcript import Transcript

from micropie import App, CrossOriginProtection, SecurityHeaders, allow
from micropie_redis import RedisSessionBackend
from micropie_socketio import SocketIO
from micropie_sql_sessions import SQLSessionBackend
from micropie_static import Static
from socketio import exceptions

HERE = Path(__file__).parent
DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite+aiosqlite:///{HERE / 'chat.db'}"
REDIS_URL = os.environ.get("REDIS_URL") or None

# Stricter than the default, which lets pages have styles of their own: here all are in files.
SELF_ONLY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
MAX_NAME = 30  # characters
MAX_TEXT = 1000


class Chat(App):
    def __init__(self):
        super().__init__(
            RedisSessionBackend(REDIS_URL) if REDIS_URL else SQLSessionBackend(DATABASE_URL),
            template_dir=HERE / "templates",
        )
        self.history = History(DATABASE_URL)
        self.startup_handlers.append(self.history.open)
        self.shutdown_handlers.append(self.history.close)
        self.middlewares += [SecurityHeaders(SELF_ONLY), CrossOriginProtection()]
        self.ws_middlewares.append(FewSockets())
        self.mount("/transcript", Transcript(self.history))
        static = Static(HERE / "static")
        self.mount("/static", static)
        self.env.globals["static_url"] = static.url

    @allow("GET")
    async def index(self):
        """The chat; for who has not logged in, the form to do so."""
        if "name" not in self.session:
            return await self._login_page()
        return await self._render_template(
            "chat.html", name=self.session["name"], root=self.root_path, max_text=MAX_TEXT
        )

    @allow("POST")
    async def login(self, *, name: str):
        """The form: whoever you say you are, you are."""
        name = " ".join(name.split())
        if not name:
            return 422, await self._login_page("Please tell us your name.")
        if len(name) > MAX_NAME:
            return 422, await self._login_page(f"At most {MAX_NAME} characters, please.")
        # A new id, so that an id from before the login is worth nothing.
        self.request.regenerate_session()
        self.session["name"] = name
        return self._redirect(self._url_for("index"), status_code=303)

    @allow("POST")
    async def logout(self):
        """The button at the top of the chat."""
        self.session.clear()
        return self._redirect(self._url_for("index"), status_code=303)

    async def _login_page(self, problem: str = "") -> str:
        return await self._render_template("login.html", problem=problem, max_name=MAX_NAME)


app = Chat()
sio = SocketIO(app, redis_url=REDIS_URL)


@sio.event
async def connect(sid, environ):
    name = await _name(sid)
    if name is None:
        raise exceptions.ConnectionRefusedError("please log in")
    await sio.save_session(sid, {"name": name})  # python-socketio's: what is left after a logout
    await sio.emit("note", f"{name} is here", skip_sid=sid)


@sio.event
async def disconnect(sid, reason):
    name = (await sio.get_session(sid))["name"]
    await sio.emit("note", f"{name} has left", skip_sid=sid)


@sio.event
async def catch_up(sid, last_id):
    """Return what was said after message *last_id*, for whoever connects, or does so again."""
    # Of JSON's values true is an int of Python's, too.
    return await app.history.after(last_id) if type(last_id) is int else []


@sio.event
async def say(sid, text):
    """Pass a message on to everybody; return what is wrong with it, or None."""
    name = await _name(sid)
    if name is None:  # logged out meanwhile, in another tab
        await sio.disconnect(sid)
        return None
    if not isinstance(text, str) or not text.strip():
        return "There is nothing in this message."
    if len(text) > MAX_TEXT:
        return f"A message has {MAX_TEXT} characters at most."
    await sio.emit("message", await app.history.add(name, text.strip()))
    return None


async def _name(sid):
    async with sio.http_session(sid) as session:
        return session.get("name")
