"""Mounts: which app serves a path, and what it is told."""

import json
import time

import pytest
from starlette.applications import Starlette

from micropie import App
from support.asgi import ABSENT, Client
from support.mounts import Noting, Page, named, tell, tree

pytestmark = pytest.mark.anyio

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
    assert time.process_time() - began < 10  # one by one they would take minutes


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


@pytest.mark.parametrize(("path", "segment"), [("/a//b", ""), ("/..", ".."), ("/a/./b/", ".")])
def test_a_path_that_no_request_has_is_refused(path, segment):
    with pytest.raises(ValueError, match=rf"has the segment '{segment}', which no request has"):
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
    with pytest.raises(TypeError, match="is not an ASGI app; a class must be instantiated"):
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
        *("/show/a%2Fb/c", "/outer/api", "/outer/api/show/a/b/c", "a/b", "c")
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
        *("/show/x%2Fy", "/a/b/c", "/a/b/c/show/x/y", "x/y")
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
