"""Headers that must not be sent, wherever a handler puts them."""

from itertools import count

import pytest

from micropie import App, HTTPError
from support.asgi import Client
from support.responses import Returning, answer_to, is_clean_500

pytestmark = pytest.mark.anyio

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
