"""JSON values that stores have been seen to change."""

import json
from typing import Any

# Large integers and floats (JSON columns), the kinds of numbers, NUL (PostgreSQL's jsonb), 4-byte
# characters (MySQL's utf8), empty text (Oracle's NULL).
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "negative": -1,
    "64 bits": 2**64 - 1,
    "more than 64 bits": -(10**40),
    "more than a float's digits": 2**53 + 1,
    "float": 0.1 + 0.2,
    "whole float": 1.0,
    "minus zero": -0.0,
    "largest float": 1.7976931348623157e308,
    "smallest float": 5e-324,
    "empty text": "",
    "text": "Füße, 日本, 🥧, e\u0301 and é",
    "control characters": "\0\x01\t\r\n\x1f\x7f\u2028",
    "quotes": "'\"`\\ %s %(a)s :a ? $1 {} </script>",
    "text like JSON": '{"a": [1, null]}',
    "text like a number": "007",
    "trailing spaces": "a  ",
    "empty list": [],
    "empty object": {},
    "list": [1, "two", 3.0, None, [True, [False, []]]],
    "object": {"": {"a.b": {"$set": [{"deep": {"er": "x"}}]}}, "null": None},
    "deep": json.loads("[" * 100 + "]" * 100),
}
