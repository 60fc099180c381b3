"""Apps that keep notes in sessions, and browsers that have some."""

import copy

from micropie import App, HttpMiddleware, LoadedSession
from support.sessions import Browser, ReadmeBackend, WatchedBackend


class Notes(App):
    async def index(self):
        return dict(self.session)

    async def note(self, **values):
        self.session.update(values)

    async def ignore(self):
        return "no session here"

    async def logout(self):
        self.session.clear()


async def noted(app, **values):
    """Return a browser whose session holds *values*; the backend's calls are forgotten."""
    browser = Browser(app)
    await browser.get("/note?" + "&".join(f"{key}={value}" for key, value in values.items()))
    if isinstance(app.session_backend, WatchedBackend | ReadmeBackend):
        app.session_backend.calls.clear()
    return browser


def one_error(logged):
    (record,) = [record for record in logged if record.levelname == "ERROR"]
    return record


class Aging(WatchedBackend):
    """Tells whatever time is left."""

    left: float | None = None

    async def load(self, session_id):
        data = await super().load(session_id)
        return LoadedSession(data, expires_in=self.left) if self.left is not None else dict(data)


START = {"list": [3, 1, {"deep": [0]}], "dict": {"a": [1], "b": {"c": 1}}, "n": 1, "t": "x"}


class Changing(App):
    def __init__(self, backend, change):
        super().__init__(backend)
        self._apply = [change]  # in a list: a function would become a handler

    async def start(self):
        self.session.update(copy.deepcopy(START))

    async def apply(self):
        self._apply[0](self.session)
        return {"session": dict(self.session)}


class Hooks(HttpMiddleware):
    """Counts in the session, before and after; answers itself, or fails, on demand."""

    def __init__(self, answer=None, error=None):
        self.answer = answer
        self.error = error
        self.seen = []

    async def before_request(self, request):
        request.session["before"] = request.session.get("before", 0) + 1
        return self.answer

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append(dict(request.session))
        request.session["after"] = request.session.get("after", 0) + 1
        if self.error is not None:
            raise self.error
