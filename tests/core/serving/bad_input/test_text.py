"""Text that is no UTF-8: in paths, queries, forms and cookies."""

import pytest

from support.bodies import FORM
from support.raw_http import head, talk, whole


def test_broken_utf_8_in_a_path(server):
    assert talk(server, head("/greet/%FF%C3", method="GET")).body == "Hello, \ufffd\ufffd!".encode()
    reply = talk(server, head(b"/greet/\xff\xc3", method="GET"))
    assert reply.status in (200, 400)
    assert talk(server, head("/%FF%FE/%00", method="GET")).status == 404
    assert talk(server, head("/greet/%00%0D%0A", method="GET")).body == b"Hello, \0\r\n!"
    assert talk(server, head("/greet/%", method="GET")).status in (200, 400)
    assert talk(server, head("/greet/%ED%A0%80", method="GET")).status == 200


def test_broken_utf_8_in_a_query(server):
    reply = talk(server, head("/greet?name=%FF%C3", method="GET"))
    assert reply.body == "Hello, \ufffd\ufffd!".encode()
    reply = talk(server, head(b"/greet?name=\xff", method="GET"))
    assert reply.status == 400 or reply.body == "Hello, \ufffd!".encode()
    assert talk(server, head("/greet?%FF=%FE&&=&%=%", method="GET")).status == 200


def test_broken_utf_8_in_a_form(server):
    body = b"\xff=\xfe&a=%FF&%C3=%&%zz=%u1234&=&a"
    reply = talk(server, whole("/parsed", body, FORM))
    assert reply.json["form"] == {
        "\ufffd": ["\ufffd", "%"],
        "a": ["\ufffd", ""],
        "%zz": ["%u1234"],
        "": [""],
    }


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (b"a=1; a=2", {"a": "1"}),
        (b"a=\xff\xfe", {"a": "\xff\xfe"}),
        (b';;;=;=x;a;a =1 ; ;b="2"', {"a": "1", "b": "2"}),
        (b'a="', {"a": '"'}),
        (b"a=b=c;", {"a": "b=c"}),
        (b"a={}[]<>@,:?/", {"a": "{}[]<>@,:?/"}),
        (b"; ".join(b"c%d=x" % n for n in range(1000)), {f"c{n}": "x" for n in range(1000)}),
        (b"", {}),
    ],
    ids=["twice", "no-utf-8", "crumbs", "quote", "equals", "signs", "many", "none"],
)
def test_odd_cookies(server, cookie, expected):
    reply = talk(server, head("/cookies", b"Cookie: " + cookie, method="GET"))
    # Servers may refuse bytes beyond ASCII, or that many in one header.
    assert reply.status in (400, 431) or reply.json == expected
    if not cookie.startswith((b"a=\xff", b"c0")):
        assert reply.status == 200


def test_two_cookie_headers(server):
    reply = talk(server, head("/cookies", "Cookie: a=1", "Cookie: a=2; b=3", method="GET"))
    assert reply.status == 400 or reply.json == {"a": "1", "b": "3"}


@pytest.mark.parametrize(
    "session_id",
    [b"", b"x", b"../../etc/passwd", b"\xff\xfe", b"a" * 4000, b'"quoted"', b"\t", b"%00%0d%0a"],
    ids=["empty", "short", "path", "no-utf-8", "long", "quoted", "tab", "encoded"],
)
def test_a_hostile_session_cookie_is_no_session(server, session_id):
    for cookie in (b"session_id=" + session_id, b"session_id=; session_id=" + session_id):
        reply = talk(server, head("/visits", b"Cookie: " + cookie, method="GET"))
        assert reply.status == 400 or (reply.status, reply.body) == (200, b"1")
        if reply.status == 200:
            given = reply.headers["Set-Cookie"].partition(";")[0]
            assert given.encode("latin-1") not in cookie
