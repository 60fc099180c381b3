"""A chat over server-sent events: messages come by one endless response, and go by POST."""

import asyncio
import json
from collections import deque
from itertools import count
from pathlib import Path

from micropie import App, CrossOriginProtection, HTTPError, SecurityHeaders, allow

MAX_NAME, MAX_TEXT = 40, 500  # characters
HEARTBEAT = 15  # seconds; proxies close a connection on which nothing happens


class Chat(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=10_000)
        self.middlewares += [
            SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS),
            CrossOriginProtection(),
        ]
        self._messages = deque(maxlen=100)  # who reads too slowly misses some
        self._ids = count(1)
        self._news = asyncio.Event()

    async def index(self):
        return await self._render_template(
            "index.html", nonce=self.request.state.csp_nonce, max_name=MAX_NAME, max_text=MAX_TEXT
        )

    @allow("POST")
    async def say(self, *, name: str = "", text: str):
        name, text = " ".join(name.split()) or "Guest", text.strip()
        if not 0 < len(text) <= MAX_TEXT or len(name) > MAX_NAME:
            raise HTTPError(422, "That is too long, or nothing.")
        self._messages.append({"id": next(self._ids), "name": name, "text": text})
        self._news.set()  # wakes all that wait for this one; the next wait for another
        self._news = asyncio.Event()

    @allow("GET")
    async def events(self):
        """What was said, and what will be; a browser that comes back says what it has had."""
        last = self.request.headers.get("last-event-id", "")
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",  # tells nginx to pass events on at once
        }
        return 200, self._events(int(last) if last.isdecimal() else 0), headers

    async def _events(self, last: int):
        yield "retry: 2000\n\n"  # milliseconds until a browser that lost us tries again
        while True:
            news = self._news
            for message in [message for message in self._messages if message["id"] > last]:
                last = message["id"]
                yield f"id: {last}\ndata: {json.dumps(message)}\n\n"
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await news.wait()
            except TimeoutError:
                yield ": still here\n\n"


app = Chat()
