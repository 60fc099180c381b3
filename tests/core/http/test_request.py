"""What a request tells its handler."""

import functools
from typing import Any

import pytest

from micropie import App, HttpMiddleware, Request
from support.asgi import Client

pytestmark = pytest.mark.anyio


class Told(App):
    async def index(self, *segments):
        request = self.request
        return {
            "method": request.method,
            "path": request.path,
            "path_params": request.path_params,
            "query_params": request.query_params,
            "first": request.query("a"),
            "none": request.query("nothing"),
            "default": request.query("nothing", "default"),
            "client": request.client,
        }

    async def headers(self):
        return self.request.headers

    async def cookies(self):
        return self.request.cookies


async def test_the_request_tells_what_was_asked_for():
    answer = await Client(Told()).post("/x%20y/z?a=1&a=2&b=")
    assert answer.json == {
        "method": "POST",
        "path": "/x y/z",
        "path_params": ["x y", "z"],
        "query_params": {"a": ["1", "2"], "b": [""]},
        "first": "1",
        "none": None,
        "default": "default",
        "client": ["192.0.2.7", 51234],
    }


def test_what_a_request_computes_when_asked_is_documented_on_its_class():
    for name in ("headers", "cookies", "query_params", "path_params", "path"):
        assert getattr(Request, name).__doc__


async def test_path_parameters_are_empty_at_the_root():
    assert (await Client(Told()).get("/")).json["path_params"] == []


async def test_the_client_is_none_where_the_server_knows_none():
    assert (await Client(Told(), client=None).get("/")).json["client"] is None


async def test_headers_are_lower_case_and_repeated_ones_joined():
    headers = [("X-One", "1"), ("Accept", "text/html"), ("accept", "*/*"), ("X-Latin", "é")]
    answer = await Client(Told()).get("/headers", headers=headers)
    assert answer.json == {"x-one": "1", "accept": "text/html, */*", "x-latin": "é"}


async def test_names_that_a_server_left_in_capitals_are_lowered():
    answer = await Client(Told(), headers=[(b"X-One", b"1")]).get("/headers")
    assert answer.json == {"x-one": "1"}


async def test_split_cookie_headers_are_joined_as_cookies():
    headers = [("Cookie", "a=1"), ("Cookie", "b=2")]
    client = Client(Told())
    assert (await client.get("/headers", headers=headers)).json == {"cookie": "a=1; b=2"}
    assert (await client.get("/cookies", headers=headers)).json == {"a": "1", "b": "2"}


async def test_a_header_may_be_repeated_a_thousand_times():
    for count, status in ((1000, 200), (1001, 431), (100_000, 431)):
        answer = await Client(Told(), headers=[(b"a", b"bcd")] * count).get("/headers")
        assert answer.status == status
        if status == 200:
            assert answer.json == {"a": ", ".join(["bcd"] * 1000)}
    assert answer.text == "431 Request Header Fields Too Large"


@pytest.mark.parametrize("path", ["/cookies", "/headers", "/nowhere"])
async def test_too_many_headers_beside_a_cookie_or_a_body_are_a_431(path):
    for name, value in ((b"cookie", b"a=1"), (b"content-length", b"0")):
        headers = [(b"x", b"")] * 1000 + [(name, value)]
        assert (await Client(Told(), headers=headers).post(path)).status == 431


async def test_cookies_may_take_64_kib():
    client = Client(Told())
    for size, status in ((64 * 1024, 200), (64 * 1024 + 1, 431)):
        cookie = "a=" + "b" * (size - 2)
        assert (await client.get("/cookies", headers=[("Cookie", cookie)])).status == status
        split = [("Cookie", cookie[:9]), ("Cookie", cookie[11:])]
        assert (await client.get("/cookies", headers=split)).status == status


COOKIES = [
    ("", {}),
    ("a=1", {"a": "1"}),
    ("a=1; b=2;c=3", {"a": "1", "b": "2", "c": "3"}),
    ("a=x=y", {"a": "x=y"}),
    ("a=; b", {"a": ""}),
    ("=x; ;;", {}),
    ('a="quoted value"', {"a": "quoted value"}),
    ('a="', {"a": '"'}),
    ("a=first; a=second", {"a": "first"}),
    ("  a  =  1  ", {"a": "1"}),
    ("a=%20", {"a": "%20"}),
]


@pytest.mark.parametrize(("header", "cookies"), COOKIES)
async def test_cookies_are_parsed(header, cookies):
    assert App()._parse_cookies(header) == cookies
    answer = await Client(Told()).get("/cookies", headers={"Cookie": header})
    assert answer.json == cookies


async def test_there_are_no_cookies_without_the_header():
    assert (await Client(Told()).get("/cookies")).json == {}


async def test_middleware_may_set_attributes_of_its_own():
    class Tagging(HttpMiddleware):
        async def before_request(self, request):
            request.user = "Ada"

    class Tagged(App):
        async def index(self):
            request: Any = self.request
            return request.user

    app = Tagged()
    app.middlewares.append(Tagging())
    assert (await Client(app).get("/")).text == "Ada"


async def test_no_query_overrides_what_a_partial_has_set():
    def view(name, *, is_admin=False, **rest):
        return {"name": name, "admin": is_admin, "rest": rest}

    app = App()
    app.view = functools.partial(view, is_admin=False)
    answer = await Client(app).get("/view/ada?is_admin=1&x=2")
    assert answer.json == {"name": "ada", "admin": False, "rest": {"x": "2"}}
