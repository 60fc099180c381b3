"""The guestbook: a small app that uses most of what MicroPie offers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote

from chat import MAX_TEXT, Room
from guestbook import Entry, Guestbook
from shelf import Shelf

from micropie import App, HTTPError, HttpMiddleware, UploadFile, WebSocket, allow

RoomName = Literal["lobby", "kitchen", "garden"]


class Demo(App):
    def __init__(self):
        super().__init__(
            template_dir=Path(__file__).parent / "templates",
            max_body_size=Shelf.MAX_FILE_SIZE + 10_000,  # the form around the file
        )
        self.guestbook = Guestbook()
        self.shelf = Shelf()
        self.rooms = {name: Room() for name in get_args(RoomName)}
        self.env.globals["url_for"] = self._url_for
        self.middlewares.append(KindlyTooLarge(self))
        self.startup_handlers += [self._read_templates, self.shelf.open]
        self.shutdown_handlers.append(self.shelf.close)

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
                self.guestbook.sign(name, message)
                self.session["name"] = name
                # A redirect, so that reloading the page doesn't sign again.
                return self._redirect(self._url_for("index"))
        page = await self._render_template(
            "sign.html", name=name, message=message, problems=problems, guestbook=self.guestbook
        )
        return (422 if problems else 200), page

    @allow("POST")
    async def forget(self):
        """Forget this visitor: the button below the guestbook."""
        # A form on somebody else's site can't do this, nor sign in a visitor's name: the session
        # cookie is SameSite=Lax, so the browser leaves it out of a POST from there.
        self.session.clear()
        return self._redirect(self._url_for("index"))

    async def greet(self, name="stranger", *, shout: bool = False):
        """The shortest handler that takes an argument, from the path or the query."""
        greeting = f"Hello, {name}!"
        return await self._render_template(
            "greet.html", greeting=greeting.upper() if shout else greeting
        )

    @allow("GET")
    async def entries(self, *, q: str = "", limit: int = 100):
        """The entries as JSON; any method but GET and HEAD is a 405."""
        found = self.guestbook.search(q)
        return {"total": len(found), "entries": found[: max(limit, 0)]}

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
        headers = {
            # Whatever it is, the browser is to save it, never to show it as a page of this site.
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name, safe='')}",
            "Content-Length": str(file.size),
            "X-Content-Type-Options": "nosniff",
        }
        return 200, file.chunks(), headers

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


class KindlyTooLarge(HttpMiddleware):
    """Says that a file is too large in the page it came from.

    The handler can't: MicroPie refuses such a body before there is anything to call it with.
    """

    def __init__(self, demo: Demo) -> None:
        self._demo = demo

    async def after_request(self, request, status_code, response_body, extra_headers):
        if status_code != 413 or not request.path.startswith("/files"):
            return None
        page = await self._demo._files_page("That file is too large.")
        return {"body": page, "headers": {"Content-Type": "text/html; charset=utf-8"}}


async def _spoken(entries: list[Entry], pause: float) -> AsyncIterator[tuple[Entry, int]]:
    """Yield each entry, *pause* seconds apart, and how much of all that was, in per cent."""
    for position, entry in enumerate(entries, start=1):
        await asyncio.sleep(pause)
        yield entry, 100 * position // len(entries)


app = Demo()
