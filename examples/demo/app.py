"""The guestbook: a small site that uses most of what MicroPie and its extensions offer.

Sessions are in a SQLite file beside this one; in another database if DATABASE_URL names one, in
Redis if REDIS_URL does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, get_args

from api import Api
from chat import MAX_TEXT, Room
from guestbook import Entry, Guestbook
from hooks import FullHouse, KindlyTooLarge
from live import live
from shelf import Shelf

from micropie import (
    App,
    CrossOriginProtection,
    HTTPError,
    SecurityHeaders,
    UploadFile,
    WebSocket,
    allow,
)
from micropie_redis import RedisSessionBackend
from micropie_sql_sessions import SQLSessionBackend
from micropie_static import Static, send_file

HERE = Path(__file__).parent
DATABASE_URL = os.environ.get("DATABASE_URL") or f"sqlite:///{HERE / 'demo.db'}"
REDIS_URL = os.environ.get("REDIS_URL") or None

RoomName = Literal["lobby", "kitchen", "garden"]


class Demo(App):
    def __init__(self):
        super().__init__(
            RedisSessionBackend(REDIS_URL) if REDIS_URL else SQLSessionBackend(DATABASE_URL),
            template_dir=HERE / "templates",
            max_body_size=Shelf.MAX_FILE_SIZE + 10_000,  # the form around the file
            max_message_size=10_000,  # MAX_TEXT of the chat, every character escaped
        )
        self.guestbook = Guestbook()
        self.shelf = Shelf()
        self.rooms = {name: Room() for name in get_args(RoomName)}
        self.middlewares += [
            SecurityHeaders(),
            CrossOriginProtection(),
            KindlyTooLarge(self._files_page),
        ]
        self.ws_middlewares.append(FullHouse())
        self.startup_handlers += [self._read_templates, self.shelf.open]
        self.shutdown_handlers.append(self.shelf.close)
        self.live = live(self, REDIS_URL)
        self.mount("/api", Api(self.guestbook))
        static = Static(HERE / "static")
        self.mount("/static", static)
        self.env.globals["static_url"] = static.url

    async def index(self, *, q: str = ""):
        """The guestbook, or the entries that mention *q*."""
        if not q:
            self.session["visits"] = self.session.get("visits", 0) + 1
        return await self._render_template(
            "index.html", entries=self.guestbook.search(q), q=q, session=self.session
        )

    async def entry(self, entry_id: int):
        """One entry by its number: 400 for what is no number, 404 for one not given out."""
        entry = self.guestbook.find(entry_id)
        if entry is None:
            raise HTTPError(404)
        return await self._render_template("entry.html", entry=entry)

    @allow("GET", "POST")
    async def sign(self, *, name: str | None = None, message: str = ""):
        """A form (GET), and what it sends (POST): that is an entry, or the form with advice."""
        problems = {}
        if name is None:
            name = self.session.get("name", "")
        if self.request.method == "POST":
            name, message = " ".join(name.split()), message.replace("\r\n", "\n").strip()
            problems = self.guestbook.problems(name, message)
            if not problems:
                entry = self.guestbook.sign(name, message)
                self.session["name"] = name
                await self.live.emit("signed", [name, self._url_for("entry", entry.id)])
                # A redirect, so that reloading the page doesn't sign again.
                return self._redirect(self._url_for("index"))
        page = await self._render_template(
            "sign.html", name=name, message=message, problems=problems, guestbook=self.guestbook
        )
        return (422 if problems else 200), page

    @allow("POST")
    async def forget(self):
        """Forget this visitor: the button below the guestbook."""
        # A form on somebody else's site can't do this, nor sign in a visitor's name: that is what
        # CrossOriginProtection is for.
        self.session.clear()
        return self._redirect(self._url_for("index"))

    async def greet(self, name="stranger", *, shout: bool = False):
        """The shortest handler that takes an argument, from the path or the query."""
        greeting = f"Hello, {name}!"
        return await self._render_template(
            "greet.html", greeting=greeting.upper() if shout else greeting
        )

    async def aloud(self, *, pause: float = 0.6):
        """The entries read aloud: a page that is sent as it comes into being."""
        entries = self.guestbook.search()
        pause = min(5.0, max(0.0, pause))
        template = self.env.get_template("aloud.html")
        async for piece in template.generate_async(entries=_spoken(entries, pause)):
            yield piece

    @allow("GET", "POST")
    async def files(self, *, file: UploadFile | None = None):
        """The files that visitors left (GET), and a form that leaves one more (POST)."""
        if self.request.method != "POST":
            return await self._files_page()
        if file is None:
            return 422, await self._files_page("Please choose a file first.")
        if file.size > self.shelf.MAX_FILE_SIZE:
            raise HTTPError(413)
        await self.shelf.keep(file)
        return self._redirect(self._url_for("files"))

    async def file(self, file_id: int):
        """One of the files, to be saved by the browser."""
        file = self.shelf.find(file_id)
        if file is None:
            raise HTTPError(404)
        # Whatever it is, the browser is to save it, never to show it as a page of this site.
        return send_file(file.path, content_type="application/octet-stream")

    async def chat(self, room: RoomName = "lobby"):
        """The page of a chat room; its script connects to `ws_chat` below."""
        return await self._render_template(
            "chat.html", room=room, rooms=self.rooms, max_text=MAX_TEXT, session=self.session
        )

    async def ws_chat(self, ws: WebSocket, room: RoomName = "lobby"):
        """The chat room itself: `/chat/kitchen` again, or `/chat?room=kitchen`, as a WebSocket."""
        await ws.accept()
        await self.rooms[room].host(ws, ws.session.get("name", "Guest"))

    def _read_templates(self):
        """Read all templates at start-up, for `aloud` would stop the event loop to do so."""
        for name in self.env.list_templates():
            self.env.get_template(name)

    async def _files_page(self, problem: str = "") -> str:
        return await self._render_template("files.html", shelf=self.shelf, problem=problem)


async def _spoken(entries: list[Entry], pause: float) -> AsyncIterator[tuple[Entry, int]]:
    """Yield each entry, *pause* seconds apart, and how much of all that was, in per cent."""
    for position, entry in enumerate(entries, start=1):
        await asyncio.sleep(pause)
        yield entry, 100 * position // len(entries)


app = Demo()
