"""Counts your visits and knows your name, in whichever store SESSION_STORE names."""

import os
from pathlib import Path

from micropie import (
    App,
    CrossOriginProtection,
    InMemorySessionBackend,
    SecurityHeaders,
    SessionBackend,
    allow,
)


class Visits(App):
    def __init__(self, store: str):
        super().__init__(
            session_backend(store), template_dir=str(Path(__file__).parent / "templates")
        )
        self.middlewares += [SecurityHeaders(), CrossOriginProtection()]
        # Not the whole URL, which may hold a password.
        self.kind = store.partition(":")[0]

    async def index(self):
        """The page, which counts how often it was asked for."""
        self.session["visits"] = self.session.get("visits", 0) + 1
        return await self._render_template(
            "index.html", session=self.session, store=self.kind, process=os.getpid()
        )

    @allow("POST")
    async def login(self, *, name: str):
        """The form of the page: whoever you say you are, you are."""
        name = " ".join(name.split())[:40]
        if name:
            # A new id, so that an id from before the login is worth nothing.
            self.request.regenerate_session()
            self.session["name"] = name
        return self._redirect(self._url_for("index"))

    @allow("POST")
    async def logout(self):
        """The other button: all is forgotten, the visits too."""
        self.session.clear()
        return self._redirect(self._url_for("index"))


def session_backend(store: str) -> SessionBackend:
    """Return the backend for "memory", a URL of Redis, or one of a database."""
    if store == "memory":
        return InMemorySessionBackend()
    if store.startswith(("redis://", "rediss://", "unix://")):
        from micropie_redis import RedisSessionBackend

        return RedisSessionBackend(store)
    from micropie_sql_sessions import SQLSessionBackend

    return SQLSessionBackend(store)


app = Visits(os.environ.get("SESSION_STORE", "memory"))
