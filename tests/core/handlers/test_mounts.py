"""Mounts: which app serves a path, what it is told, and what stands in front of it."""

import asyncio
import json
import time

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import ABSENT, PATIENCE, Client
from support.sessions import Browser, WatchedBackend, set_cookies, varies_by_cookie

pytestmark = pytest.mark.anyio


async def tell(scope, receive, send):
    """Answer with what the scope says, as a plain ASGI app."""
    told = {key: scope.get(key) for key in ("path", "root_path", "method")}
    told["raw_path"] = (scope.get("raw_path") or b"").decode("latin-1")
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"x-plain", b"yes")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def named(name):
    """Return a plain ASGI app that answers with *name*."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


class Page(App):
    """An App that answers with its name and what it saw of the request."""

    def __init__(self, name="child", **options):
        super().__init__(**options)
        self.title = name

    async def index(self):
        return f"{self.title} index"

    async def show(self, *segments):
        scope = self.request.scope
        return [self.request.path, scope["root_path"], scope["path"], *segments]

    async def stream(self):
        yield "one,"
        yield "two"

    async def echo(self):
        return await self.request.read()

    async def form(self, name):
        return f"name is {name}"

    async def fail(self):
        raise RuntimeError("broken")

    async def forbid(self):
        raise HTTPError(403, "no entry")

    async def links(self):
        return [self._url_for("index"), self._url_for("show", "a b", q="x")]

    async def away(self):
        return self._redirect(self._url_for("show", "home"))


def tree(**mounts):
    """Return an App that has the pages index and own, and what is to be mounted."""

    class Root(App):
        async def index(self):
            return "root index"

        async def own(self, *segments):
            return ["own", *segments]

    root = Root()
    for path, app in mounts.items():
        root.mount("/" + path.replace("__", "/"), app)
    return root


# Which app serves.


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/static", "static"),
        ("/static/", "static"),
        ("/static/a/b.css", "static"),
        ("/static/deep", "deep"),
        ("/static/deep/", "deep"),
        ("/static/deep/a", "deep"),
        ("/static/deeply", "static"),
        ("/static//deep", "static"),
        ("/own", "mounted over a handler"),
        ("/own/a", "mounted over a handler"),
        ("/sta%74ic/a", "static"),
    ],
)
async def test_the_longest_prefix_serves(path, served):
    root = tree(static=named("static"), static__deep=named("deep"))
    root.mount("/own", named("mounted over a handler"))
    assert (await Client(root).get(path)).text == served


@pytest.mark.parametrize("path", ["/statically", "/static.css", "/Static", "/a/static", "/stati"])
async def test_a_mount_catches_nothing_but_what_is_below(path):
    assert (await Client(tree(static=named("static"))).get(path)).status == 404


async def test_a_path_of_a_million_slashes_takes_no_longer_than_any():
    root = tree(static=named("static"))
    began = time.process_time()
    assert (await Client(root).get("/static" + "/" * 1_000_000)).text == "static"
    assert (await Client(root).get("/x" + "/" * 1_000_000)).status == 404
    assert time.process_time() - began < 1  # one by one they would take minutes


@pytest.mark.parametrize("trailing", ["", "/", "//"])
async def test_a_trailing_slash_of_the_mount_means_nothing(trailing):
    app = App()
    app.mount("/static" + trailing, named("static"))
    for path in ("/static", "/static/", "/static/a"):
        assert (await Client(app).get(path)).text == "static"


async def test_a_prefix_of_two_segments():
    client = Client(tree(api__v1=named("v1")))
    assert (await client.get("/api/v1/users")).text == "v1"
    assert (await client.get("/api")).status == 404
    assert (await client.get("/api/v2")).status == 404


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/", "root index"),
        ("/own/a", '["own","a"]'),
        ("/static/a", "static"),
        ("/other", "fallback"),
        ("/own2", "fallback"),
        ("/deep/er", "fallback"),
    ],
)
async def test_a_mount_at_the_root_serves_what_nothing_else_does(path, served):
    root = tree(static=named("static"))
    root.mount("/", named("fallback"))
    assert (await Client(root).get(path)).text == served


async def test_a_mount_at_the_root_serves_the_root_of_an_app_without_index():
    app = App()
    app.mount("/", named("fallback"))
    assert (await Client(app).get("/")).text == "fallback"


async def test_a_mount_at_the_root_under_a_root_path():
    app = App()
    app.mount("/", Page("fallback"))
    for path in ("/outer", "/outer/", "/"):
        client = Client(app, root_path="/outer")
        assert (await client.get(path)).text == "fallback index", path
    answer = await Client(app, root_path="/outer").get("/outer/show/a")
    assert answer.json == ["/show/a", "/outer", "/outer/show/a", "a"]


async def test_an_index_that_takes_the_path_comes_before_a_mount_at_the_root():
    class Greedy(App):
        async def index(self, *segments):
            return [*segments]

    app = Greedy()
    app.mount("/", named("fallback"))
    assert (await Client(app).get("/a/b")).json == ["a", "b"]


async def test_an_app_can_be_mounted_while_it_serves():
    root = tree()
    client = Client(root)
    assert (await client.get("/late")).status == 404
    root.mount("/late", named("late"))
    assert (await client.get("/late")).text == "late"


@pytest.mark.parametrize("path", ["", "static", "static/", "*", None, b"/static", 5])
def test_a_path_without_a_leading_slash_is_refused(path):
    with pytest.raises(ValueError, match="must start with '/'"):
        App().mount(path, tell)


@pytest.mark.parametrize(
    ("first", "second"), [("/a", "/a"), ("/a", "/a/"), ("/", "/"), ("/", "//")]
)
def test_mounting_twice_at_one_path_is_refused(first, second):
    app = App()
    app.mount(first, tell)
    with pytest.raises(ValueError, match=rf"'{second}' is mounted already"):
        app.mount(second, named("other"))
    assert app.mounts == {first: tell}


@pytest.mark.parametrize("wrong", [None, "app:app", 5, App, Starlette, {}])
def test_what_is_no_asgi_app_is_refused(wrong):
    with pytest.raises(TypeError, match="is no ASGI app; a class must be instantiated"):
        App().mount("/a", wrong)


def test_the_mounts_can_be_read_and_not_changed_from_outside():
    app, child = App(), Page()
    assert app.mounts == {}
    app.mount("/b/c/", tell)
    app.mount("/", child)
    assert app.mounts == {"/b/c": tell, "/": child}
    app.mounts.clear()
    assert app.mounts == {"/b/c": tell, "/": child}


# What the mounted app is told.


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/api", "/api"),
        ("/api/", "/api/"),
        ("/api/show/a", "/api/show/a"),
        ("/api/%C3%BC%20x", "/api/ü x"),
        ("/api/api/api", "/api/api/api"),
    ],
)
async def test_root_path_is_extended_and_path_stays_whole(url, path):
    told = (await Client(tree(api=tell)).get(url)).json
    assert told == {"path": path, "root_path": "/api", "method": "GET", "raw_path": url}


@pytest.mark.parametrize("root_path", ["/outer", "/outer/", "/out/er", "/a b"])
@pytest.mark.parametrize("is_in_path", [True, False])
async def test_below_an_outer_root_path_whether_the_path_tells_it_or_not(root_path, is_in_path):
    outer = root_path.rstrip("/")
    raw_outer = outer.replace(" ", "%20")
    url = (raw_outer if is_in_path else "") + "/api/a%2Fb"
    told = (await Client(tree(api=tell), root_path=root_path).get(url)).json
    assert told == {
        "path": f"{outer}/api/a/b",
        "root_path": f"{outer}/api",
        "method": "GET",
        "raw_path": f"{raw_outer}/api/a%2Fb",
    }


@pytest.mark.parametrize("is_in_path", [True, False])
async def test_an_app_below_an_outer_root_path(is_in_path):
    client = Client(tree(api=Page()), root_path="/outer")
    prefix = "/outer" if is_in_path else ""
    assert (await client.get(f"{prefix}/api/show/a%2Fb/c")).json == [
        *("/show/a/b/c", "/outer/api", "/outer/api/show/a/b/c", "a/b", "c")
    ]
    assert (await client.get(f"{prefix}/api")).text == "child index"
    assert (await client.get(f"{prefix}/api/links")).json == [
        *("/outer/api/", "/outer/api/show/a%20b?q=x")
    ]


@pytest.mark.parametrize("raw_path", [ABSENT, None, b""])
async def test_a_server_need_not_give_the_raw_path(raw_path):
    client = Client(tree(api=Page()), root_path="/outer", raw_path=raw_path)
    assert (await client.get("/api/show/a")).json[-1] == "a"
    assert (await client.get("/outer/api/show/a")).json[-1] == "a"


async def test_a_server_need_not_give_a_root_path():
    client = Client(tree(api=Page()), root_path=ABSENT)
    assert (await client.get("/api/show/a")).json == ["/show/a", "/api", "/api/show/a", "a"]


async def test_mounts_in_mounts():
    root, middle, inner = tree(), Page("middle"), Page("inner")
    root.mount("/a", middle)
    middle.mount("/b/c", inner)
    client = Client(root)
    assert (await client.get("/a")).text == "middle index"
    assert (await client.get("/a/b/c/")).text == "inner index"
    assert (await client.get("/a/show/x")).json == ["/show/x", "/a", "/a/show/x", "x"]
    assert (await client.get("/a/b/c/show/x%2Fy")).json == [
        *("/show/x/y", "/a/b/c", "/a/b/c/show/x/y", "x/y")
    ]
    assert (await client.get("/a/b/c/links")).json == ["/a/b/c/", "/a/b/c/show/a%20b?q=x"]
    assert (await client.get("/a/b")).status == 404
    assert (await client.get("/b/c")).status == 404


async def test_an_app_mounted_at_two_paths_knows_which():
    page = Page()
    client = Client(tree(v1=page, v2=page))
    assert (await client.get("/v1/links")).json[0] == "/v1/"
    assert (await client.get("/v2/links")).json[0] == "/v2/"


async def test_a_redirect_inside_a_mount_stays_inside():
    client = Client(tree(api=Page()), root_path="/outer")
    answer = await client.get("/outer/api/away")
    assert (answer.status, answer.header("location")) == (302, "/outer/api/show/home")
    assert (await client.get(answer.header("location"))).json[-1] == "home"


async def test_the_scope_that_the_server_gave_is_left_as_it_was():
    app = tree(api=Page())
    client = Client(app)
    scope = client.scope("GET", "/api/show")
    before = dict(scope)
    seen = []

    async def noted(given, receive, send):
        await app(scope, receive, send)

    app.middlewares.append(Noting(seen))
    await Client(noted).get("/api/show")
    assert scope == before


async def test_the_extras_of_a_scope_get_through():
    async def extras(scope, receive, send):
        await named(json.dumps([scope["state"], scope["extensions"]]))(scope, receive, send)

    client = Client(tree(api=extras), state={"db": 1}, extensions={"tls": {}})
    assert (await client.get("/api")).json == [{"db": 1}, {"tls": {}}]


# What gets through.


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("hooked", [True, False])
async def test_everything_gets_through(shares, hooked):
    child = Page(session_backend=None if shares else WatchedBackend())
    root = tree(api=child)
    if hooked:
        root.middlewares.append(HttpMiddleware())
    client = Client(root)
    assert (await client.get("/api")).text == "child index"
    assert (await client.get("/api/nowhere")).status == 404
    assert (await client.get("/api/forbid")).text == "no entry"
    assert (await client.get("/api/stream")).chunks == [b"one,", b"two"]
    head = await client.head("/api")
    assert (head.status, head.header("content-length"), head.body) == (200, "11", b"")
    assert (await client.options("/api")).text == "child index"
    body = [b"a" * 10, b"b" * 10]
    length = {"Content-Length": "20", "Content-Type": "text/plain"}
    assert (await client.post("/api/echo", body=body, headers=length)).body == b"".join(body)


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_starlette_app_can_be_mounted(hooked):
    async def show(request):
        return JSONResponse([request.path_params["name"], str(request.url_for("show", name="x"))])

    async def echo(request):
        return PlainTextResponse(await request.body())

    async def stream(request):
        async def chunks():
            yield b"one,"
            yield b"two"

        return StreamingResponse(chunks())

    async def fail(request):
        raise RuntimeError("broken")

    inner = Starlette(routes=[Route("/show/{name}", show, name="inner")])
    starlette = Starlette(
        routes=[
            Route("/show/{name}", show, name="show"),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
            Route("/fail", fail),
            StarletteMount("/inner", inner),
        ]
    )
    root = tree(star=starlette)
    if hooked:
        root.middlewares.append(HttpMiddleware())
    client = Client(root, headers=[(b"host", b"example.com")])
    assert (await client.get("/star/show/a")).json == ["a", "http://example.com/star/show/x"]
    assert (await client.post("/star/echo", body=b"hello")).text == "hello"
    assert (await client.get("/star/stream")).text == "one,two"
    assert (await client.get("/star/nowhere")).status == 404
    assert (await client.get("/star/echo")).status == 405
    failed = await client.get("/star/fail")
    assert (failed.status, type(failed.error)) == (500, RuntimeError)


async def test_an_app_can_be_mounted_in_starlette():
    starlette = Starlette(routes=[StarletteMount("/pie", Page())])
    client = Client(starlette)
    assert (await client.get("/pie/show/a%2Fb")).json[-1] == "a/b"
    assert (await client.get("/pie/links")).json[0] == "/pie/"


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_stream_of_a_mounted_app_comes_chunk_by_chunk(hooked):
    go_on = asyncio.Event()

    class Steps(App):
        async def index(self):
            yield "one"
            await go_on.wait()
            yield "two"

    root = tree(api=Steps())
    if hooked:
        root.middlewares.append(HttpMiddleware())
    async with Client(root).open("GET", "/api") as exchange:
        assert await exchange.chunk() == b"one"
        go_on.set()
        assert await exchange.chunk() == b"two"
        assert (await exchange.finish()).complete


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_mounted_app_hears_that_the_client_has_gone(hooked):
    closed = asyncio.Event()

    class Endless(App):
        async def index(self):
            try:
                yield "one"
                await asyncio.Event().wait()
            finally:
                closed.set()

    root = tree(api=Endless())
    if hooked:
        root.middlewares.append(HttpMiddleware())
    async with Client(root).open("GET", "/api") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
    assert closed.is_set()


async def test_a_head_without_headers_gets_through_the_hooks():
    async def bare(scope, receive, send):
        await send({"type": "http.response.start", "status": 204})  # ASGI: headers are optional
        await send({"type": "http.response.body", "body": b""})

    root = tree(bare=bare)
    root.middlewares.append(Noting([], add=("X-Hook", "yes")))
    answer = await Client(root).get("/bare")
    assert (answer.status, answer.headers) == (204, [("x-hook", "yes")])


async def test_what_else_a_head_says_gets_through_the_hooks():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": (), "trailers": True})
        await send({"type": "http.response.body", "body": b""})

    root = tree(app=app)
    root.middlewares.append(HttpMiddleware())

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await root(Client(root).scope("GET", "/app"), receive, send)
    assert sent[0]["trailers"] is True


async def test_set_cookies_of_a_mounted_app_stay_apart():
    async def baker(scope, receive, send):
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    root = tree(baker=baker)
    root.middlewares.append(Noting([]))
    assert [c["name"] for c in set_cookies(await Client(root).get("/baker"))] == ["a", "b"]


# Hooks in front.


class Noting(HttpMiddleware):
    """Notes what it sees; answers, changes or fails on demand."""

    def __init__(self, seen, name="", *, answer=None, add=None, changes=None, error=None):
        self.seen = seen
        self.name = name
        self.answer = answer
        self.add = add
        self.changes = changes
        self.error = error

    async def before_request(self, request):
        self.seen.append(f"before {self.name}".strip())
        return self.answer

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append((f"after {self.name}".strip(), status_code, response_body))
        if self.add is not None:
            extra_headers.append(self.add)
        if self.error is not None:
            raise self.error
        return self.changes


APPS = {"plain": tell, "App": Page(), "App with a backend": Page(session_backend=WatchedBackend())}
any_app = pytest.mark.parametrize("app", APPS.values(), ids=list(APPS))


@any_app
async def test_hooks_stand_in_front_in_order(app):
    seen = []
    root = tree(api=app)
    root.middlewares += [Noting(seen, "1"), Noting(seen, "2")]
    await Client(root).get("/api")
    assert seen == ["before 1", "before 2", ("after 2", 200, None), ("after 1", 200, None)]


@any_app
async def test_a_hook_can_answer_in_place_of_a_mounted_app(app):
    seen = []
    root = tree(api=app)
    answer = {"status_code": 401, "body": "who are you?"}
    root.middlewares += [Noting(seen, "1", answer=answer), Noting(seen, "2")]
    got = await Client(root).get("/api")
    assert (got.status, got.text) == (401, "who are you?")
    assert seen == ["before 1", ("after 1", 401, "who are you?")]


@any_app
async def test_a_hook_changes_status_and_headers_and_not_the_body(app):
    plain = await Client(tree(api=app)).get("/api")
    root = tree(api=app)
    seen = []
    changes = {"status_code": 418, "body": "ignored"}
    root.middlewares += [
        Noting(seen, "1"),
        Noting(seen, "2", add=("X-Added", "ü"), changes=changes),
    ]
    answer = await Client(root).get("/api")
    assert (answer.status, answer.body) == (418, plain.body)
    assert answer.header("x-added") == "ü"
    assert answer.header("content-type") == plain.header("content-type")
    assert seen[-1] == ("after 1", 418, None)


@any_app
async def test_a_hook_replaces_the_headers(app):
    root = tree(api=app)
    changes = {"headers": [("X-Only", "this")]}
    root.middlewares.append(Noting([], changes=changes, add=("X-Lost", "yes")))
    assert (await Client(root).get("/api")).headers == [("x-only", "this")]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"headers": [("X", "a\r\nb")]}, "control character"),
        ({"headers": [("a b", "x")]}, "no token"),
        ({"headers": [("X", "日本")]}, "latin-1"),
        ({"headers": [5]}, "latin-1"),
        ({"status_code": "200"}, "status"),
        ({"status_code": 99}, "status"),
        ({"status": 200}, "status"),
        (200, "int"),
    ],
)
async def test_what_a_hook_gives_and_cannot_be_sent_is_a_500(changes, told, logged):
    root = tree(api=tell)
    seen = []
    root.middlewares += [Noting(seen, "1"), Noting(seen, "2", changes=changes)]
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1
    assert told in logged[0].getMessage() + str(logged[0].exc_info)


@any_app
async def test_a_hook_that_fails_afterwards_is_a_500_that_the_others_see(app, logged):
    root = tree(api=app)
    seen = []
    root.middlewares += [
        Noting(seen, "1", add=("X-Hook", "1")),
        Noting(seen, "2", error=RuntimeError("broken")),
        Noting(seen, "3"),
    ]
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert answer.header("x-hook") == "1"
    assert answer.complete
    assert seen[3:] == [
        ("after 3", 200, None),
        ("after 2", 200, None),
        ("after 1", 500, "500 Internal Server Error"),
    ]
    assert len(logged) == 1


async def test_a_hook_that_fails_afterwards_ends_a_stream_before_it_begins(logged):
    root = tree(api=Page())
    root.middlewares.append(Noting([], error=HTTPError(403, "not for you")))
    answer = await Client(root).get("/api/stream")
    assert (answer.status, answer.text, answer.complete) == (403, "not for you", True)
    assert logged == []


@any_app
async def test_a_hook_that_fails_before_is_a_500(app, logged):
    class Broken(HttpMiddleware):
        async def before_request(self, request):
            raise RuntimeError("broken")

    root = tree(api=app)
    seen = []
    root.middlewares += [Noting(seen, "1"), Broken(), Noting(seen, "3")]
    assert (await Client(root).get("/api")).status == 500
    assert seen == ["before 1", ("after 1", 500, "500 Internal Server Error")]
    assert len(logged) == 1


async def test_a_hook_can_route_away_from_a_mount():
    class Closed(HttpMiddleware):
        async def before_request(self, request):
            if request.path.startswith("/api"):
                request.handler = "own"
                request.path_params = ["closed"]

    root = tree(api=Page())
    root.middlewares.append(Closed())
    assert (await Client(root).get("/api/show")).json == ["own", "closed"]


async def test_a_hook_sees_the_whole_path_and_no_handler():
    paths = []

    class Paths(HttpMiddleware):
        async def before_request(self, request):
            paths.append((request.path, request.path_params, request.handler))

    root = tree(api=Page())
    root.middlewares.append(Paths())
    await Client(root, root_path="/outer").get("/outer/api/show/x")
    assert paths == [("/api/show/x", [], None)]


async def test_hooks_of_a_mounted_app_make_its_error_pages(logged):
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            if status_code >= 400:
                return {"body": f"sorry: {status_code}"}
            return None

    child = Page()
    child.middlewares.append(Pages())
    client = Client(tree(api=child))
    assert (await client.get("/api/nowhere")).text == "sorry: 404"
    assert (await client.get("/api/fail")).text == "sorry: 500"
    assert (await client.get("/api")).text == "child index"
    assert (await client.get("/nowhere")).text == "404 Not Found"
    assert len(logged) == 1


async def test_hooks_make_the_error_page_of_a_plain_app_that_fails(logged):
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": f"sorry: {status_code} {response_body}"}

    async def failing(scope, receive, send):
        raise RuntimeError("broken")

    root = tree(api=failing)
    root.middlewares.append(Pages())
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (500, "sorry: 500 500 Internal Server Error")
    assert len(logged) == 1
    assert str(logged[0].exc_info[1]) == "broken"


async def test_hooks_of_parent_and_child_nest():
    seen = []
    child = Page()
    root = tree(api=child)
    root.middlewares.append(Noting(seen, "root"))
    child.middlewares.append(Noting(seen, "child"))
    await Client(root).get("/api")
    assert seen == [
        *("before root", "before child"),
        *(("after child", 200, "child index"), ("after root", 200, None)),
    ]


@pytest.mark.parametrize("path", ["/api", "/api/stream", "/plain", "/star"])
async def test_hooks_know_their_own_request_after_the_mounted_app_ran(path):
    async def star(request):
        return PlainTextResponse("star")

    child = Page()
    root = tree(api=child, plain=tell, star=Starlette(routes=[Route("/", star)]))
    seen = []

    class Own(HttpMiddleware):
        async def before_request(self, request):
            request.tag = "root's"

        async def after_request(self, request, *response):
            seen.append((root.request is request, root.request.tag, root._url_for("own")))

    class ChildsOwn(HttpMiddleware):
        async def after_request(self, request, *response):
            seen.append((child.request is request, child._url_for("index")))

    root.middlewares.append(Own())
    child.middlewares.append(ChildsOwn())
    await Client(root).get(path)
    assert seen[-1] == (True, "root's", "/own")
    if path.startswith("/api"):
        assert seen[0] == (True, "/api/")


@pytest.mark.parametrize("prefix", ["/api", "/"])
async def test_a_handler_of_the_mounted_app_knows_its_own_request_while_it_streams(prefix):
    class Streaming(App):
        async def stream(self):
            yield self.request.path
            await asyncio.sleep(0)
            yield self.request.scope["root_path"]

    root = tree()
    root.mount(prefix, Streaming())
    root.middlewares.append(Noting([]))
    answer = await Client(root).get(f"{prefix.rstrip('/')}/stream")
    assert answer.text == "/stream" + prefix.rstrip("/")


# The body, read by a hook.


class Reading(HttpMiddleware):
    def __init__(self, how):
        self.how = how
        self.read = None

    async def before_request(self, request):
        if self.how == "read":
            self.read = await request.read()
        elif self.how == "parse_body":
            await request.parse_body()
            self.read = request.body_params
        else:
            self.read = [chunk async for chunk in request.stream()]


def posted(body, content_type):
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return {"body": [body[:3], body[3:]], "headers": headers}


@pytest.mark.parametrize("how", ["read", "parse_body"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"name=Bob", "application/x-www-form-urlencoded"),
        (b'{"name": "Bob"}', "application/json"),
    ],
)
async def test_a_mounted_app_can_read_a_body_that_a_hook_has_read(how, body, content_type):
    root = tree(api=Page())
    reading = Reading(how)
    root.middlewares.append(reading)
    client = Client(root)
    answer = await client.post("/api/form", **posted(body, content_type))
    assert answer.text == "name is Bob"
    assert reading.read == (body if how == "read" else {"name": ["Bob"]})
    assert (await client.post("/api/echo", **posted(body, content_type))).body == body


async def test_a_plain_app_can_read_a_body_that_a_hook_has_read_and_hears_the_end():
    received = []
    gone = asyncio.Event()

    async def reader(scope, receive, send):
        received.append(await receive())
        await named("read")(scope, receive, send)
        received.append(await receive())
        gone.set()

    root = tree(api=reader)
    root.middlewares.append(Reading("read"))
    body = posted(b"name=Bob", "application/x-www-form-urlencoded")
    assert (await Client(root).post("/api", **body)).text == "read"
    async with asyncio.timeout(PATIENCE):
        await gone.wait()
    assert received == [
        {"type": "http.request", "body": b"name=Bob", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_a_body_that_no_hook_read_comes_as_the_client_sends_it():
    root = tree(api=Page())
    root.middlewares.append(Reading("parse_body"))  # which leaves text/plain alone
    answer = await Client(root).post("/api/echo", **posted(b"some text", "text/plain"))
    assert answer.text == "some text"


async def test_a_body_that_a_hook_did_not_keep_is_a_500(logged):
    root = tree(api=Page())
    root.middlewares.append(Reading("stream"))
    answer = await Client(root).post("/api/echo", **posted(b"some text", "text/plain"))
    assert answer.status == 500
    assert "a hook read the body" in str(logged[0].exc_info[1])
    assert len(logged) == 1


async def test_a_body_that_a_hook_cannot_read_is_a_400():
    root = tree(api=Page())
    root.middlewares.append(Reading("parse_body"))
    answer = await Client(root).post("/api/form", **posted(b"{broken", "application/json"))
    assert answer.status == 400


# Mounted apps that fail.


async def failing(scope, receive, send):
    raise RuntimeError("broken before its head")


async def breaking(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"partial", "more_body": True})
    raise RuntimeError("broken after its head")


async def test_a_failure_before_the_head_is_a_500_where_hooks_are(logged):
    root = tree(api=failing)
    root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


async def test_a_failure_before_the_head_is_the_servers_to_answer_where_no_hooks_are():
    with pytest.raises(RuntimeError, match="before its head"):
        await Client(tree(api=failing)).get("/api")


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_failure_after_the_head_cuts_the_response_short(hooked):
    root = tree(api=breaking)
    if hooked:
        root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.body, answer.complete) == (200, b"partial", False)
    assert str(answer.error) == "broken after its head"


async def test_a_mounted_app_that_fails_is_logged_once(logged):
    root = tree(api=Page())
    seen = []
    root.middlewares.append(Noting(seen))
    answer = await Client(root).get("/api/fail")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert seen[-1] == ("after", 500, None)
    assert len(logged) == 1


async def test_an_http_error_out_of_a_plain_app_is_answered():
    async def refusing(scope, receive, send):
        raise HTTPError(403, "not here")

    root = tree(api=refusing)
    root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (403, "not here")


async def test_a_mounted_app_that_is_cancelled_is_cancelled():
    root = tree(api=Waiting())
    root.middlewares.append(Noting([]))
    async with Client(root).open("GET", "/api") as exchange:
        async with asyncio.timeout(PATIENCE):
            await WAITING.wait()
        exchange.cancel()
        await exchange.ended()
    assert not exchange.running


WAITING = asyncio.Event()


class Waiting(App):
    async def index(self):
        WAITING.set()
        await asyncio.Event().wait()


# Sessions.


class Notes(App):
    async def index(self):
        return dict(self.session)

    async def note(self, **values):
        self.session.update(values)
        return "noted"

    async def stream(self, **values):
        self.session.update(values)
        yield "noted"

    async def logout(self):
        self.session.clear()

    async def login(self, **values):
        self.session.update(values)
        self.request.regenerate_session()

    async def fail(self, **values):
        self.session.update(values)
        raise RuntimeError("broken")

    async def forbid(self, **values):
        self.session.update(values)
        raise HTTPError(403)

    async def ignore(self):
        return "no session here"


def notes(backend=None, child_backend=None):
    root, child = Notes(backend), Notes(child_backend)
    root.mount("/child", child)
    return root, child


async def test_a_session_is_shared_both_ways():
    browser = Browser(notes()[0])
    answer = await browser.get("/child/note?a=1")
    assert varies_by_cookie(answer)
    assert len(set_cookies(answer)) == 1
    assert set_cookies(answer)[0]["Path"] == "/"
    assert (await browser.get("/")).json == {"a": "1"}
    await browser.get("/note?b=2")
    assert (await browser.get("/child")).json == {"a": "1", "b": "2"}
    await browser.get("/child/logout")
    assert browser.cookies == {}
    assert (await browser.get("/")).json == {}


async def test_a_shared_session_costs_what_one_costs():
    backend = WatchedBackend()
    root, child = notes(backend)
    browser = Browser(root)
    await browser.get("/child/note?a=1")
    assert backend.calls == ["save"]
    for url, calls in [
        ("/child", ["load"]),
        ("/child/ignore", ["load"]),
        ("/child/note?a=2", ["load", "merge"]),
        ("/child/stream?b=1", ["load", "merge"]),
        ("/child/login?c=1", ["load", "take", "save"]),
        ("/child/logout", ["load", "save"]),
        ("/child", []),
    ]:
        backend.calls.clear()
        await browser.get(url)
        assert backend.calls == calls, url
    assert await child.session_backend.load(browser.session_id or "") == {}


async def test_a_session_is_shared_at_any_depth():
    root, child = notes()
    child.mount("/grand", Notes())
    browser = Browser(root)
    await browser.get("/child/grand/note?a=1")
    assert (await browser.get("/")).json == {"a": "1"}
    assert (await browser.get("/child")).json == {"a": "1"}
    assert (await browser.get("/child/grand")).json == {"a": "1"}


async def test_a_shared_session_is_stored_before_the_first_byte():
    backend = WatchedBackend()
    root, _ = notes(backend)
    backend.gates["save"] = asyncio.Event()
    async with Client(root).open("GET", "/child/stream?a=1") as exchange:
        async with asyncio.timeout(PATIENCE):
            await backend.arrived["save"].wait()
        assert exchange.messages == []
        backend.gates["save"].set()
        assert (await exchange.finish()).text == "noted"


async def test_hooks_of_the_parent_share_the_session_of_the_child():
    seen = []

    class Hook(HttpMiddleware):
        async def before_request(self, request):
            request.session["before"] = 1

        async def after_request(self, request, *response):
            seen.append((dict(request.session), root.session is request.session))
            request.session["after"] = 1

    root, _ = notes()
    root.middlewares.append(Hook())
    browser = Browser(root)
    await browser.get("/child/note?a=1")
    assert seen == [({"before": 1, "a": "1"}, True)]
    assert (await browser.get("/child")).json == {"before": 1, "a": "1", "after": 1}


@pytest.mark.parametrize("path", ["/child/fail?a=2", "/child/grand/fail?a=2"])
async def test_a_child_that_fails_stores_nothing_of_a_shared_session(path, logged):
    class Hook(HttpMiddleware):
        async def after_request(self, request, *response):
            request.session["hook"] = 1

    backend = WatchedBackend()
    root, child = notes(backend)
    child.mount("/grand", Notes())
    browser = Browser(root)
    await browser.get("/note?a=1")
    root.middlewares.append(Hook())
    answer = await browser.get(path)
    assert answer.status == 500
    assert varies_by_cookie(answer)
    assert await backend.stored(browser.session_id) == {"a": "1"}
    assert len(logged) == 1


async def test_an_error_that_a_child_means_to_give_stores():
    root, _ = notes()
    browser = Browser(root)
    assert (await browser.get("/child/forbid?a=1")).status == 403
    assert (await browser.get("/")).json == {"a": "1"}


@pytest.mark.parametrize("path", ["/child/note?a=1", "/note?a=1"])
async def test_an_http_error_of_a_hook_stores_below_a_mount_as_above(path):
    root, _ = notes()
    root.middlewares.append(Noting([], error=HTTPError(403)))
    browser = Browser(root)
    answer = await browser.get(path)
    assert (answer.status, len(set_cookies(answer))) == (403, 1)
    root.middlewares.clear()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_hook_that_fails_stores_nothing_of_a_shared_session(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    root.middlewares.append(Noting([], error=RuntimeError("broken")))
    answer = await Browser(root).get("/child/note?a=1")
    assert (answer.status, set_cookies(answer), backend.calls) == (500, [], [])
    assert len(logged) == 1


async def test_a_header_that_cannot_be_sent_stores_nothing_of_a_shared_session(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    root.middlewares.append(Noting([], add=("X", "a\r\nb")))
    answer = await Browser(root).get("/child/note?a=1")
    assert (answer.status, set_cookies(answer), backend.calls) == (500, [], [])
    assert len(logged) == 1


async def test_a_store_that_fails_below_a_mount_is_a_503(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    seen = []
    root.middlewares.append(Noting(seen))
    browser = Browser(root)
    await browser.get("/note?a=1")
    for path in ("/child/note?a=2", "/child/stream?a=2"):
        backend.calls.clear()
        backend.failing = {"merge"}
        answer = await browser.get(path)
        assert (answer.status, answer.complete) == (503, True)
        assert answer.text == "503 Service Unavailable: the session store is unavailable"
        assert backend.calls == ["load", "merge"]
    assert [event for event in seen if event == "before"] == ["before"] * 3
    assert len([event for event in seen if event != "before"]) == 3
    backend.failing = {"load"}
    assert (await browser.get("/child")).status == 503
    assert len(logged) == 3


async def test_a_value_of_a_child_that_is_no_json_is_a_500(logged):
    class Careless(App):
        async def index(self):
            self.session["when"] = object()
            return "done"

    root = Notes()
    root.mount("/child", Careless())
    answer = await Client(root).get("/child")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1
    assert "session['when']" in str(logged[0].exc_info[1])


async def test_a_change_of_a_child_after_its_response_began_is_logged_once(logged):
    class Late(App):
        async def late(self):
            yield "one"
            self.session["late"] = 1

    root = Notes()
    root.mount("/child", Late())
    browser = Browser(root)
    assert (await browser.get("/child/late")).text == "one"
    assert len(logged) == 1
    assert "late changed the session after its response had begun" in logged[0].getMessage()


async def test_what_a_child_did_not_look_at_does_not_vary():
    root, _ = notes()
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert not varies_by_cookie(await browser.get("/child/ignore"))


async def test_a_hook_can_use_the_session_in_front_of_a_plain_app():
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = request.session.get("visits", 0) + 1

    root = Notes()
    root.mount("/plain", tell)
    root.middlewares.append(Counting())
    browser = Browser(root)
    for _ in range(3):
        answer = await browser.get("/plain")
        assert varies_by_cookie(answer)
    root.middlewares.clear()
    assert (await browser.get("/")).json == {"visits": 3}


async def test_a_plain_app_without_hooks_costs_no_backend_call():
    backend = WatchedBackend()
    root = Notes(backend)
    root.mount("/plain", tell)
    await Client(root).get("/plain", headers={"Cookie": "session_id=abc"})
    assert backend.calls == []


@pytest.mark.parametrize("assigned", [True, False])
async def test_a_child_with_a_backend_of_its_own_is_independent(assigned):
    backend, own = WatchedBackend(), WatchedBackend()
    root, child = Notes(backend), Notes(None if assigned else own, session_cookie="child_id")
    if assigned:
        child.session_backend = own
    root.mount("/child", child)
    browser = Browser(root)
    await browser.get("/child/note?a=child")
    await browser.get("/note?a=root")
    assert sorted(browser.cookies) == ["child_id", "session_id"]
    assert (await browser.get("/child")).json == {"a": "child"}
    assert (await browser.get("/")).json == {"a": "root"}
    assert await own.stored(browser.cookies["child_id"]) == {"a": "child"}
    assert await backend.stored(browser.cookies["session_id"]) == {"a": "root"}
    backend.calls.clear()
    await browser.get("/child/logout")
    assert list(browser.cookies) == ["session_id"]
    assert backend.calls == []


async def test_a_child_finds_the_shared_session_of_a_scope_too():
    class Scoped(Notes):
        async def scoped(self):
            async with self.session_for(self.request.scope) as session:
                session["scoped"] = 1
                return dict(session)

    root, child = notes()
    child.mount("/grand", Scoped())
    root.mount("/direct", Scoped())
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert (await browser.get("/direct/scoped")).json == {"a": "1", "scoped": 1}
    assert (await browser.get("/child/grand/scoped")).json == {"a": "1", "scoped": 1}
    assert (await browser.get("/")).json == {"a": "1", "scoped": 1}


async def test_the_session_of_a_scope_is_the_own_one_of_an_app_with_a_backend():
    class Scoped(Notes):
        async def scoped(self):
            async with other.session_for(self.request.scope) as session:
                return dict(session)

    other = Notes(WatchedBackend())
    root = Notes()
    root.mount("/child", Scoped())
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert (await browser.get("/child/scoped")).json == {}


async def test_below_a_child_that_shares_one_with_its_own_backend_is_independent():
    backend, own = WatchedBackend(), WatchedBackend()
    root, child = notes(backend)
    child.mount("/grand", Notes(own, session_cookie="grand_id"))
    browser = Browser(root)
    await browser.get("/note?a=root")
    await browser.get("/child/grand/note?a=grand")
    assert (await browser.get("/child/grand")).json == {"a": "grand"}
    assert (await browser.get("/child")).json == {"a": "root"}
    assert await own.stored(browser.cookies["grand_id"]) == {"a": "grand"}


async def test_below_a_child_that_shares_a_foreign_app_gets_no_part_of_it():
    scopes = []

    async def foreign(scope, receive, send):
        scopes.append(scope)
        await tell(scope, receive, send)

    root, child = notes()
    child.mount("/foreign", foreign)
    await Client(root).get("/child/foreign")
    # Where its parents are is no secret.
    assert [key for key in scopes[0] if key.startswith("micropie")] == ["micropie.root_paths"]


async def test_an_independent_child_that_fails_leaves_the_parents_session(logged):
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = request.session.get("visits", 0) + 1

    backend = WatchedBackend()
    root, _ = notes(backend, WatchedBackend())
    root.middlewares.append(Counting())
    browser = Browser(root)
    assert (await browser.get("/child/fail?a=1")).status == 500
    assert await backend.stored(browser.session_id) == {"visits": 1}
    assert len(logged) == 1


async def test_an_app_that_is_not_mounted_shares_nothing():
    root, child = notes()
    browser = Browser(root)
    await browser.get("/note?a=1")
    alone = Browser(child, browser.cookies)
    assert (await alone.get("/")).json == {}
    await alone.get("/note?b=1")
    assert (await alone.get("/")).json == {"b": "1"}
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_logout_in_the_child_beats_a_slower_request_of_the_parent():
    arrived, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Notes):
        async def slow(self):
            arrived.set()
            await go_on.wait()
            self.session["slow"] = 1

    root = Slow()
    root.mount("/child", Notes())
    browser = Browser(root)
    await browser.get("/note?a=1")
    old = browser.clone()
    task = asyncio.create_task(old.get("/slow"))
    async with asyncio.timeout(PATIENCE):
        await arrived.wait()
    await browser.get("/child/logout")
    go_on.set()
    assert set_cookies(await task) == []
    assert (await old.get("/")).json == {}


async def test_a_hundred_requests_in_parent_and_child_lose_nothing():
    together = asyncio.Barrier(100)

    class Crowd(Notes):
        async def put(self, key):
            async with asyncio.timeout(PATIENCE):
                await together.wait()
            self.session[key] = 1

    root = Crowd()
    root.mount("/child", Crowd())
    browser = Browser(root)
    await browser.get("/note?a=1")
    await asyncio.gather(
        *(browser.get(f"{'/child' * (n % 2)}/put/k{n}") for n in range(100)),
    )
    assert len((await browser.get("/")).json) == 101


# What a mounted app can know.


async def test_an_app_is_told_where_it_is_mounted():
    class Told:
        def __init__(self):
            self.places = []

        def on_mount(self, app, path):
            self.places.append((app, path))

        async def __call__(self, scope, receive, send):
            await named("told")(scope, receive, send)

    told, root = Told(), App()
    root.mount("/here/", told)
    assert told.places == [(root, "/here/")]
    with pytest.raises(ValueError, match="mounted already"):
        root.mount("/here", told)
    assert len(told.places) == 1
    assert (await Client(root).get("/here")).text == "told"


async def test_a_handler_of_that_name_is_not_called_when_its_app_is_mounted():
    class Diary(App):
        async def on_mount(self, day="today"):
            return f"climbed it {day}"

    root = tree(diary=Diary())
    assert (await Client(root).get("/diary/on_mount")).text == "climbed it today"


@pytest.mark.parametrize("proxied", ["", "/outer"])
async def test_an_app_knows_its_root_path_in_requests_of_apps_below_it(proxied):
    class Root(App):
        async def index(self):
            return root.root_path

    class Child(App):
        async def index(self):
            return [root.root_path, middle.root_path, self.root_path, root._url_for("index")]

    root, middle, child = Root(), App(), Child()
    root.mount("/a", middle)
    middle.mount("/b", child)
    client = Client(root, root_path=proxied)
    expected = [proxied, f"{proxied}/a", f"{proxied}/a/b", f"{proxied}/"]
    assert (await client.get(f"{proxied}/a/b")).json == expected
    assert (await client.get(f"{proxied}/")).text == proxied
    assert root.root_path == ""
