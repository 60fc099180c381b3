"""A pastebin: text at an address that nobody can guess, until it expires."""

import asyncio
from pathlib import Path
from typing import Literal

from store import Paste, Pastes

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow

MAX_TITLE, MAX_TEXT = 100, 100_000  # characters
SECONDS = {"an hour": 3600, "a day": 86_400, "a month": 30 * 86_400}


class Pastebin(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=1024**2)
        self.middlewares += [SecurityHeaders(), CrossOriginProtection()]
        self._pastes = Pastes("pastes.db")

    async def index(self):
        return await self._form()

    @allow("POST")
    async def paste(
        self, *, title: str = "", text: str, keep: Literal["an hour", "a day", "a month"] = "a day"
    ):
        # Browsers send lines as HTTP has them, ended by \r\n.
        title, text = title.strip(), text.replace("\r\n", "\n")
        if not text.strip() or len(text) > MAX_TEXT or len(title) > MAX_TITLE:
            problem = f"A paste has 1 to {MAX_TEXT:,} characters."
            return 422, await self._form(title, text, problem)
        key = await asyncio.to_thread(
            self._pastes.add, Paste(title or "Untitled", text), SECONDS[keep]
        )
        return self._redirect(self._url_for("show", key), status_code=303)

    async def show(self, key: str):
        paste = await asyncio.to_thread(self._find, key)
        # The address is a secret: links out of the paste must not tell it to other sites.
        headers = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
        return 200, await self._render_template("paste.html", key=key, paste=paste), headers

    def raw(self, key: str):
        """Without `async`, this runs in a thread, and needs no to_thread() for what blocks."""
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "X-Content-Type-Options": "nosniff",  # it is text, even if it looks like a page
            "X-Robots-Tag": "noindex",
        }
        return 200, self._find(key).text, headers

    def _find(self, key: str) -> Paste:
        paste = self._pastes.find(key)
        if paste is None:
            raise HTTPError(404, "There is no such paste, or no longer.")
        return paste

    async def _form(self, title: str = "", text: str = "", problem: str = "") -> str:
        context = {"title": title, "text": text, "problem": problem}
        limits = {"max_title": MAX_TITLE, "max_text": MAX_TEXT}
        return await self._render_template("form.html", **context, **limits, spans=SECONDS)


app = Pastebin()
