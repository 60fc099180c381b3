"""How URLs find their methods, and what of a URL arrives as which argument."""

import datetime
from pathlib import Path

from micropie import App, HTTPError, allow, route


class Routing(App):
    async def index(self, *path):
        """Serve `/`, and, because of `*path`, whatever no other method serves."""
        if path:
            raise HTTPError(404, {"error": "nothing is here", "path": path})
        return {
            "try": [
                self._url_for("greet", "Ada"),
                self._url_for("greet", name="Ada Lovelace"),
                self._url_for("add", 1, 2, 3),
                self._url_for("opening_hours", datetime.date(2026, 5, 17)),
                self._url_for("search", q="pie", tag=["sweet", "warm"]),
                self._url_for("old_greeting", "Ada"),
            ]
        }

    async def greet(self, name="stranger"):
        """`/greet/Ada` and `/greet?name=Ada` are the same; `/greet` takes the default."""
        return {"greeting": f"Hello, {name}!"}

    async def add(self, *numbers: int):
        """`*` takes all segments that are left, each converted: `/add/1/two` is a 400."""
        return {"sum": sum(numbers)}

    @route("/opening-hours/{day}")
    async def opening_hours(self, day: datetime.date):
        """`@route` says what no name can: hyphens and dots, segments in the middle, methods."""
        is_weekend = day.weekday() >= 5
        return {"day": day, "hours": None if is_weekend else "9 to 17"}

    async def search(self, *, q, tag: list[str] = (), **others):
        """After a bare `*` parameters come by name only; `**` takes all names that are left."""
        return {"q": q, "tags": tag, "others": others}

    async def old_greeting(self, name):
        """Send the client to where this is now; `_url_for` knows prefixes and encodes."""
        return self._redirect(self._url_for("greet", name), status_code=301)

    @route.get("/order/{number}")
    async def order(self, number: int):
        """Any other method is a 405 that names these; HEAD and OPTIONS are answered as well."""
        return {"order": number}

    @route.delete("/order/{number}")
    async def cancel_order(self, number: int):
        return None  # a 204, without a body

    @allow("POST")
    async def order_again(self):
        """The same for a handler that is reached by its name, with whatever follows."""
        return self._redirect(self._url_for("order", 7), status_code=303)

    def report(self):
        """No `async`: this runs in a thread, and may block."""
        return {"lines": Path(__file__).read_text().count("\n")}

    def _secret(self):
        """A name that begins with `_` has no URL."""


async def ping():
    """A function becomes a route by being assigned."""
    return "pong"


app = Routing()
app.ping = ping
