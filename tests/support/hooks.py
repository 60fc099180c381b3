"""Hooks that note when they run, and an App to hang them on."""

from typing import Any

from micropie import App, HTTPError, HttpMiddleware, allow
from support.asgi import Client


class Page(App):
    async def index(self):
        return "index"

    async def plain(self):
        return 201, {"a": 1}, [("X-Handler", "1")]

    async def typed(self, number: int):
        return number

    @allow("POST")
    async def post(self): ...

    async def fails(self):
        raise ValueError("broken")

    async def raises(self):
        raise HTTPError(418, "teapot")

    async def unsendable(self):
        return {1}

    async def stream(self):
        yield "a"
        yield "b"

    async def nothing(self):
        return None


class Hook(HttpMiddleware):
    """Notes when it runs; `before` and `after` are what its hooks return, or raise."""

    def __init__(self, name: str = "hook", log: list[Any] | None = None, **does: Any) -> None:
        self.name = name
        self.log = [] if log is None else log
        self.does = does

    async def before_request(self, request):
        self.log.append(f"{self.name} before")
        return self._do("before")

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.log.append(f"{self.name} after {status_code}")
        return self._do("after")

    def _do(self, name: str) -> Any:
        action = self.does.get(name)
        if isinstance(action, Exception):
            raise action
        return action


def hooked(*hooks: HttpMiddleware, **options: Any) -> Client:
    app = Page(**options)
    app.middlewares.extend(hooks)
    return Client(app)


class Changing(HttpMiddleware):
    """Applies a function to what `after_request` gets."""

    def __init__(self, change: Any) -> None:
        self.change = change

    async def after_request(self, request, status_code, response_body, extra_headers):
        return self.change(status_code, response_body, extra_headers)
