"""A chat over server-sent events: messages come by one endless response, and go by POST."""

import json
from collections import deque
from itertools import count
from pathlib import Path

from micropie import (
    App,
    Broadcast,
    CrossOriginProtection,
    EventStream,
    HTTPError,
    SecurityHeaders,
    allow,
)

MAX_NAME, MAX_TEXT = 40, 500  # characters


class Chat(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_body_size=10_000)
        self.middlewares += [
            SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS),
            CrossOriginProtection(),
        ]
        self._messages = deque(maxlen=100)  # for those who come back
        self._ids = count(1)
        self._broadcast = Broadcast(max_waiting=100, when_slow="skip")

    async def index(self):
        return await self._render_template(
            "index.html", nonce=self.request.state.csp_nonce, max_name=MAX_NAME, max_text=MAX_TEXT
        )

    @allow("POST")
    async def say(self, *, name: str = "", text: str):
        name, text = " ".join(name.split()) or "Guest", text.strip()
        if not 0 < len(text) <= MAX_TEXT or len(name) > MAX_NAME:
            raise HTTPError(422, "That is too long, or nothing.")
        message = {"id": next(self._ids), "name": name, "text": text}
        self._messages.append(message)
        await self._broadcast.send(message)

    @allow("GET")
    async def events(self):
        """What was said, and what will be; a browser that comes back says what it has had."""
        try:
            last = int(self.request.headers.get("last-event-id", "0"))
        except ValueError:  # not a number, or one of more digits than Python takes
            last = 0
        return EventStream(self._events(last))

    async def _events(self, last: int):
        yield {"retry": 2000}  # milliseconds until a browser that lost us tries again
        async with self._broadcast.join() as news:
            for message in [message for message in self._messages if message["id"] > last]:
                last = message["id"]
                yield {"id": last, "data": message}
            async for text in news:
                message = json.loads(text)
                if message["id"] > last:  # else it was in time for the loop above
                    yield {"id": message["id"], "data": message}


app = Chat()
