"""What an App tells of its routes: `app.routes`, and `request.route` for hooks and handlers."""

import functools
import inspect
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from micropie import App, HTTPError, HttpMiddleware, UploadFile, WebSocketMiddleware, allow, route
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.mounts import named

pytestmark = pytest.mark.anyio

EMPTY = inspect.Parameter.empty


@dataclass
class Item:
    name: str


class Site(App):
    async def index(self, *path: str):
        """Serve the rest."""

    @allow("POST")
    async def upload(self, file: UploadFile, *, title="none"): ...

    @route("/items/{item_id}", methods=["PUT", "GET"])
    def item(self, item_id: "uuid.UUID", item: Item = None, **others: str) -> "Unknown":  # noqa: F821
        """Look at an item, or change it."""

    @route("/a")
    @route("/b/{word}")
    async def _both(self, word="x"): ...

    async def ws_chat(self, ws, room): ...

    @route("/live/{room}")
    async def ws_live(self, ws, room: int): ...

    async def _hidden(self): ...


def parameters(info):
    return [(p.name, p.annotation, p.default, p.source) for p in info.parameters]


def test_all_routes_are_listed_in_the_order_of_their_definition():
    app = Site()
    app.mount("/static", named("static"))
    app.mount("/", Site())
    app.extra = functools.partial(app.index, "x")
    told = [(info.kind, info.path, info.name, info.methods) for info in app.routes]
    assert told == [
        ("http", "/", "index", None),
        ("http", "/upload", "upload", {"POST"}),
        ("http", "/items/{item_id}", "item", {"GET", "HEAD", "PUT"}),
        ("http", "/a", "_both", {"GET", "HEAD"}),
        ("http", "/b/{word}", "_both", {"GET", "HEAD"}),
        ("http", "/extra", "extra", None),
        ("websocket", "/chat", "ws_chat", None),
        ("websocket", "/live/{room}", "ws_live", None),
        ("mount", "/static", "app", None),
        ("mount", "/", "Site", None),
    ]


def test_a_route_tells_what_its_handler_takes():
    app = Site()
    index, upload, item, _, both, chat, live = app.routes
    assert parameters(index) == [("*path", str, EMPTY, "path")]
    assert parameters(upload) == [
        ("file", UploadFile, EMPTY, "file"),
        ("title", EMPTY, "none", "query"),
    ]
    assert parameters(item) == [
        ("item_id", uuid.UUID, EMPTY, "path"),
        ("item", Item, None, "body"),
        ("**others", str, EMPTY, "query"),
    ]
    assert parameters(both) == [("word", EMPTY, "x", "path")]
    assert parameters(chat) == [("room", EMPTY, EMPTY, "path")]
    assert parameters(live) == [("room", int, EMPTY, "path")]
    assert (item.doc, upload.doc) == ("Look at an item, or change it.", None)
    assert (index.handler, item.handler) == (app.index, app.item)


def test_a_route_is_described_by_one_object_which_can_not_be_changed():
    app = Site()
    assert all(a is b for a, b in zip(app.routes, app.routes, strict=True))
    with pytest.raises(AttributeError):
        app.routes[0].path = "/elsewhere"
    app.routes.clear()
    assert app.routes


def test_a_mount_tells_its_app():
    app, mounted = App(), Site()
    app.mount("/site", mounted)
    (info,) = app.routes
    assert (info.handler, info.parameters, info.doc) == (mounted, (), None)


# What hooks are told.


class Noting(HttpMiddleware):
    def __init__(self):
        self.before, self.after = [], []

    async def before_request(self, request):
        self.before.append(request.route and request.route.path)

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.after.append((status_code, request.route and request.route.path))


class Shop(App):
    def __init__(self):
        super().__init__()
        self.hook = Noting()
        self.middlewares.append(self.hook)

    async def index(self):
        return self.request.route.name

    async def greet(self, name="you"):
        return f"{self.request.route.name} {name}"

    @allow("POST")
    async def write(self):
        raise HTTPError(409)

    @route("/items/{number}")
    async def item(self, number: int):
        return number

    @route.delete("/items/{number}")
    async def remove(self, number: int): ...


@pytest.mark.parametrize(
    ("method", "url", "status", "path"),
    [
        ("GET", "/", 200, "/"),
        ("GET", "/index", 200, "/"),
        ("GET", "/greet", 200, "/greet"),
        ("GET", "/greet/a/", 200, "/greet"),
        ("GET", "/%67reet", 200, "/greet"),
        ("POST", "/write", 409, "/write"),
        ("GET", "/write", 405, "/write"),
        ("OPTIONS", "/write", 204, "/write"),
        ("GET", "/items/1", 200, "/items/{number}"),
        ("GET", "/items/x", 400, "/items/{number}"),
        ("PUT", "/items/1", 405, "/items/{number}"),
        ("GET", "/nothing", 404, None),
        ("GET", "//greet", 404, None),
        ("GET", "/static/x", 200, None),
    ],
)
async def test_hooks_are_told_the_route_before_and_after(method, url, status, path):
    app = Shop()
    app.mount("/static", named("static"))
    assert (await Client(app).request(method, url)).status == status
    assert app.hook.before == [path]
    assert app.hook.after == [(status, path)]


async def test_each_method_of_a_path_has_its_own_description():
    app = Shop()
    seen = []

    class Names(HttpMiddleware):
        async def before_request(self, request):
            seen.append(request.route.name)

    app.middlewares.append(Names())
    for method in ("GET", "HEAD", "DELETE"):
        await Client(app).request(method, "/items/1")
    assert seen == ["item", "item", "remove"]


async def test_a_handler_is_told_its_route_with_and_without_hooks():
    class Plain(App):
        async def index(self):
            return self.request.route.path

        async def slow(self, word: str = "x"):
            return self.request.route.path

        @route("/explicit/{word}")
        def explicit(self, word):
            return self.request.route.path

    for app in (Plain(), Plain()):
        client = Client(app)
        for url, path in {"/": "/", "/slow/y": "/slow", "/explicit/y": "/explicit/{word}"}.items():
            assert (await client.get(url)).text == path
        app.middlewares.append(HttpMiddleware())


async def test_after_routing_by_hand_the_route_is_that_of_the_chosen_handler():
    class Router(HttpMiddleware):
        async def before_request(self, request):
            request.handler = request.query("handler")

    async def foreign(self): ...

    class Choosing(Shop):
        async def _private(self):
            return "private"

    app = Choosing()
    app.middlewares.append(Router())
    client = Client(app)
    for handler, path in {"greet": "/greet", "remove": "/items/{number}", "_private": ""}.items():
        await client.get(f"/nothing?handler={handler}")
        assert app.hook.before.pop() is None
        assert app.hook.after.pop()[1] == path


async def test_what_a_guard_reads_is_what_the_handler_says_of_itself():
    def members(handler):
        handler.is_for_members = True
        return handler

    class Guard(HttpMiddleware):
        async def before_request(self, request):
            route: Any = request.route
            if route is not None and getattr(route.handler, "is_for_members", False):
                return {"status_code": 403, "body": "members only"}
            return None

    class Club(App):
        @members
        async def secret(self, *more):
            return "secret"

        @members
        @route("/rooms/{room}")
        async def room(self, room):
            return "room"

        async def index(self):
            return "hello"

    app = Club()
    app.middlewares.append(Guard())
    client = Client(app)
    for url in ("/secret", "/secret/", "/secret/x", "/%73ecret", "/rooms/1", "/rooms/a%2Fb/"):
        assert (await client.get(url)).status == 403
    assert (await client.get("/")).text == "hello"


async def test_hooks_of_websockets_are_told_the_route():
    seen = []

    class Hook(WebSocketMiddleware):
        async def before_websocket(self, request):
            seen.append(request.route and (request.route.name, request.route.kind))

    app = Site()
    app.ws_middlewares.append(Hook())
    client = WebSocketClient(app)
    for url in ("/chat/x", "/chat/x/", "/live/1", "/nothing", "//chat/x"):
        await client.run(url)
    chat, live = ("ws_chat", "websocket"), ("ws_live", "websocket")
    assert seen == [chat, chat, live, None, None]
