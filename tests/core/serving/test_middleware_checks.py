"""Middlewares that would not run: refused when they are added. And what the log calls hooks."""

import functools

import pytest

from micropie import (
    App,
    CrossOriginProtection,
    HttpMiddleware,
    SecurityHeaders,
    WebSocketMiddleware,
)
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.mounts import Noting, tell

pytestmark = pytest.mark.anyio


def assign(app, name, hook):
    setattr(app, name, [hook])


def add(app, name, hook):
    if name == "middlewares":
        app.middlewares += [hook]
    else:
        app.ws_middlewares += [hook]


WAYS = {
    "append": lambda app, name, hook: getattr(app, name).append(hook),
    "insert": lambda app, name, hook: getattr(app, name).insert(0, hook),
    "extend": lambda app, name, hook: getattr(app, name).extend(iter([hook])),
    "a slice": lambda app, name, hook: getattr(app, name).__setitem__(slice(0, 1), [hook]),
    "an item": lambda app, name, hook: getattr(app, name).__setitem__(0, hook),
    "+=": add,
    "assignment": assign,
}


class Fine(HttpMiddleware):
    pass


class FineWebSocket(WebSocketMiddleware):
    pass


def with_method(base, name, function=None):
    """Return an instance of a subclass called Guard that has a method *name*."""

    async def hook(self, *args):
        return None

    return type("Guard", (base,), {name: function or hook, "__qualname__": "Guard"})()


@pytest.fixture(params=WAYS)
def refused(request):
    """Add a middleware, which is refused, in one of the ways; return what is told."""

    def told(name, middleware):
        app = App()
        setattr(app, name, [Fine() if name == "middlewares" else FineWebSocket()])
        before = [*getattr(app, name)]
        with pytest.raises(TypeError) as caught:
            WAYS[request.param](app, name, middleware)
        assert getattr(app, name) == before
        return str(caught.value)

    return told


@pytest.mark.parametrize(
    "wrong",
    [None, "Guard", object(), Fine, tell, FineWebSocket()],
    ids=["None", "str", "object", "class", "function", "other hooks"],
)
def test_what_is_no_middleware_is_refused(refused, wrong):
    assert refused("middlewares", wrong).endswith("is not an instance of HttpMiddleware")


@pytest.mark.parametrize("wrong", [None, Fine(), FineWebSocket])
def test_what_is_no_websocket_middleware_is_refused(refused, wrong):
    assert refused("ws_middlewares", wrong).endswith("is not an instance of WebSocketMiddleware")


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("middlewares", "before_request"),
        ("middlewares", "after_request"),
        ("ws_middlewares", "before_websocket"),
        ("ws_middlewares", "after_websocket"),
    ],
)
def test_a_hook_that_is_no_coroutine_function_is_refused(refused, name, hook):
    base = HttpMiddleware if name == "middlewares" else WebSocketMiddleware
    guard = with_method(base, hook, lambda *args: None)
    assert refused(name, guard) == f"Guard.{hook} must be a coroutine function"


async def too_few(self): ...


async def too_many(self, a, b, c, d, e): ...


async def by_name(self, *, request=None): ...


@pytest.mark.parametrize("hook", [too_few, too_many, by_name])
@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("before_request", "request"),
        ("after_request", "request, status_code, response_body, extra_headers"),
        ("on_error", "request, error"),
    ],
)
def test_a_hook_that_can_not_be_called_is_refused(refused, name, parameters, hook):
    told = refused("middlewares", with_method(HttpMiddleware, name, hook))
    assert told == f"Guard.{name} must take ({parameters})"


@pytest.mark.parametrize("hook", [too_few, too_many, by_name])
@pytest.mark.parametrize("name", ["before_websocket", "after_websocket"])
def test_a_hook_of_websockets_that_can_not_be_called_is_refused(refused, name, hook):
    told = refused("ws_middlewares", with_method(WebSocketMiddleware, name, hook))
    assert told == f"Guard.{name} must take (request)"


def test_hooks_may_name_their_parameters_as_they_like_and_have_more_with_defaults():
    async def before(self, req: "Unknown", more=1):  # noqa: F821
        return None

    App().middlewares += [with_method(HttpMiddleware, "before_request", before)]


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("before_requst", "before_request"),
        ("before_requests", "before_request"),
        ("befor_requst", "before_request"),
        ("beforerequest", "before_request"),
        ("Before_request", "before_request"),
        ("_before_request", "before_request"),
        ("aftr_request", "after_request"),
        ("after_reqeust", "after_request"),
    ],
)
def test_a_misspelt_hook_is_refused(refused, misspelt, meant):
    told = refused("middlewares", with_method(HttpMiddleware, misspelt))
    assert told == f"Guard.{misspelt} never runs: spell it {meant}, or not so alike"


def test_a_misspelt_hook_of_websockets_is_refused(refused):
    told = refused("ws_middlewares", with_method(WebSocketMiddleware, "before_websockets"))
    assert "Guard.before_websockets never runs: spell it before_websocket" in told


def test_a_misspelt_hook_of_one_object_is_refused(refused):
    guard = Fine()
    guard.befor_request = guard.before_request
    assert "Fine.befor_request never runs" in refused("middlewares", guard)


@pytest.mark.parametrize(
    ("name", "base", "hook", "other"),
    [
        ("middlewares", HttpMiddleware, "before_websocket", "WebSocketMiddleware"),
        ("middlewares", HttpMiddleware, "after_websocket", "WebSocketMiddleware"),
        ("ws_middlewares", WebSocketMiddleware, "before_request", "HttpMiddleware"),
        ("ws_middlewares", WebSocketMiddleware, "after_request", "HttpMiddleware"),
    ],
)
def test_a_hook_of_the_other_kind_is_refused(refused, name, base, hook, other):
    told = refused(name, with_method(base, hook))
    assert told == f"Guard.{hook} never runs: it is a hook of {other}"


def test_what_only_looks_alike_is_none_of_it():
    class Guard(HttpMiddleware, WebSocketMiddleware):
        before_requests = 0  # not a method
        behaviour = before_unit_test = functools.partial(print)

        async def after_requesting_it(self):
            pass

        def request(self):
            pass

    app, guard = App(), Guard()
    app.middlewares += [guard, SecurityHeaders(), CrossOriginProtection()]
    app.ws_middlewares.append(guard)
    app.middlewares.remove(guard)
    app.middlewares[:] = [guard]
    assert app.middlewares == app.ws_middlewares == [guard]


async def test_hooks_may_be_wrapped_and_partial():
    seen = []

    async def note(label, *args):
        seen.append(label)

    guard = Fine()
    guard.before_request = functools.partial(note, "before")
    app = App()
    app.middlewares = (guard,)
    await Client(app).get("/")
    assert seen == ["before"]


# What the log calls hooks, and where.


class Broken(HttpMiddleware):
    """A hook that fails in one of many ways."""

    def __init__(self, how):
        self.how = how

    async def before_request(self, request):
        if self.how == "before":
            raise ValueError("broken")
        return {"status": 200} if self.how == "answer" else None

    async def after_request(self, request, status_code, response_body, extra_headers):
        if self.how == "after":
            raise ValueError("broken")
        if self.how == "header":
            extra_headers.append(("a b", "c"))
        return {"status_code": 99} if self.how == "change" else None


def site(hook, *, nested):
    class Site(App):
        async def index(self):
            return "index"

    app = Site()
    app.mount("/plain", tell)
    app.middlewares.append(hook)
    root = App()
    root.mount("/outer", app)
    return root if nested else app


@pytest.mark.parametrize("how", ["before", "answer", "after", "change", "header"])
@pytest.mark.parametrize("path", ["/", "/plain/x", "/nowhere"])
@pytest.mark.parametrize("nested", [False, True])
async def test_the_log_names_class_hook_and_whole_path(how, path, nested, logged):
    prefix = "/proxied/outer" if nested else "/proxied"
    client = Client(site(Broken(how), nested=nested), root_path="/proxied")
    assert (await client.get(prefix + path)).status == 500
    (record,) = logged
    hook = "before_request" if how in ("before", "answer") else "after_request"
    assert record.getMessage().startswith(f"GET '{prefix}{path}': Broken.{hook} ")


async def test_the_log_names_a_mounted_app_that_fails(logged):
    async def failing(scope, receive, send):
        raise ValueError("broken")

    app = App()
    app.mount("/plain", failing)
    app.middlewares.append(Noting([]))
    assert (await Client(app).get("/plain/x")).status == 500
    (record,) = logged
    assert record.getMessage() == "GET '/plain/x': the app mounted at '/plain' failed"


class BrokenWebSocket(WebSocketMiddleware):
    def __init__(self, how):
        self.how = how

    async def before_websocket(self, request):
        if self.how == "before":
            raise ValueError("broken")
        return {"status": 5} if self.how == "answer" else None

    async def after_websocket(self, request):
        if self.how == "after":
            raise ValueError("broken")


@pytest.mark.parametrize("how", ["before", "answer", "after"])
async def test_the_log_names_hooks_of_websockets_and_whole_paths(how, logged):
    class Chat(App):
        async def ws_chat(self, ws):
            await ws.accept()

    root, chat = App(), Chat()
    root.mount("/outer", chat)
    chat.ws_middlewares.append(BrokenWebSocket(how))
    await WebSocketClient(root).run("/outer/chat")
    (record,) = logged
    hook = "after_websocket" if how == "after" else "before_websocket"
    assert record.getMessage() == f"WebSocket '/outer/chat': BrokenWebSocket.{hook} failed"
