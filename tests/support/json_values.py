"""JSON in and out of an App, with orjson or without: prints what became of each value.

Run as a program, because whether orjson is there is found out once a process:
`python -m support.json_values [without-orjson]`.
"""

import asyncio
import collections
import dataclasses
import datetime
import decimal
import enum
import json
import logging
import sys
import types
import uuid
from typing import Any

if "without-orjson" in sys.argv:
    sys.modules["orjson"] = None  # type: ignore[assignment]

from micropie import App
from support.asgi import Client

UTC = datetime.UTC
EAST = datetime.timezone(datetime.timedelta(hours=5, minutes=30))


class Color(enum.Enum):
    RED = "red"
    NUMBER = 5
    LIST = (1, 2)
    WHEN = datetime.date(2024, 2, 29)


class Price(decimal.Decimal, enum.Enum):
    LOW = "1.50"


class Level(enum.IntEnum):
    HIGH = 3


class Size(enum.StrEnum):
    LARGE = "l"


class Flag(enum.IntFlag):
    A = 1
    B = 2


class Text(str):
    __slots__ = ()


class Number(int):
    pass


class Moment(datetime.datetime):
    pass


@dataclasses.dataclass
class Point:
    x: int
    y: Any = None
    _hidden: int = 1
    shared: dataclasses.InitVar[int] = 0


@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    color: Color = Color.RED
    points: list[Point] = dataclasses.field(default_factory=lambda: [Point(1)])


Pair = collections.namedtuple("Pair", "a b")

cycle: list[Any] = []
cycle.append(cycle)
deep: Any = 1
for _ in range(300):  # orjson goes no deeper than 254
    deep = [deep]
too_deep: Any = 1
for _ in range(100_000):
    too_deep = [too_deep]

# What json.dumps writes, or None for a 500.
OUT: dict[str, tuple[Any, str | None]] = {
    "text": (['a"b\\c/\b\f\n\r\t\x00\x1f\x7fé€𝄞\u2028'], None),
    "numbers": ([0, -1, 1.5, -0.0, 1e16, 123456789.125, True, None], None),
    "2**63": ([2**63, -(2**63), 2**64 - 1], None),
    "2**64": ([2**64, -(2**64)], "[18446744073709551616,-18446744073709551616]"),
    "10**40": ([10**40], "[1" + "0" * 40 + "]"),
    "nan": ([float("nan"), float("inf"), -float("inf")], "[null,null,null]"),
    "nan with a long integer": ({"a": [float("nan")], "b": 2**70}, f'{{"a":[null],"b":{2**70}}}'),
    "nan in an enum beside others": (
        [Color.RED, Point(float("nan")), (float("inf"), 2**70), datetime.date(2024, 1, 2)],
        f'["red",{{"x":null,"y":null,"_hidden":1}},[null,{2**70}],"2024-01-02"]',
    ),
    "datetime": ([datetime.datetime(2024, 2, 29, 12, 30, 5)], '["2024-02-29T12:30:05"]'),
    "datetime with all": (
        [datetime.datetime(2024, 2, 29, 12, 30, 5, 250, EAST)],
        '["2024-02-29T12:30:05.000250+05:30"]',
    ),
    "datetime of an odd zone": (
        [datetime.datetime(1900, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(seconds=90)))],
        '["1900-01-01T00:00:00+00:01:30"]',
    ),
    "datetime utc": ([datetime.datetime(2024, 2, 29, tzinfo=UTC)], '["2024-02-29T00:00:00+00:00"]'),
    "datetime of the year 1": ([datetime.datetime(1, 1, 1)], '["0001-01-01T00:00:00"]'),
    "datetime subclass": ([Moment(2024, 2, 29)], '["2024-02-29T00:00:00"]'),
    "date": ([datetime.date(2024, 2, 29)], '["2024-02-29"]'),
    "time": ([datetime.time(1, 2, 3, 4), datetime.time(1)], '["01:02:03.000004","01:00:00"]'),
    "time with an offset": ([datetime.time(1, 2, tzinfo=EAST)], '["01:02:00+05:30"]'),
    "uuid": ([uuid.UUID(int=5)], '["00000000-0000-0000-0000-000000000005"]'),
    "decimal": ([decimal.Decimal("1.10"), decimal.Decimal("NaN")], '["1.10","NaN"]'),
    "enum": ([Color.RED, Color.NUMBER], '["red",5]'),
    "enum of others": ([Color.LIST, Color.WHEN], '[[1,2],"2024-02-29"]'),
    "enum subclasses": ([Level.HIGH, Size.LARGE, Flag.A | Flag.B], '[3,"l",3]'),
    "enum of decimals": ([Price.LOW], '["1.50"]'),
    "enum as a key": ({Size.LARGE: 1}, '{"l":1}'),
    "subclasses": ([Text("a"), Number(5), collections.OrderedDict(a=1)], '["a",5,{"a":1}]'),
    "defaultdict": (collections.defaultdict(list, {"a": [1]}), '{"a":[1]}'),
    "tuples": ([(1, 2), Pair(3, 4)], "[[1,2],[3,4]]"),
    "dataclass": (Point(1, shared=5), '{"x":1,"y":null,"_hidden":1}'),
    "dataclasses": (
        Slotted(),
        '{"color":"red","points":[{"x":1,"y":null,"_hidden":1}]}',
    ),
    "order": ({"b": 1, "a": 2, "é": 3}, '{"b":1,"a":2,"é":3}'),
    "keys": ({5: 1, 1.5: 2, True: 3, None: 4}, '{"5":1,"1.5":2,"true":3,"null":4}'),
    "half a surrogate pair": (["a\ud800b", "é"], '["a\\ud800b","\\u00e9"]'),
    "half a surrogate pair as a key": ({"\udc00": 1}, '{"\\udc00":1}'),
    "deep": (deep, "[" * 300 + "1" + "]" * 300),
    "empty": ([{}, [], "", ()], '[{},[],"",[]]'),
    "too deep": (too_deep, ""),
    "cycle": (cycle, ""),
    "object": ([object()], ""),
    "set": ([{1}], ""),
    "bytes": ([b"x"], ""),
    "class": ([Point], ""),
    "complex": ([1j], ""),
    "timedelta": ([datetime.timedelta(1)], ""),
    "generator": ([(n for n in [])], ""),
    "mapping": ([types.MappingProxyType({})], ""),
    "tuple as a key": ({(1, 2): 3}, ""),
    "date as a key": ({datetime.date(2024, 1, 1): 3}, ""),
    "nan as a key": ({float("nan"): 3}, ""),
}

for name, (value, expected) in OUT.items():
    if expected is None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        OUT[name] = (value, text)

# Floats that the two write differently and mean the same by.
FLOATS = [1e-7, 1.5e-5, 5e-324, 1.7976931348623157e308, 0.1, 1e22, 1e21, -1e-9, 3.0]

# A body, and the value it stands for; ... for a 400.
IN: dict[str, tuple[bytes, Any]] = {
    "object": (b'{"a": [1, 2.5, "x", true, false, null]}', {"a": [1, 2.5, "x", True, False, None]}),
    "blanks": (b" \r\n\t[1 , 2]\n", [1, 2]),
    "bare": (b"5", 5),
    "null": (b"null", None),
    "utf-8": ('["é𝄞"]'.encode(), ["é𝄞"]),
    "escapes": (b'["\\u00e9\\ud834\\udd1e\\n\\/"]', ["é𝄞\n/"]),
    "large": (b"[9223372036854775807, 18446744073709551615]", [2**63 - 1, 2**64 - 1]),
    "larger": (b"[18446744073709551616, -9223372036854775809]", [2**64, -(2**63) - 1]),
    "largest": (b"1" + b"0" * 60, 10**60),
    "exponents": (b"[1e3, 1E-2, -0.0]", [1000.0, 0.01, -0.0]),
    "last of many keys": (b'{"a": 1, "a": 2}', {"a": 2}),
    "infinite": (b"[1e999]", ...),
    "infinite among large": (b"[1e999, 18446744073709551616]", ...),
    "nan": (b"[NaN]", ...),
    "nan among large": (b"[NaN, 18446744073709551616]", ...),
    "infinity": (b"-Infinity", ...),
    "half a surrogate pair": (b'["\\ud800"]', ...),
    "half a surrogate pair among large": (b'["\\ud800", 18446744073709551616]', ...),
    "no utf-8": (b'["\xff"]', ...),
    "no utf-8 among large": (b'["\xff", 18446744073709551616]', ...),
    "utf-16": ('["a"]'.encode("utf-16"), ...),
    "byte order mark": (b'\xef\xbb\xbf["a"]', ["a"]),
    "two byte order marks": (b'\xef\xbb\xbf\xef\xbb\xbf["a"]', ...),
    "empty": (b" ", ...),
    "cut": (b'{"a": ', ...),
    "surplus": (b"[1] x", ...),
    "trailing comma": (b"[1,]", ...),
    "single quotes": (b"['a']", ...),
    "line break": (b'["a\nb"]', ...),
    "leading zero": (b"[01]", ...),
    "plus": (b"[+1]", ...),
    "comment": (b"[1] // x", ...),
    "deep": (b"[" * 50_000 + b"]" * 50_000, ...),
    "deep and large": (b"[" * 50_000 + b"1" * 30 + b"]" * 50_000, ...),
    "thousands of digits": (b"[" + b"1" * 10_000 + b"]", ...),
    "pairs of halves": (b'["\\ud83d\\ude00\\uD834\\uDD1E", 18446744073709551616]', ["😀𝄞", 2**64]),
    "halves in the wrong order": (b'["\\ude00\\ud83d", 18446744073709551616]', ...),
    "one half too many": (b'["\\ud83d\\ud83d\\ude00", 18446744073709551616]', ...),
    "no half but a backslash": (b'["\\\\ud83d", 18446744073709551616]', ["\\ud83d", 2**64]),
}

# Beyond so many brackets the depth is looked at: what is deep, and what only seems to be.
MANY = b"[]," * 600
LONG = b"18446744073709551616"
for name, item, value in [
    ("shallow", b"1", 1),
    ("brackets in a text", b'"' + b"[" * 600 + b'"', "[" * 600),
    ("a quote in a text", b'"\\"' + b"[" * 600 + b'"', '"' + "[" * 600),
    ("a backslash at the end of a text", b'"\\\\"', "\\"),
    ("a key of brackets", b'{"}]":1}', {"}]": 1}),
    ("deep behind brackets in a text", b'"' + b"]" * 600 + b'",' + b"[" * 500 + b"]" * 500, ...),
    ("deep behind a quote in a text", b'"\\"]",' + b"[" * 500 + b"]" * 500, ...),
    ("deep, of both kinds", b'[{"a":' * 250 + b"1" + b"}]" * 250, ...),
    ("closed twice", b"1],[1", ...),
    ("closed twice and opened twice", b"1]],[[1", ...),
    ("closed without end", b"1]" + b"]" * 600, ...),
    ("opened without end", b"[" * 600, ...),
]:
    for kind, last in (("", b"1"), (", large", LONG)):
        body = b"[" + MANY + item + b"," + last + b"]"
        expected = value if value is ... else [*[[]] * 600, value, int(last)]
        IN["many, " + name + kind] = (body, expected)


class Json(App):
    async def out(self, name):
        return OUT[name][0]

    async def floats(self):
        return FLOATS

    async def take(self):
        taken = self.request.get_json
        return repr(taken)


async def run() -> dict[str, Any]:
    client = Client(Json())
    out, taken = {}, {}
    for name in OUT:
        answer = await client.get("/out/" + name.replace(" ", "%20"))
        out[name] = answer.text if answer.status == 200 else answer.status
    for name, (body, _) in IN.items():
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        answer = await client.post("/take", headers=headers, body=body)
        taken[name] = answer.text if answer.status == 200 else answer.status
    floats = (await client.get("/floats")).text
    return {"out": out, "in": taken, "floats": floats, "orjson": sys.modules.get("orjson") and True}


if __name__ == "__main__":
    logging.getLogger("micropie").disabled = True
    print(json.dumps(asyncio.run(run())))
