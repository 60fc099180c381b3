"""Annotations of parameters: what converts, what is refused, and in which words."""

import typing
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from itertools import count
from typing import Annotated, Any, Literal, Optional, TypedDict, Union
from urllib.parse import quote
from uuid import UUID

import pytest

from micropie import App
from support.asgi import Client

pytestmark = pytest.mark.anyio

UNSET: Any = object()


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Size(StrEnum):
    SMALL = "s"
    LARGE = "l"


class Taker:
    """An app whose `take` has one parameter `value`, annotated as said, and keeps what it got."""

    def __init__(self, annotation: Any, default: Any = UNSET) -> None:
        self.got: Any = UNSET

        if default is UNSET:

            async def take(value):
                self.got = value

        else:

            async def take(value=default):
                self.got = value

        take.__annotations__["value"] = annotation
        app = App()
        app.take = take
        self.client = Client(app)

    async def from_path(self, text: str) -> Any:
        answer = await self.client.get("/take/" + quote(text, safe=""))
        assert answer.status == 204, answer.text
        return self.got

    async def from_query(self, *texts: str) -> Any:
        query = "&".join("value=" + quote(text) for text in texts)
        answer = await self.client.get("/take?" + query)
        assert answer.status == 204, answer.text
        return self.got

    async def refusal(self, *texts: str) -> str:
        answers = [await self.client.get("/take?" + "&".join("value=" + quote(t) for t in texts))]
        if len(texts) == 1 and texts[0]:
            answers.append(await self.client.get("/take/" + quote(texts[0], safe="")))
        assert self.got is UNSET
        for answer in answers:
            assert answer.status == 400
            assert answer.header("content-type") == "text/plain; charset=utf-8"
        assert len({answer.text for answer in answers}) == 1
        return answers[0].text


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


GOOD = [
    (str, "Zoë & co", "Zoë & co"),
    (int, "42", 42),
    (int, "-7", -7),
    (int, "+7", 7),
    (int, "007", 7),
    (int, "123456789012345678901234567890", 123456789012345678901234567890),
    (float, "1.5", 1.5),
    (float, "-2", -2.0),
    (float, "1e3", 1000.0),
    (float, ".5", 0.5),
    (bool, "true", True),
    (bool, "True", True),
    (bool, "1", True),
    (bool, "yes", True),
    (bool, "on", True),
    (bool, "false", False),
    (bool, "FALSE", False),
    (bool, "0", False),
    (bool, "no", False),
    (bool, "off", False),
    (bytes, "é", b"\xc3\xa9"),
    (UUID, "12345678-1234-5678-1234-567812345678", UUID(int=0x12345678123456781234567812345678)),
    (UUID, "12345678123456781234567812345678", UUID(int=0x12345678123456781234567812345678)),
    (datetime, "2024-02-29T12:30:05", datetime(2024, 2, 29, 12, 30, 5)),
    (datetime, "2024-02-29T12:30:05Z", datetime(2024, 2, 29, 12, 30, 5, tzinfo=UTC)),
    (
        datetime,
        "2024-02-29 12:30:05.25+02:00",
        datetime(2024, 2, 29, 12, 30, 5, 250000, timezone(timedelta(hours=2))),
    ),
    (date, "2024-02-29", date(2024, 2, 29)),
    (time, "12:30", time(12, 30)),
    (time, "12:30:05.5", time(12, 30, 5, 500000)),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, "-1E+2", Decimal("-1E+2")),
    (Color, "red", Color.RED),
    (Level, "2", Level.HIGH),
    (Size, "l", Size.LARGE),
    (Literal["asc", "desc"], "desc", "desc"),
    (Literal[1, 2], "2", 2),
    (Literal["a", 1], "1", 1),
    (Any, "as it came", "as it came"),
    (object, "as it came", "as it came"),
    (Annotated[int, "an id"], "3", 3),
    (int | None, "5", 5),
    (Optional[int], "5", 5),  # noqa: UP045 - the older spelling is what is tested
    (Union[None, int], "5", 5),  # noqa: UP007
    (Annotated[int | None, "x"], "5", 5),
    (Annotated[int, "x"] | None, "5", 5),
    (str | None, "x", "x"),
    (Any | None, "x", "x"),
    (Color | None, "green", Color.GREEN),
]


@pytest.mark.parametrize(("annotation", "text", "value"), GOOD, ids=count())
async def test_a_value_is_converted_from_path_and_query_alike(annotation, text, value):
    assert same(await Taker(annotation).from_path(text), value)
    assert same(await Taker(annotation).from_query(text), value)


async def test_without_an_annotation_the_text_stays():
    app = App()

    async def take(value):
        return [value, type(value).__name__]

    app.take = take
    assert (await Client(app).get("/take/5")).json == ["5", "str"]


# Digits of other scripts, blanks and underscores are for Python's own int() and float().
LENIENT = ["1_0", " 1", "1 ", "1\n", "٣", "\uff11"]
NOT_NUMBERS = ["", "x", "nan", "inf", "-Infinity", "1,5", "0x10", "--1", "+"]
INTEGERS = [*NOT_NUMBERS, *LENIENT, "1.0", "1e3", "9" * 5000]

BAD = [
    (int, "an integer", INTEGERS),
    (float, "a number", [*NOT_NUMBERS, *LENIENT, "1e999"]),
    (Decimal, "a decimal number", [*NOT_NUMBERS, *LENIENT, "sNaN"]),
    (bool, "a boolean", ["", "x", "2", "ja", " true", "t"]),
    (UUID, "a UUID", ["", "x", "12345678-1234-5678-1234-56781234567", "g" * 32]),
    (UUID, "a UUID", ["0x" + "1" * 30, "+" + "1" * 31, " " + "1" * 31, "1_" * 15 + "11"]),
    (UUID, "a UUID", ["\N{ARABIC-INDIC DIGIT ONE}" * 32]),
    (
        datetime,
        "a date and time (ISO 8601)",
        ["", "x", "2024-02-30T00:00", "yesterday", "1700000000"],
    ),
    (date, "a date (ISO 8601)", ["", "x", "2024-02-30", "2024-02-29T12:00", "29.02.2024"]),
    (time, "a time (ISO 8601)", ["", "x", "25:00", "12:60"]),
    (Color, "one of 'red', 'green'", ["", "RED", "Color.RED", "blue"]),
    (Level, "one of '1', '2'", ["", "3", "LOW", "01"]),
    (Literal["asc", "desc"], "one of 'asc', 'desc'", ["", "ASC", "up"]),
    (int | None, "an integer", ["x", "None", "null"]),
    (list[int], "a list, each item an integer", ["", "x"]),
    (dict, "an object", ["", "x", "{}"]),
    (dict[str, int], "an object, each value an integer", ["", "x", "{}"]),
]


REFUSED = [(annotation, noun, text) for annotation, noun, texts in BAD for text in texts]


@pytest.mark.parametrize(("annotation", "noun", "text"), REFUSED, ids=count())
async def test_a_value_that_does_not_convert_is_a_400_that_does_not_repeat_it(
    annotation, noun, text
):
    assert await Taker(annotation).refusal(text) == f"400 Bad Request: 'value' must be {noun}"


async def test_the_documented_message_names_the_parameter():
    class Items(App):
        async def item(self, id: int):  # noqa: A002 - the example of the design
            return id

    answer = await Client(Items()).get("/item/five")
    assert answer.body == b"400 Bad Request: 'id' must be an integer"


HOSTILE = ["<script>x</script>", "%s%n", "'; DROP TABLE x", "\U0001d7d9", "1" * 5000, "\0", "eeeee"]
CONVERTED = [int, float, bool, UUID, datetime, date, time, Decimal, Color, Literal["z"]]


@pytest.mark.parametrize("text", HOSTILE, ids=count())
@pytest.mark.parametrize("annotation", CONVERTED)
async def test_hostile_values_are_refused_or_converted_and_never_an_error(annotation, text):
    answer = await Taker(annotation).client.get("/take?value=" + quote(text))
    assert answer.status in (204, 400)
    assert text not in answer.text


# Lists.


@pytest.mark.parametrize(
    ("annotation", "texts", "value"),
    [
        (list[int], ["1", "2", "3"], [1, 2, 3]),
        (list[int], ["1"], [1]),
        (list[str], ["a", "", "a"], ["a", "", "a"]),
        (list, ["a", "b"], ["a", "b"]),
        (list[Any], ["a", "b"], ["a", "b"]),
        (list[Color], ["green", "red"], [Color.GREEN, Color.RED]),
        (list[Annotated[int, "id"]], ["1", "2"], [1, 2]),
        (list[int | None], ["1", ""], [1, None]),
        (list[int] | None, ["1", "2"], [1, 2]),
        (list | None, ["1", "2"], ["1", "2"]),
    ],
)
async def test_a_list_takes_all_the_values_of_its_name(annotation, texts, value):
    assert await Taker(annotation).from_query(*texts) == value


@pytest.mark.parametrize("annotation", [list[int], list[int] | None, list[int | None]], ids=str)
async def test_a_path_segment_is_a_list_of_one(annotation):
    assert await Taker(annotation).from_path("5") == [5]


@pytest.mark.parametrize("annotation", [list[int], list[int] | None], ids=str)
async def test_one_bad_item_refuses_the_list(annotation):
    refusal = await Taker(annotation).refusal("1", "x", "3")
    assert refusal == "400 Bad Request: 'value' must be a list, each item an integer"


async def test_a_list_that_is_missing_is_a_400_or_its_default():
    answer = await Taker(list[int]).client.get("/take")
    assert answer.text == "400 Bad Request: Missing required parameter 'value'"
    taker = Taker(list[int], default=None)
    assert (await taker.client.get("/take")).status == 204
    assert taker.got is None


async def test_of_many_values_a_single_parameter_takes_the_first():
    assert await Taker(int).from_query("1", "2") == 1
    assert await Taker(int | None).from_query("1", "x") == 1
    assert await Taker(str).from_query("", "x") == ""


# None.


@pytest.mark.parametrize(
    "annotation",
    [int | None, Optional[float], Color | None, date | None],  # noqa: UP045
    ids=str,  # of its own, unions of Python 3.14 have one name
)
async def test_an_empty_value_is_none_where_none_may_be(annotation):
    assert await Taker(annotation).from_query("") is None


async def test_an_empty_text_stays_empty():
    assert await Taker(str).from_query("") == ""
    assert await Taker(str | None).from_query("") == ""


@pytest.mark.parametrize("annotation", [int | None, str | None], ids=str)
async def test_optional_does_not_mean_not_required(annotation):
    answer = await Taker(annotation).client.get("/take")
    assert answer.text == "400 Bad Request: Missing required parameter 'value'"


async def test_a_default_is_taken_as_it_is():
    taker = Taker(int, default="not a number")
    assert (await taker.client.get("/take")).status == 204
    assert taker.got == "not a number"
    assert (await taker.client.get("/take/x")).status == 400


# What can't be served is found out when the App is made.


class Movie(TypedDict):
    title: str


@pytest.mark.parametrize(
    ("annotation", "named"),
    [
        (tuple, "tuple"),
        (set[int], "set"),
        (int | str, r"int \| str"),
        (int | str | None, "int"),
        (list[list[set]], "set"),
        (dict[str, set], "set"),
        (dict[list[str], int], "dict"),
        (list[tuple], "tuple"),
        (Sequence[int], "Sequence"),
        (Callable[[], None], "Callable"),
        (type, "type"),
        (complex, "complex"),
        (timedelta, "timedelta"),
        (App, "App"),
        (None, "None"),
        (5, "5"),
        ([int], ""),
        (typing.TypeVar("T"), "T"),
        ("Nowhere", "Nowhere"),
        ("typing.Nowhere", "Nowhere"),
        ("a description in words", ""),
        ("1/0", ""),
    ],
)
def test_an_annotation_that_nothing_converts_to_is_refused_at_construction(annotation, named):
    class Wrong(App):
        async def fine(self, number: int): ...

        async def shown(self, first, value): ...

    Wrong.shown.__annotations__["value"] = annotation
    with pytest.raises(TypeError, match=rf"handler 'shown'.*parameter 'value'.*{named}"):
        Wrong()


def test_a_return_annotation_may_be_anything():
    class Fine(App):
        async def shown(self) -> "Nowhere": ...  # noqa: F821

    Fine()
