"""An app of its own, mounted on the chat, whose session it shares: what was said, to take home."""

from datetime import UTC, datetime

from history import History

from micropie import App, HTTPError, allow


class Transcript(App):
    def __init__(self, history: History):
        super().__init__()
        self._history = history

    @allow("GET")
    async def index(self):
        """A file of text."""
        lines = [
            f"{datetime.fromtimestamp(message['said_at'] / 1000, UTC):%Y-%m-%d %H:%M} UTC  "
            f"{message['name']}: {_indented(message['text'])}\n"
            for message in await self._messages()
        ]
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": "attachment; filename=transcript.txt",
        }
        return 200, "".join(lines), headers

    @allow("GET")
    async def json(self):
        """The same for programs."""
        return await self._messages()

    async def _messages(self):
        if "name" not in self.session:
            raise HTTPError(403, "Please log in first.")
        return await self._history.after(0)


def _indented(text: str) -> str:
    """Return *text* so that none of its lines can be taken for what somebody else has said."""
    return "\n    | ".join(text.splitlines())
