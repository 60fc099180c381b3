"""Text that is sent while it comes into being, and stops when nobody reads it any more."""

import asyncio
from pathlib import Path

from micropie import App, SecurityHeaders

STORY = """\
Once there was a pie that took its time. First the dough had to rest. Then the apples had to be
cut, one by one, and nobody was allowed to eat any. Then the oven had to get hot. And all the
while the smell went ahead, down the stairs, out of the door and around the corner, so that when
the pie was done at last, everybody was there."""

TEXT = {
    "Content-Type": "text/plain; charset=utf-8",
    # Or browsers wait for more of it, to find out whether it is text.
    "X-Content-Type-Options": "nosniff",
}


class Streaming(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates")
        self.middlewares.append(SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS))
        self._readers = 0

    async def index(self):
        return await self._render_template("index.html", nonce=self.request.state.csp_nonce)

    async def story(self, *, pause: float = 0.15):
        """A generator as the body: each piece goes out as soon as it is yielded."""
        return 200, self._words(min(2.0, max(0.0, pause))), TEXT

    async def _words(self, pause: float):
        self._readers += 1
        try:
            for word in STORY.split():
                yield word + " "
                await asyncio.sleep(pause)
        finally:  # also when the reader has left midway
            self._readers -= 1

    async def readers(self):
        return {"readers": self._readers}

    async def squares(self, upto: int = 1_000_000):
        return 200, self._squares(min(upto, 10_000_000)), TEXT

    def _squares(self, upto: int):
        """A generator without `async` runs in a thread; this much text is never in memory."""
        for number in range(1, upto + 1):
            yield f"{number},{number**2}\n"


app = Streaming()
