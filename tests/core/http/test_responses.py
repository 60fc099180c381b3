"""What a handler returns -> what the client gets."""

import asyncio
import dataclasses
import enum
import logging
from http import HTTPStatus
from itertools import count

import pytest

from micropie import App
from support.asgi import Client
from support.bodies import HTML, JSON
from support.responses import Returning, answer_to, is_clean_500

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Point:
    x: int
    y: int = 2


class Text(str):
    __slots__ = ()


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
    assert f"with_argument returned {kind}, which is not a response" in record.getMessage()


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
    await Client(Returning(("x", 201))).get("/")  # as in Flask
    assert "gave the status 'x'" in logged[2].getMessage()
    assert "comes before the body" in logged[2].getMessage()


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


async def chunks():
    yield "one,"
    yield "two"


@pytest.mark.parametrize(
    ("body", "sent"),
    [("text", b"text"), ({"a": 1}, b'{"a":1}'), (None, b""), (chunks(), b"one,two")],
    ids=["text", "json", "nothing", "stream"],
)
async def test_a_response_can_be_sent_by_hand_outside_of_a_request(body, sent):
    messages = []

    async def send(message):
        messages.append(message)

    await App()._send_response(send, 201, body, [("X-A", "1")])
    start, *rest = messages
    assert (start["type"], start["status"]) == ("http.response.start", 201)
    assert (b"x-a", b"1") in start["headers"]
    assert b"".join(message["body"] for message in rest) == sent
    assert not rest[-1].get("more_body", False)


async def test_the_documented_entry_point_serves_too():
    app = Returning("text")
    assert (await Client(app._asgi_app_http).get("/")).text == "text"


# An enum is JSON inside of other values alone.


async def test_an_int_enum_is_a_number():
    class Level(enum.IntEnum):
        HIGH = 3

    assert (await answer_to(Level.HIGH)).body == b"3"
