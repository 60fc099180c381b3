"""URLs that an App makes: of its handlers, and where it redirects."""

from typing import Any

import pytest

from micropie import App
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
        (("index", "a"), {}, "/index/a"),
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
