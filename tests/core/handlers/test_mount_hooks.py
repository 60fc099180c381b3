"""Hooks in front of a mounted app."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import Client
from support.mounts import Noting, Page, tell, tree
from support.sessions import Browser, WatchedBackend

pytestmark = pytest.mark.anyio

APPS = {
    "plain": tell,
    "App": Page(),
    "App with a backend": Page(session_backend=WatchedBackend(), session_cookie="page_id"),
}

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
async def test_a_hook_changes_status_and_headers_and_keeps_the_body(app):
    plain = await Client(tree(api=app)).get("/api")
    root = tree(api=app)
    seen = []
    changes = {"status_code": 418, "body": None}  # None is what the hook was given
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
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_body_of_a_hook_takes_the_place_of_the_mounted_apps(app, method):
    seen = []
    root = tree(api=app)
    changes = {"status_code": 418, "body": "a teapot"}
    root.middlewares += [
        Noting(seen, "1", add=("X-Outer", "1")),
        Noting(seen, "2", changes=changes),
    ]
    answer = await Client(root).request(method, "/api")
    assert (answer.status, answer.text) == (418, "a teapot" if method == "GET" else "")
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("content-length") == "8"
    assert answer.header("x-outer") == "1"
    assert seen[-1] == ("after 1", 418, "a teapot")


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        ({"error": 404}, "application/json", '{"error":404}'),
        (b"bytes", "text/html; charset=utf-8", "bytes"),
        ("", "text/html; charset=utf-8", ""),
        ((part for part in ("a", "b")), "text/html; charset=utf-8", "ab"),
    ],
)
async def test_the_body_may_be_any_that_a_handler_returns(body, media_type, text):
    root = tree(api=tell)
    root.middlewares.append(Noting([], changes={"body": body}))
    answer = await Client(root).get("/api")
    assert (answer.text, answer.header("content-type")) == (text, media_type)
    assert answer.header("x-plain") == "yes"


async def described(scope, receive, send):
    """Answer with every header that says something about the body, and one that does not."""
    headers = {
        "Content-Type": "text/plain",
        "Content-Length": "3",
        "Content-Encoding": "br",
        "Content-Range": "bytes 0-2/9",
        "Accept-Ranges": "bytes",
        "ETag": '"old"',
        "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "Cache-Control": "no-store",
    }
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 404, "headers": raw})
    await send({"type": "http.response.body", "body": b"old"})


async def test_what_described_the_old_body_goes_with_it():
    root = tree(api=described)
    root.middlewares.append(Noting([], changes={"body": "new"}, add=("X-Added", "yes")))
    answer = await Client(root).get("/api")
    assert sorted(answer.headers) == [
        ("cache-control", "no-store"),
        ("content-length", "3"),
        ("content-type", "text/html; charset=utf-8"),
        ("x-added", "yes"),
    ]


async def test_headers_that_come_with_the_body_describe_it():
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            kept = [pair for pair in extra_headers if pair[0].lower() != "etag"]
            return {"body": "new", "headers": [*kept, ("ETag", '"new"')]}

    root = tree(api=described)
    root.middlewares.append(Pages())
    answer = await Client(root).get("/api")
    assert sorted(answer.headers) == [
        ("cache-control", "no-store"),
        ("content-length", "3"),
        ("content-type", "text/plain"),
        ("etag", '"new"'),
    ]


async def test_the_mounted_app_may_go_on_sending_what_nobody_gets():
    ended = []

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 500, "headers": []})
        for _ in range(5):
            await send({"type": "http.response.body", "body": b"old", "more_body": True})
        ended.append(True)

    root = tree(api=endless)
    root.middlewares.append(Noting([], changes={"body": "new"}))
    answer = await Client(root).get("/api")
    assert (answer.text, answer.complete, ended) == ("new", True, [True])


async def test_the_session_is_stored_with_the_new_body():
    backend = WatchedBackend()

    class Child(App):
        async def index(self):
            self.session["visited"] = True
            return 404, "old"

    root = App(session_backend=backend)
    root.mount("/child", Child())
    root.middlewares.append(Noting([], changes={"body": "new"}))
    browser = Browser(root)
    assert (await browser.get("/child")).text == "new"
    assert await backend.stored(browser.session_id) == {"visited": True}


async def test_a_body_that_can_not_be_sent_is_a_500_that_the_outer_hooks_see(logged):
    seen = []
    root = tree(api=tell)
    root.middlewares += [Noting(seen, "1"), Noting(seen, "2", changes={"body": object()})]
    answer = await Client(root).get("/api")
    assert (answer.status, answer.complete) == (500, True)
    assert seen[-1] == ("after 1", 500, "500 Internal Server Error")
    assert "Noting.after_request" in logged[0].getMessage()


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
        ({"headers": [("a b", "x")]}, "not a token"),
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
