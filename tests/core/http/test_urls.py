"""URLs that an App makes: of its handlers, and where it redirects."""

from typing import Any

import pytest

from micropie import App, route
from support.asgi import Client
from support.responses import is_clean_500

pytestmark = pytest.mark.anyio

# Redirects.


class Redirecting(App):
    def __init__(self, *arguments: Any) -> None:
        super().__init__()
        self.arguments = arguments

    async def index(self):
        return self._redirect(*self.arguments)


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/path", "/path"),
        ("https://example.org:8443/a?b=c#d", "https://example.org:8443/a?b=c#d"),
        ("/a b", "/a%20b"),
        ("/ü?q=ü&r=1", "/%C3%BC?q=%C3%BC&r=1"),
        ("/a%20b?c=%2F", "/a%20b?c=%2F"),
        ("/?q=a+b&c=d;e,f", "/?q=a+b&c=d;e,f"),
        ("/a\r\nSet-Cookie: evil=1", "/a%0D%0ASet-Cookie:%20evil=1"),
        ("/a\0b", "/a%00b"),
        ("/\ud800", "/?"),
        ('/"<>\\^`{|}', "/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("", ""),
    ],
)
async def test_a_redirect_is_a_302_with_an_encoded_location(location, sent):
    answer = await Client(Redirecting(location)).get("/")
    assert (answer.status, answer.body) == (302, b"")
    assert answer.header("location") == sent


async def test_a_redirect_may_carry_headers():
    for headers in ([("Set-Cookie", "a=1")], {"Set-Cookie": "a=1"}):
        answer = await Client(Redirecting("/x", headers)).get("/")
        assert (answer.status, answer.header("set-cookie")) == (302, "a=1")


async def test_a_redirect_to_no_text_is_a_500(logged):
    assert is_clean_500(await Client(Redirecting(5)).get("/"))
    assert len(logged) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_may_have_another_status(status):
    class Moving(App):
        async def index(self):
            return self._redirect("/x", {"X-A": "1"}, status_code=status)

    answer = await Client(Moving()).get("/")
    assert (answer.status, answer.header("location"), answer.header("x-a")) == (status, "/x", "1")


@pytest.mark.parametrize("status", [200, 300, 304, 400, "303"])
def test_a_redirect_has_the_status_of_one(status):
    with pytest.raises(ValueError, match="is not a redirect: use 301, 302, 303"):
        App()._redirect("/x", status_code=status)


# URLs of handlers.


class Linked(App):
    async def index(self, *rest, name="none"):
        return [*rest, name]

    async def sign_up(self, *rest):
        return [*rest]

    async def _private(self): ...

    async def ws_index(self, ws): ...

    async def ws_chat(self, ws, room): ...

    async def link(self):
        return self._url_for("sign_up", "a b", next="/x?y")


@pytest.mark.parametrize(
    ("arguments", "query", "url"),
    [
        (("index",), {}, "/"),
        (("index", "a"), {}, "/a"),
        (("index", "a/b", "ü"), {"q": "x"}, "/a%2Fb/%C3%BC?q=x"),
        (("index", "link"), {}, "/index/link"),
        (("index", "index"), {}, "/index/index"),
        (("sign_up",), {}, "/sign_up"),
        (("sign_up", "a/b", 5, "ü?"), {}, "/sign_up/a%2Fb/5/%C3%BC%3F"),
        (("sign_up",), {"q": "a b&c", "n": 1}, "/sign_up?q=a+b%26c&n=1"),
        (("sign_up",), {"tag": ["a", "b"]}, "/sign_up?tag=a&tag=b"),
        (("index",), {"handler_name": "x"}, "/?handler_name=x"),
        (("ws_index",), {}, "/"),
        (("ws_index", "a"), {}, "/index/a"),
        (("ws_chat", "a b"), {"n": 1}, "/chat/a%20b?n=1"),
    ],
)
def test_the_url_of_a_handler(arguments, query, url):
    assert Linked()._url_for(*arguments, **query) == url


async def test_the_url_of_a_handler_leads_to_it():
    app = Linked()
    client = Client(app)
    assert (await client.get(app._url_for("sign_up", "a/b", "c d", "%2F"))).json == [
        *("a/b", "c d", "%2F")
    ]
    assert (await client.get(app._url_for("index", "sign_up", name="n&m"))).json == [
        "sign_up",
        "n&m",
    ]


class Routed(App):
    async def index(self, *rest):
        return ["index", *rest]

    async def about(self, *rest):
        return ["about", *rest]

    @route("/users/{user}/posts/{post}")
    async def post(self, user, post, style="-"):
        return [user, post, style]

    @route("/blog")
    @route("/blog/{year}")
    @route("/blog/{year}/{slug}")
    async def blog(self, year="-", slug="-", page="1"):
        return [year, slug, page]

    @route("/ä b/{rest:path}")
    async def _files(self, rest):
        return rest

    @route("/rooms/{room}")
    async def ws_room(self, ws, room): ...


@pytest.mark.parametrize(
    ("arguments", "query", "url"),
    [
        (("post", "a/b", 7), {}, "/users/a%2Fb/posts/7"),
        (("post", "ada"), {"post": 7}, "/users/ada/posts/7"),
        (("post",), {"post": 7, "user": "ada", "style": "x&y"}, "/users/ada/posts/7?style=x%26y"),
        (("blog",), {}, "/blog"),
        (("blog",), {"page": 2}, "/blog?page=2"),
        (("blog",), {"year": 2026, "page": 2}, "/blog/2026?page=2"),
        (("blog",), {"slug": "pie", "year": 2026}, "/blog/2026/pie"),
        (("blog", 2026, "pie"), {}, "/blog/2026/pie"),
        (("_files", "a/b c.txt"), {}, "/%C3%A4%20b/a/b%20c.txt"),
        (("ws_room", "kitchen"), {"n": 1}, "/rooms/kitchen?n=1"),
        (("index", "blog"), {}, "/index/blog"),
        (("index", "blog", "2026", "pie", "x"), {}, "/blog/2026/pie/x"),
        (("index", "static", "x"), {}, "/index/static/x"),
    ],
)
def test_the_url_of_an_explicit_route(arguments, query, url):
    app = Routed()
    app.mount("/static", Linked())
    assert app._url_for(*arguments, **query) == url


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("post", "a/b", "%2F"), ["a/b", "%2F", "-"]),
        (("blog", "2026", "ä"), ["2026", "ä", "1"]),
        (("index", "x", "y z"), ["index", "x", "y z"]),
        (("index", "about"), ["index", "about"]),
        (("index", "blog", "2026"), ["index", "blog", "2026"]),
        (("about", "..."), ["about", "..."]),
    ],
)
async def test_the_shortest_url_leads_to_its_handler(arguments, answer):
    app = Routed()
    for root_path in ("", "/api"):
        client = Client(app, root_path=root_path)
        assert (await client.get(root_path + app._url_for(*arguments))).json == answer


def test_the_url_of_index_is_the_shortest_when_another_handler_takes_its_path():
    app = Routed()
    assert app._url_for("index") == "/"
    assert app._url_for("index", "extra") == "/extra"
    app.extra = lambda: "extra"
    assert app._url_for("index", "extra") == "/index/extra"
    app.home = route("/")(lambda: "home")
    assert (app._url_for("index"), app._url_for("home")) == ("/index", "/")


@pytest.mark.parametrize(
    ("arguments", "query"),
    [
        (("post",), {}),
        (("post", "ada"), {"user": "eve"}),
        (("post", "ada", 7, 8), {}),
        (("post", "ada", 7), {"post": 8}),
        (("blog", 2026, "pie", 1), {}),
        (("_files",), {}),
    ],
)
def test_the_url_of_an_explicit_route_takes_its_parameters_once(arguments, query):
    with pytest.raises(TypeError, match="takes the parameters of /"):
        Routed()._url_for(*arguments, **query)


@pytest.mark.parametrize(
    "arguments",
    [
        *(("about", ""), ("about", "a", ""), ("about", ".."), ("index", "."), ("index", "")),
        *(("post", "", 7), ("_files", ""), ("_files", "a//b"), ("_files", "a/../b")),
        *(("_files", "/a"), ("_files", "a/"), ("about", "../x"), ("about", "a/.")),
    ],
)
def test_what_no_path_can_say_has_no_url(arguments):
    with pytest.raises(ValueError, match="a segment of a path can't be"):
        Routed()._url_for(*arguments)


@pytest.mark.parametrize("root_path", ["/api", "/api/", "/my api"])
async def test_the_url_of_a_handler_starts_with_root_path(root_path):
    prefix = root_path.rstrip("/").replace(" ", "%20")
    answer = await Client(Linked(), root_path=root_path).get(f"{prefix}/link")
    assert answer.text == f"{prefix}/sign_up/a%20b?next=%2Fx%3Fy"


@pytest.mark.parametrize(
    "name",
    ["nothing", "_private", "request", "_redirect", "", "sign-up", "chat", "ws_sign_up", "ws_"],
)
def test_there_is_no_url_of_what_is_no_handler(name):
    with pytest.raises(LookupError, match="Linked has no handler"):
        Linked()._url_for(name)
