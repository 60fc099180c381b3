"""Arguments out of JSON, whose values have types of their own: right and wrong ones."""

import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, Optional

import pytest

from micropie import App
from support.binding import SECRET, Color, Handlers, one, refused, send_json

pytestmark = pytest.mark.anyio


async def bound(app: App, value: Any) -> Any:
    """Return what the parameter `value` is for that value of a JSON body."""
    answer = await send_json(app, "/", {"value": value})
    return answer.json["value"] if answer.status == 200 else answer.text


def shown(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else ascii(value)[:40]


NATIVE = [
    (str, ["", "a", "5", "Zoë"], [5, 1.5, True, None, ["a"], {}]),
    (int, [0, -5, 10**30], ["5", 1.5, 1e300, True, False, None, [5], {}, ""]),
    (float, [1.5, -0.5, 5, 0], ["1.5", True, None, [1.5], {}, 10**400]),
    (bool, [True, False], [1, 0, "true", "", None, [True]]),
    (bytes, ["abc"], [5, None, ["a"], True]),
    (list, [[], [1, "a", None]], ["a", 5, None, {"a": 1}]),
    (dict, [{}, {"a": [1]}], ["a", 5, None, [1]]),
    (list[int], [[], [1, 2]], [[1, "2"], [True], [None], 5, "1", {"1": 2}]),
    (list[dict[str, int]], [[{"a": 1}]], [[1], {"a": 1}]),
    (int | None, [5, None], ["5", True, 1.5]),
    (Optional[str], ["a", "", None], [5, True]),  # noqa: UP045 - as older code writes it
    (list[int] | None, [None, [1]], ["1", [None]]),
    (list[int | None], [[None, 1]], [["1"], None]),
    (Literal["a", 1], ["a", 1], ["1", True, 1.0, "b", None, [], {}]),
    (Any, [5, "a", None, [1], {}], []),
    (object, [5, "a", None, [1], {}], []),
]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(kind, value) for kind, good, _ in NATIVE for value in good],
    ids=shown,
)
async def test_json_values_keep_their_type(annotation, value):
    class Typed(App):
        async def index(self, value: annotation):
            return {"same": repr(value) == repr(expected)}

    expected = float(value) if annotation is float else value
    expected = value.encode() if annotation is bytes else expected
    answer = await send_json(Typed(), "/", {"value": value})
    assert (answer.status, answer.json) == (200, {"same": True})


@pytest.mark.parametrize("value", [5.0, -0.0, 2.0**52])
async def test_a_json_number_without_a_fraction_is_an_integer(value):
    answer = await send_json(one(int), "/", {"value": value})
    assert answer.json == {"type": "int", "value": int(value)}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(kind, value) for kind, _, bad in NATIVE for value in bad],
    ids=shown,
)
async def test_json_values_of_another_type_are_a_400(annotation, value):
    answer = await send_json(one(annotation), "/", {"value": value})
    assert answer.status == 400
    assert answer.text.startswith("400 Bad Request: 'value' must be ")


PARSED = [
    (uuid.UUID, "12345678-1234-5678-1234-567812345678", uuid.UUID),
    (date, "2026-02-28", date.fromisoformat),
    (time, "12:30:00", time.fromisoformat),
    (datetime, "2026-02-28T12:30:00+01:00", datetime.fromisoformat),
    (Decimal, "1.50", Decimal),
    (Decimal, 3, Decimal),
    (Decimal, 1.1, lambda _: Decimal("1.1")),
    (Color, "red", Color),
    (Color, 1, Color),
]


@pytest.mark.parametrize(("annotation", "value", "expected"), PARSED)
async def test_json_texts_are_parsed_where_json_has_no_such_type(annotation, value, expected):
    class Typed(App):
        async def index(self, value: annotation):
            return {"same": repr(value) == repr(expected(given))}

    given = value
    answer = await send_json(Typed(), "/", {"value": value})
    assert (answer.status, answer.json) == (200, {"same": True})


@pytest.mark.parametrize("value", [SECRET, "", 1.5, True, None, [], {}, -1])
@pytest.mark.parametrize("annotation", [uuid.UUID, date, time, datetime, Color])
async def test_json_texts_that_do_not_parse_are_a_400(annotation, value):
    answer = await send_json(one(annotation), "/", {"value": value})
    assert answer.status == 400
    assert answer.text.startswith("400 Bad Request: 'value' must be ")


@pytest.mark.parametrize("value", [SECRET, "", "NaN", "1_0", " 1", "\uff11", True, None, [], {}])
async def test_json_values_that_are_no_decimals_are_a_400(value):
    answer = await send_json(one(Decimal), "/", {"value": value})
    assert (answer.status, answer.text) == refused("'value' must be a decimal number")


async def test_without_an_annotation_a_json_value_stays_as_it_is():
    values = {"first": [1, {"a": None}], "second": None, "third": 1.5}
    assert (await send_json(Handlers(), "/three", values)).json == list(values.values())


async def test_json_null_is_a_value_and_not_a_missing_one():
    app = one(int | None, 7)
    assert await bound(app, None) is None
    assert (await send_json(app, "/", {})).json["value"] == 7


async def test_huge_integers_keep_every_digit():
    number = int("7" * 4000)
    assert await bound(one(int), number) == number
