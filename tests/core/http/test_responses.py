"""What a handler returns -> what the client gets."""

import asyncio
import dataclasses
import enum
import logging
from http import HTTPStatus
from itertools import count
from typing import Any

import pytest

from micropie import App, HTTPError
from support.asgi import Answer, Client

pytestmark = pytest.mark.anyio

HTML = "text/html; charset=utf-8"
JSON = "application/json"


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Text(str):
    __slots__ = ()


class Returning(App):
    """Returns one value from handlers of every kind."""

    def __init__(self, value: Any, **options: Any) -> None:
        super().__init__(**options)
        self.value = [value]  # in a list, or a function would become a handler

    async def index(self):
        return self.value[0]

    async def with_argument(self, name):
        return self.value[0]

    def sync(self):
        return self.value[0]


async def answer_to(value: Any, method: str = "GET") -> Answer:
    """Return the answer to *value*, which is the same from handlers of every kind."""
    client = Client(Returning(value))
    answer = await client.request(method, "/")
    for url in ("/with_argument/x", "/sync"):
        other = await client.request(method, url)
        assert (other.status, other.headers, other.body) == (
            answer.status,
            answer.headers,
            answer.body,
        )
    assert len(answer.messages) == 2
    assert answer.complete
    return answer


def is_clean_500(answer: Answer) -> bool:
    return (answer.status, answer.text, answer.header("content-type")) == (
        500,
        "500 Internal Server Error",
        "text/plain; charset=utf-8",
    )


# Bodies.


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ("text", b"text", HTML),
        ("", b"", HTML),
        ("Größe €𝄞", "Größe €𝄞".encode(), HTML),
        (Text("text"), b"text", HTML),
        (b"bytes \xff\x00", b"bytes \xff\x00", HTML),
        (b"", b"", HTML),
        ({"a": [1, "é"]}, '{"a":[1,"é"]}'.encode(), JSON),
        ({}, b"{}", JSON),
        ([1, 2], b"[1,2]", JSON),
        ([], b"[]", JSON),
        (0, b"0", JSON),
        (42, b"42", JSON),
        (1.5, b"1.5", JSON),
        (True, b"true", JSON),
        (False, b"false", JSON),
        (Point(1), b'{"x":1,"y":2}', JSON),
        ([Point(1)], b'[{"x":1,"y":2}]', JSON),
    ],
    ids=count(),  # many would read alike
)
async def test_a_value_becomes_a_body_with_its_type_and_length(value, body, content_type):
    answer = await answer_to(value)
    assert (answer.status, answer.body) == (200, body)
    assert answer.headers == [
        ("content-type", content_type),
        ("content-length", str(len(body))),
    ]


@pytest.mark.parametrize("size", [1022, 1023, 1024, 1025, 70_000])
async def test_the_length_is_right_for_bodies_of_every_size(size):
    assert (await answer_to("x" * size)).header("content-length") == str(size)
    assert (await answer_to("é" * size)).header("content-length") == str(2 * size)


async def test_none_is_204_without_body_type_and_length():
    answer = await answer_to(None)
    assert (answer.status, answer.body, answer.headers) == (204, b"", [])


async def test_half_a_surrogate_pair_becomes_a_question_mark():
    assert (await answer_to("a\ud800b")).body == b"a?b"
    assert (await answer_to((200, "a\ud800b"))).body == b"a?b"


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (object(), "object"),
        ({1, 2}, "set"),
        (bytearray(b"x"), "bytearray"),
        (memoryview(b"x"), "memoryview"),
        (iter([b"x"]), "list_iterator"),
        (range(3), "range"),
        (Point, "type"),
        (len, "builtin_function_or_method"),
        (1j, "complex"),
        ((200, {1}), "set"),
        ((200, object(), {}), "object"),
    ],
)
async def test_anything_else_is_a_500_and_the_log_names_handler_and_type(value, kind, logged):
    answer = await Client(Returning(value)).get("/with_argument/x")
    assert is_clean_500(answer)
    (record,) = logged
    assert record.levelno == logging.ERROR
    assert "GET '/with_argument/x'" in record.getMessage()
    assert f"with_argument returned {kind}, which is no response" in record.getMessage()


async def test_a_coroutine_that_was_not_awaited_is_a_500_with_a_hint(logged):
    class Forgetful(App):
        async def index(self):
            return self.other()

        async def pair(self):
            return 200, self.other()

        async def other(self): ...

    for path in ("/", "/pair"):
        assert is_clean_500(await Client(Forgetful()).get(path))
    assert all("forget to await" in record.getMessage() for record in logged)
    assert len(logged) == 2


async def test_a_future_as_a_result_is_a_500_with_a_hint(logged):
    future = asyncio.get_running_loop().create_future()
    assert is_clean_500(await Client(Returning(future)).get("/"))
    assert "forget to await" in logged[0].getMessage()


# Tuples.


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ((201, "made"), 201, b"made"),
        ((404, b"bytes"), 404, b"bytes"),
        ((200, {"a": 1}), 200, b'{"a":1}'),
        ((400, [1]), 400, b"[1]"),
        ((200, Point(1)), 200, b'{"x":1,"y":2}'),
        ((200, True), 200, b"true"),
        ((201, None), 201, b""),
        ((599, ""), 599, b""),
        ((200, "x", None), 200, b"x"),
        ((200, "x", []), 200, b"x"),
        ((200, "x", {}), 200, b"x"),
        ((HTTPStatus.IM_A_TEAPOT, "x"), 418, b"x"),
    ],
)
async def test_a_tuple_gives_status_and_body(value, status, body):
    answer = await answer_to(value)
    assert (answer.status, answer.body) == (status, body)
    assert type(answer.status) is int
    assert answer.header("content-length") == str(len(body))


@pytest.mark.parametrize(
    "headers",
    [
        [("X-One", "1"), ("X-Two", "zwei é")],
        {"X-One": "1", "X-Two": "zwei é"},
        (("X-One", "1"), ["X-Two", " zwei é\t"]),
    ],
    ids=["pairs", "dict", "tuples"],
)
async def test_a_tuple_gives_headers_too(headers):
    answer = await answer_to((200, "x", headers))
    assert answer.headers == [
        ("x-one", "1"),
        ("x-two", "zwei é"),
        ("content-type", HTML),
        ("content-length", "1"),
    ]


async def test_the_callers_headers_are_not_changed():
    headers: list[tuple[str, str]] = [("X-One", "1")]
    await answer_to((200, "x", headers))
    assert headers == [("X-One", "1")]


async def test_a_header_may_be_sent_more_than_once():
    answer = await answer_to((200, "x", [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]))
    assert answer.headers[:2] == [("set-cookie", "a=1"), ("set-cookie", "b=2")]


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
async def test_a_content_type_of_ones_own_replaces_the_automatic_one(name):
    assert (await answer_to((200, "x", {name: "text/plain"}))).header(
        "content-type"
    ) == "text/plain"
    assert (await answer_to((200, {}, {name: "text/x-json"}))).header(
        "content-type"
    ) == "text/x-json"


@pytest.mark.parametrize("body", ["four", b"bytes", ""])
async def test_a_content_length_of_ones_own_never_contradicts_the_body(body):
    answer = await answer_to((200, body, {"Content-Length": "999"}))
    assert answer.header("content-length") == str(len(body))


async def test_framing_is_left_to_the_server():
    answer = await answer_to((200, "x", {"Transfer-Encoding": "chunked"}))
    assert answer.header("transfer-encoding") is None


@pytest.mark.parametrize(
    "value",
    [
        (),
        (200,),
        (200, "x", {}, 1),
        ("200", "x"),
        ("x", 200),
        (None, "x"),
        (True, "x"),
        (200.0, "x"),
        (0, "x"),
        (100, "x"),
        (199, "x"),
        (600, "x"),
        (-1, "x"),
        (10**30, "x"),
        ("a", "b", "c"),
    ],
    ids=repr,
)
async def test_a_tuple_that_is_none_of_these_is_a_logged_500(value, logged):
    assert is_clean_500(await Client(Returning(value)).get("/with_argument/x"))
    assert len(logged) == 1
    assert "with_argument" in logged[0].getMessage()


async def test_the_log_says_what_a_tuple_must_be(logged):
    await Client(Returning((200,))).get("/")
    await Client(Returning((99, "x"))).get("/")
    assert "a tuple of 1; it must be (status, body)" in logged[0].getMessage()
    assert "gave the status 99" in logged[1].getMessage()


# Headers that must not be sent.


INJECTIONS = [
    {"X-A": "a\r\nSet-Cookie: evil=1"},
    {"X-A": "a\nb"},
    {"X-A": "a\rb"},
    {"X-A": "a\0b"},
    {"X-A": "\r\n"},
    {"X-A": "a\n"},
    {"X-A": "a\x7f"},
    {"X-A": "a\x1fb"},
    {"X-A": "a\x0bb"},
    {"X-A": "€"},
    {"X-A": "\ud800"},
    {"X\r\nSet-Cookie: evil": "1"},
    {"X-A\n": "1"},
    {"X A": "1"},
    {"X:A": "1"},
    {"": "1"},
    {"X-\0": "1"},
    {"X-é": "1"},
    {"\u212aey": "1"},  # the Kelvin sign, whose lower case is "k"
    {"X-A": 5},
    {"X-A": None},
    {"X-A": b"bytes"},
    {b"X-A": "1"},
    {5: "1"},
    {"X-A": ["1"]},
    [("X-A",)],
    [("X-A", "1", "2")],
    ["X-A: 1"],
    [None],
    "X-A: 1",
    5,
]


@pytest.mark.parametrize("headers", INJECTIONS, ids=count())
async def test_a_header_that_may_not_be_sent_is_a_500_and_a_log_line(headers, logged):
    answer = await Client(Returning((200, "x", headers))).get("/")
    assert is_clean_500(answer)
    assert {name for name, _ in answer.headers} == {"content-type", "content-length"}
    assert len(logged) == 1
    assert "index" in logged[0].getMessage()


@pytest.mark.parametrize("headers", INJECTIONS, ids=count())
async def test_an_http_error_can_not_inject_headers_either(headers, logged):
    class Raising(App):
        async def index(self):
            raise HTTPError(400, "x", headers)

    assert is_clean_500(await Client(Raising()).get("/"))
    assert len(logged) == 1


async def test_a_header_value_may_have_a_tab_and_latin_1():
    answer = await answer_to((200, "", {"X-A": "a\tb\xe9\xff", "X-Empty": ""}))
    assert answer.headers[:2] == [("x-a", "a\tb\xe9\xff"), ("x-empty", "")]


# HEAD.


@pytest.mark.parametrize(
    "value", ["text", b"bytes", {"a": 1}, 5, (201, "made", {"X-A": "1"}), (404, "no"), None]
)
async def test_head_gets_the_headers_of_get_and_no_body(value):
    head, get = await answer_to(value, "HEAD"), await answer_to(value, "GET")
    assert (head.status, head.headers) == (get.status, get.headers)
    assert head.body == b""


async def test_head_of_errors_has_the_length_and_no_body():
    answer = await Client(Returning("x")).head("/nothing")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.header("content-length") == str(len("404 Not Found"))


async def test_a_handler_may_tell_head_a_length_without_making_the_body():
    answer = await answer_to((200, "", {"Content-Length": "123456"}), "HEAD")
    assert answer.header("content-length") == "123456"


# Statuses without a body.


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [None, "text", {"a": 1}])
async def test_204_and_304_have_neither_body_nor_length(status, body, method):
    headers = {"ETag": '"x"', "Content-Length": "4"}
    answer = await answer_to((status, body, headers), method)
    assert (answer.status, answer.body, answer.headers) == (status, b"", [("etag", '"x"')])


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
    with pytest.raises(ValueError, match="is no redirect: use 301, 302, 303"):
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


# By hand.


async def test_a_response_can_be_sent_by_hand():
    class ByHand(App):
        async def __call__(self, scope, receive, send):
            self.send = [send]
            await super().__call__(scope, receive, lambda message: asyncio.sleep(0))

        async def index(self):
            await self._send_response(self.send[0], 201, {"a": 1}, [("X-A", "1")])

    answer = await Client(ByHand()).get("/")
    assert (answer.status, answer.json, answer.header("x-a")) == (201, {"a": 1}, "1")


async def test_the_documented_entry_point_serves_too():
    app = Returning("text")
    assert (await Client(app._asgi_app_http).get("/")).text == "text"


# An enum is JSON inside of other values alone.


async def test_an_int_enum_is_a_number():
    class Level(enum.IntEnum):
        HIGH = 3

    assert (await answer_to(Level.HIGH)).body == b"3"
