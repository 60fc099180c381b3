"""The guestbook: a small app that uses most of what MicroPie offers."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from guestbook import Entry, Guestbook

from micropie import App, HTTPError, allow


class Demo(App):
    def __init__(self):
        super().__init__(
            template_dir=Path(__file__).parent / "templates",
        )
        self.guestbook = Guestbook()
        self.env.globals["url_for"] = self._url_for
        self.startup_handlers += [self._read_templates]

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

    def _read_templates(self):
        """Read all templates at start-up, for `aloud` would stop the event loop to do so."""
        for name in self.env.list_templates():
            self.env.get_template(name)


async def _spoken(entries: list[Entry], pause: float) -> AsyncIterator[tuple[Entry, int]]:
    """Yield each entry, *pause* seconds apart, and how much of all that was, in per cent."""
    for position, entry in enumerate(entries, start=1):
        await asyncio.sleep(pause)
        yield entry, 100 * position // len(entries)


app = Demo()
