"""JSON that is deep, huge, or no JSON."""

import gzip

import pytest

from support.bad_input import on_uvicorn
from support.bodies import BINARY, FORM, JSON, MIB
from support.raw_http import talk, whole


@pytest.mark.parametrize("depth", [100, 500])
def test_json_that_nests_less_than_any_limit_is_fine(server, depth):
    body = b"[" * depth + b"]" * depth
    assert talk(server, whole("/parsed", body, JSON)).status == 200


NESTED = [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]"), (b"[", b""), (b'{"a":', b"")]
NESTED_IDS = ["arrays", "objects", "both", "open-arrays", "open-objects"]


@pytest.mark.parametrize(("opening", "closing"), NESTED, ids=NESTED_IDS)
def test_json_that_nests_too_deep_is_a_400(server, opening, closing):
    body = opening * 100_000 + b"1" + closing * 100_000
    for path in ("/sizes", "/tree"):
        assert talk(server, whole(path, body, JSON)).status == 400


@on_uvicorn
@pytest.mark.parametrize(("opening", "closing"), NESTED, ids=NESTED_IDS)
def test_the_deepest_json_is_a_400(server, opening, closing):
    depth = MIB // len(opening + closing) - 1
    body = opening * depth + b"1" + closing * depth
    assert talk(server, whole("/sizes", body, JSON)).status == 400


@pytest.mark.parametrize("depth", [10, 300, 1000, 100_000])
def test_a_deep_typed_dict_is_taken_or_a_400(server, depth):
    body = b'{"child":' * depth + b"{}" + b"}" * depth
    reply = talk(server, whole("/tree", body, JSON))
    assert reply.status == 200 or (reply.status == 400 and depth > 10)


@pytest.mark.parametrize("digits", [18, 19, 20, 100, 4000])
def test_huge_integers_keep_every_digit(server, digits):
    number = "9" * digits
    for text in (number, "-" + number):
        body = b'{"number": %s}' % text.encode()
        assert talk(server, whole("/number", body, JSON)).body == b'{"number":%s}' % text.encode()
        form = b"number=" + text.encode()
        assert talk(server, whole("/number", form, FORM)).body == b'{"number":%s}' % text.encode()


@pytest.mark.parametrize("digits", [5000, 1_000_000])
def test_integers_beyond_pythons_limit_are_a_400(server, digits):
    # https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
    number = b"9" * digits
    assert talk(server, whole("/number", b'{"number": %s}' % number, JSON)).status == 400
    assert talk(server, whole("/parsed", number, JSON)).status == 400
    assert talk(server, whole("/number", b"number=" + number, FORM)).status == 400


@on_uvicorn  # each has another parser
@pytest.mark.parametrize(
    "body",
    [
        b"NaN",
        b"[NaN]",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b'{"a": 1e400}',
        b"1" * 400 + b".0",
        b'"\\ud800"',
        b'{"\\udfff": 1}',
        b'["\\ud800\\u0041"]',
        b'"\xed\xa0\x80"',
        b'"\xff"',
        b'"\0"',
        b"'a'",
        b"{a: 1}",
        b"[1,]",
        b"01",
        b"+1",
        b".5",
        b"0x10",
        b"// comment\n1",
        b"\xef\xbb\xbf",
        "1".encode("utf-16"),
        b"1 2",
        b"nul",
        b"\x00",
        b'{"a"}',
        b'"' + b"\\" * 99_999,
    ],
    ids=range(29),
)
def test_what_no_other_program_would_read_alike_is_a_400(server, body):
    assert talk(server, whole("/parsed", body, JSON)).status == 400


def test_what_is_no_json_is_a_400(server):
    for body in (b"NaN", b'"\\ud800"', b'"\xff"', b"\x00", b"1 2"):
        assert talk(server, whole("/parsed", body, JSON)).status == 400


@on_uvicorn
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"a":1,"a":2,"a":3}', {"a": 3}),
        (b'{"a":{"b":1},"a":{}}', {"a": {}}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\u0000"', "\0"),
        (b"\xef\xbb\xbf1", 1),
        (b"1e-999", 0.0),
        (b"-0.0", -0.0),
        (b"1e22", 1e22),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
        (b" \t\r\n[ ] ", []),
        (b'"\xf0\x9f\xa5\xa7"', "\U0001f967"),
        (b'{"": {"": ""}}', {"": {"": ""}}),
        (b'{"__proto__": 1, "self": 2}', {"__proto__": 1, "self": 2}),
    ],
    ids=range(13),
)
def test_odd_json_means_the_same_with_orjson_and_without(server, body, expected):
    assert repr(talk(server, whole("/parsed", body, JSON)).json["json"]) == repr(expected)


def test_a_compressed_body_is_left_as_it_is(server):
    body = gzip.compress(b"x" * 10 * MIB)
    lines = ("Content-Encoding: gzip",)
    assert talk(server, whole("/raw", body, BINARY, *lines)).body == body
    assert talk(server, whole("/parsed", body, JSON, *lines)).status == 400
    # As a form it is an odd name, and nothing is unpacked either.
    assert len(talk(server, whole("/parsed", body, FORM, *lines)).body) < MIB
