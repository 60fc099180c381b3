"""What a user's typed code looks like; test_packages.py gives it to type checkers."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, TypedDict, assert_type

import msgspec
import pydantic

from micropie import (
    App,
    ASGIResponse,
    Broadcast,
    ConnectionClosed,
    CrossOriginProtection,
    EventStream,
    Headers,
    HookAnswer,
    HTTPError,
    HttpMiddleware,
    InMemorySessionBackend,
    Request,
    Result,
    SecurityHeaders,
    SessionBackend,
    UploadFile,
    WebSocket,
    WebSocketMiddleware,
    WebSocketRefusal,
    WebSocketRequest,
    allow,
    limit,
    route,
)
from micropie.types import Receive, Scope, Send
from micropie_openapi import OpenAPI
from micropie_redis import RedisSessionBackend
from micropie_sql_sessions import SQLSessionBackend
from micropie_static import Static


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@dataclass
class Order:
    item: str
    count: int = 1
    size: Size = Size.SMALL


class Pie(msgspec.Struct):
    name: str
    price: float


class Customer(pydantic.BaseModel):
    name: str
    born: date | None = None


class Totals(TypedDict):
    orders: int
    pies: float


# Hooks: each kind of answer, a guard that asks what it guards, problem documents.


class Login(HttpMiddleware):
    async def before_request(self, request: Request) -> HookAnswer | None:
        request.user = request.session.get("user")
        request.state.started = date.today()
        if request.route is not None and request.route.name in ("login", "index"):
            return None
        if request.user is None:
            return {"status_code": 303, "headers": [("Location", "/login")]}
        return None


class Problems(HttpMiddleware):
    async def on_error(self, request: Request, error: Exception) -> HookAnswer | None:
        if not isinstance(error, HTTPError):
            return None
        problem = {"status": error.status_code, "detail": str(error), "errors": error.errors}
        return {"body": problem, "headers": {"Content-Type": "application/problem+json"}}


class Stamp(HttpMiddleware):
    def __init__(self, name: str) -> None:
        self.name = name

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: Headers
    ) -> HookAnswer | None:
        extra_headers.append((self.name, "yes"))
        answer: HookAnswer = {}
        if status_code == 404 and request.method == "GET":
            answer["body"] = "Nothing here."
        return answer


class Logged(HttpMiddleware):
    """Its hooks never answer, and say so."""

    async def before_request(self, request: Request) -> None:
        print(request.method, request.path, request.client, request.headers.get("user-agent", ""))


class Members(WebSocketMiddleware):
    async def before_websocket(self, request: WebSocketRequest) -> WebSocketRefusal | None:
        if "user" not in request.session:
            return {"code": 4401, "reason": "sign in first"}
        return None

    async def after_websocket(self, request: WebSocketRequest) -> None:
        print(request.path)


# An app: start and stop, templates, handlers of every kind.


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[dict[str, Any], None]:
    yield {"opened": date.today()}


class Shop(App):
    def __init__(self, backend: SessionBackend | None = None) -> None:
        super().__init__(
            backend,
            debug=True,
            max_body_size=None,
            session_cookie_secure=True,
            session_cookie_max_age=30 * 86_400,
            lifespan=lifespan,
        )
        self.middlewares.append(Logged())
        self.middlewares += [Login(), Problems(), Stamp("X-Shop"), CrossOriginProtection()]
        self.middlewares.insert(0, SecurityHeaders())
        self.ws_middlewares.append(Members())
        self.startup_handlers.append(self._open)
        self.shutdown_handlers.append(self._close)
        self.env.filters["price"] = self._price
        self.env.globals["shop"] = "MicroPie"
        self._news = Broadcast()
        self._static = Static("static", max_age=60)
        self.mount("/static", self._static)
        self.mount("/docs", OpenAPI(title="Shop", version="1"))

    async def _open(self) -> None: ...

    def _close(self) -> None: ...

    def _price(self, amount: float) -> str:
        return f"{amount:.2f}"

    async def index(self, page: int = 1) -> str:
        style = self._static.url("shop.css")
        return await self._render_template("index.html", page=page, style=style)

    async def search(self) -> dict[str, object]:
        request = self.request
        words = assert_type(request.query("q", ""), str).split()
        page = assert_type(request.query("page"), str | None)
        rows = assert_type(request.query("rows", 20), str | int)
        if request.method == "POST":
            words += request.form("more", "").split()
            page = request.json("page", page)
        return {"words": words, "page": int(page or 1), "rows": int(rows)}

    @allow("GET", "POST")
    async def login(self, name: str = "", remember: bool = False) -> Result:
        if not name:
            return 422, "Who are you?"
        self.session["user"] = name
        self.request.regenerate_session()
        if remember:
            self.request.session_lifetime(30 * 86_400)
        self.request.set_cookie("greeted", "yes", max_age=86_400)
        return self._redirect(self._url_for("index", page=2), status_code=303)

    def logout(self) -> Result:
        self.session.clear()
        self.request.delete_cookie("greeted")
        return None

    async def order(self, order: Order) -> dict[str, object]:
        if order.count < 1:
            raise HTTPError(422, {"count": "at least 1"}, {"X-Reason": "count"})
        return {"item": order.item, "user": self.request.user}

    @limit(body=100_000_000, json=None)
    async def upload(self, photo: UploadFile, others: list[UploadFile]) -> int:
        path = await photo.save("photos")
        print(path.name, photo.filename, photo.content_type)
        async for chunk in photo:
            print(len(chunk))
        return photo.size + sum(other.size for other in others)

    async def raw(self) -> Result:
        if self.request.headers.get("content-type") == "text/plain":
            return await self.request.read()
        size = 0
        async for chunk in self.request.stream():
            size += len(chunk)
        return {"size": size}

    # Explicit routes, and whatever a handler may return.

    @route.get("/orders/{number}")
    async def one(self, number: int) -> Result:
        if number < 0:
            raise HTTPError(404)
        return Order("Apple pie", number)

    @route.post("/orders")
    async def add(self, customer: Customer, *, notify: bool = True) -> Result:
        return 201, customer, {"Location": self._url_for("one", 1)}

    @route("/orders/{number}", methods=["DELETE"])
    @route("/orders/{number}/{rest:path}", methods=["DELETE"])
    def remove(self, number: int, rest: str = "") -> Result:
        return None

    @route.get("/pies")
    async def pies(self) -> Result:
        return [Pie("Apple", 3.5), Pie("Plum", 4)]

    @route.get("/pies/best")
    async def best(self) -> Result:
        return Pie("Apple", 3.5)

    @route.get("/totals")
    async def totals(self) -> Result:
        found: Totals = {"orders": 1, "pies": 3.5}
        return found

    @route.get("/counts")
    async def counts(self) -> Result:
        headers: Headers = [("Cache-Control", "no-store")]
        by_size = dict.fromkeys(("small", "large"), 1)
        return 200, by_size, headers

    @route.get("/rows.csv")
    async def rows(self) -> Result:
        return 200, self._rows(), {"Content-Type": "text/csv"}

    async def _rows(self) -> AsyncIterator[str]:
        yield "item,count\n"

    def lines(self) -> Iterator[bytes]:
        yield b"one\n"

    async def elsewhere(self) -> Result:
        return ASGIResponse(other)

    # Event streams and WebSockets.

    async def events(self) -> EventStream:
        return EventStream(self._events(int(self.request.headers.get("last-event-id", 0))))

    async def _events(self, after: int) -> AsyncIterator[dict[str, Any]]:
        yield {"id": after + 1, "event": "order", "data": {"item": "Apple pie"}}

    @route.get("/news")
    async def news(self) -> Result:
        return 200, EventStream(["one", "two"], ping=None), {"X-Shop": "yes"}

    async def ws_news(self, ws: WebSocket) -> None:
        await ws.accept()
        async with self._news.join(ws, room="all"):
            async for value in ws.iter_json():
                await self._news.send(value, room="all")

    async def told(self) -> Result:
        return EventStream(self._told())

    async def _told(self) -> AsyncIterator[str | bytes]:
        async with self._news.join(room="all") as member:
            async for message in member:
                yield message

    async def ws_chat(self, ws: WebSocket, room: str) -> None:
        await ws.accept(subprotocol=next(iter(ws.subprotocols), None))
        try:
            async for message in ws:
                await ws.send_json([room, assert_type(message, str | bytes)])
        except ConnectionClosed as closed:
            print(closed.code, closed.reason)

    @route("/rooms/{room}")
    async def ws_room(self, ws: WebSocket, room: str) -> None:
        if ws.session.get("user") is None:
            raise HTTPError(403)
        await ws.accept()
        async for text in ws.iter_text():
            await ws.send_text(text.upper())
        await ws.close(1000, "bye")


async def other(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Memory(SessionBackend):
    """A store written to the two methods that one needs."""

    def __init__(self) -> None:
        self._data: dict[str, dict[str, Any]] = {}

    async def load(self, session_id: str) -> dict[str, Any]:
        return self._data.get(session_id, {})

    async def save(self, session_id: str, data: dict[str, Any], timeout: float) -> None:
        self._data[session_id] = data


async def names(app: App, scope: Scope) -> list[str]:
    async with app.session_for(scope) as session:
        session["seen"] = True
    return [found.name for found in app.routes if found.kind == "http"]


app = Shop(RedisSessionBackend("redis://127.0.0.1"))
app.mount("/other", Shop(InMemorySessionBackend()))
app.mount("/bare", other)
app.mount("/sql", App(SQLSessionBackend("sqlite:///shop.db"), session_cookie="sql"))
if app.env is None:
    raise SystemExit("Jinja2 is not installed")
