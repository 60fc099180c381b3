"""What a user's typed code looks like; test_packages.py gives it to type checkers."""

from dataclasses import dataclass
from typing import Any

from micropie import (
    App,
    HTTPError,
    HttpMiddleware,
    InMemorySessionBackend,
    Request,
    SessionBackend,
    UploadFile,
    WebSocket,
    allow,
)
from micropie_redis import RedisSessionBackend


@dataclass
class Order:
    item: str
    count: int = 1


class Login(HttpMiddleware):
    async def before_request(self, request: Request) -> dict[str, Any] | None:
        request.user = request.session.get("user")
        if request.user is None and request.path != "/login":
            return {"status_code": 303, "headers": [("Location", "/login")]}
        return None


class Shop(App):
    def __init__(self, backend: SessionBackend | None = None) -> None:
        super().__init__(backend, debug=True, max_body_size=None, session_cookie_secure=True)
        self.middlewares.append(Login())
        self.startup_handlers.append(self._open)

    async def _open(self) -> None: ...

    async def index(self, page: int = 1) -> str:
        return await self._render_template("index.html", page=page)

    @allow("GET", "POST")
    async def login(self, name: str = "") -> tuple[int, Any, Any]:
        self.session["user"] = name
        self.request.regenerate_session()
        return self._redirect(self._url_for("index", page=2), status_code=303)

    async def order(self, order: Order) -> dict[str, object]:
        if order.count < 1:
            raise HTTPError(422, {"count": "at least 1"})
        return {"item": order.item, "user": self.request.user}

    async def upload(self, photo: UploadFile) -> int:
        await photo.save("photos")
        return photo.size

    async def ws_chat(self, ws: WebSocket, room: str) -> None:
        await ws.accept()
        async for message in ws:
            await ws.send_json([room, message])


app = Shop(RedisSessionBackend("redis://127.0.0.1"))
app.mount("/other", Shop(InMemorySessionBackend()))
