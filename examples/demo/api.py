"""An app of its own, mounted on the demo, whose session it shares: the guestbook for programs."""

from guestbook import Guestbook

from micropie import App, allow


class Api(App):
    def __init__(self, guestbook: Guestbook):
        super().__init__()
        self._guestbook = guestbook

    @allow("GET")
    async def entries(self, *, q: str = "", limit: int = 100):
        """The entries as JSON; any method but GET and HEAD is a 405."""
        found = self._guestbook.search(q)
        return {"total": len(found), "entries": found[: max(limit, 0)]}

    @allow("GET")
    async def visitor(self):
        """What the site knows about whoever asks."""
        return {"name": self.session.get("name"), "visits": self.session.get("visits", 0)}
