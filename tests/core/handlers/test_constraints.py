"""Constraints in Annotated: kept wherever the annotation stands, or refused with the class."""

import dataclasses
import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Annotated, Any, NewType, TypedDict

import annotated_types as at
import msgspec
import pydantic
import pytest
import typing_extensions

from micropie import App, UploadFile
from support.asgi import Client
from support.binding import SECRET, one, refused, send_form, send_json

pytestmark = pytest.mark.anyio

Email = Annotated[str, pydantic.Field(pattern=r"^\S+@\S+$")]
Positive = NewType("Positive", Annotated[int, at.Gt(0)])  # type: ignore[valid-newtype] # allowed here
Small = typing_extensions.TypeAliasType("Small", Annotated[int, at.Lt(10)])


NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def with_dashes(text: str) -> str:
    return text.replace(".", "-")


class Even:
    """Metadata of somebody else's, which says nothing here."""

    def __eq__(self, other: object) -> bool:
        return NotImplemented


# Each constraint with a value in a query that keeps it, one that does not, and the words for that.
CASES: list[tuple[Any, str, str, str]] = [
    (Annotated[int, at.Gt(0)], "1", "0", "'value' must be greater than 0"),
    (Annotated[int, at.Ge(0)], "0", "-1", "'value' must be at least 0"),
    (Annotated[float, at.Lt(1.5)], "1", "1.5", "'value' must be less than 1.5"),
    (Annotated[Decimal, at.Le(Decimal("1.5"))], "1.5", "1.51", "'value' must be at most 1.5"),
    (Annotated[Decimal, at.Gt(0)], "0.01", "0", "'value' must be greater than 0"),
    (Annotated[int, at.Interval(ge=1, lt=3)], "2", "3", "'value' must be less than 3"),
    (Annotated[int, at.MultipleOf(5)], "10", "11", "'value' must be a multiple of 5"),
    (Annotated[float, at.MultipleOf(0.1)], "0.3", "0.35", "'value' must be a multiple of 0.1"),
    (Annotated[Decimal, at.MultipleOf(Decimal("0.05"))], "1.15", "1.16", ""),
    (Annotated[Decimal, at.MultipleOf(Decimal("0.05"))], "1", "1e300", ""),
    (Annotated[str, at.MinLen(2)], "ab", "a", "'value' must have a length of at least 2"),
    (Annotated[str, at.Len(1, 3)], "abc", "abcd", "'value' must have a length of at most 3"),
    (Annotated[str, at.Len(1)], "a" * 99, "", "'value' must have a length of at least 1"),
    (at.LowerCase[str], "ab", "aB", "'value' must satisfy islower"),
    (Annotated[float, at.Predicate(math.isfinite), at.Gt(2)], "3", "1", ""),
    (Annotated[date, at.Ge(date(2026, 1, 1))], "2026-01-01", "2025-12-31", ""),
    # A time without a zone can't be compared with one that has a zone.
    (Annotated[datetime, at.Gt(NEW_YEAR)], "2026-01-02T00:00Z", "2026-01-02", ""),
    (Annotated[list[int], at.MaxLen(1)], "1", "1&value=2", ""),
    (list[Annotated[int, at.Gt(0)]], "1&value=2", "1&value=0", "'value.1' must be greater than 0"),
    (Annotated[int, at.Gt(0)] | None, "", "0", "'value' must be greater than 0"),
    (Annotated[int | None, at.Gt(0)], "", "0", "'value' must be greater than 0"),
    (Positive, "1", "0", "'value' must be greater than 0"),
    (Annotated[Small, at.Gt(0), Even(), {}, "words"], "9", "10", "'value' must be less than 10"),
    (Annotated[int, msgspec.Meta(gt=0)], "1", "0", "'value': Expected `int` >= 1"),
    (Annotated[str, msgspec.Meta(pattern="^a+$")], "aa", "ab", ""),
    (Annotated[list[Positive], msgspec.Meta(min_length=2)], "1&value=2", "1", ""),
    (Annotated[list[Positive], msgspec.Meta(min_length=2)], "1&value=2", "1&value=0", ""),
    (Annotated[int, msgspec.Meta(gt=0), at.Lt(3)], "2", "3", ""),
    (Annotated[int, pydantic.Field(gt=0)], "1", "0", "'value': Input should be greater than 0"),
    (Annotated[int, pydantic.Field(gt=0), at.Lt(3)], "2", "3", ""),
    (Annotated[int, pydantic.Field(gt=0)] | None, "", "0", ""),
    (Annotated[int | None, pydantic.Field(gt=0)], "", "0", ""),
    (Email, "a@b", "ab", ""),
    (pydantic.conint(gt=0, lt=5), "4", "5", ""),
    (pydantic.PositiveInt, "4", "0", "'value' must be greater than 0"),
    (pydantic.constr(to_lower=True, max_length=2), "AB", "abc", ""),
    (Annotated[list[int], pydantic.Field(max_length=2)], "1&value=2", "1&value=2&value=3", ""),
    (Annotated[date, pydantic.BeforeValidator(with_dashes)], "2026.01.02", "x", ""),
    (Annotated[bool, pydantic.Field(description="a checkbox")], "on", "maybe", ""),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "kept", "broken", "words"), CASES, ids=count())
async def test_a_constraint_holds_in_a_query(annotation, kept, broken, words):
    client = Client(one(annotation))
    assert (await client.get(f"/?value={kept}")).status == 200
    answer = await client.get(f"/?value={broken}")
    assert (answer.status, SECRET in answer.text) == (400, False)
    assert answer.text == f"400 Bad Request: {words}" or not words


@pytest.mark.parametrize("base", ["dataclass", "typed dict"])
@pytest.mark.parametrize(("annotation", "kept", "broken", "words"), CASES, ids=count())
async def test_a_constraint_holds_in_a_field_of_a_form(base, annotation, kept, broken, words):
    if base == "dataclass":
        model: Any = dataclasses.make_dataclass("Model", [("value", annotation)])
    else:
        model = TypedDict("Model", {"value": annotation})  # noqa: UP013 - its annotation varies
    assert (await send_form(one(model), "/", f"value={kept}")).status == 200
    answer = await send_form(one(model), "/", f"value={broken}")
    assert answer.status == 400
    assert answer.text == f"400 Bad Request: {words}" or not words


@pytest.mark.parametrize(
    ("annotation", "good", "bad"),
    [
        (Annotated[int, at.Gt(0)], 1, 0),
        (Annotated[list[int], at.MinLen(1)], [1], []),
        (Annotated[dict[str, int], at.MaxLen(1)], {"a": 1}, {"a": 1, "b": 2}),
        (dict[str, Annotated[int, at.Gt(0)]], {"a": 1}, {"a": 0}),
        (dict[Annotated[str, at.MaxLen(2)], int], {"ab": 1}, {"abc": 1}),
        (list[dict[str, Annotated[int, at.Gt(0)] | None]], [{"a": None}], [{"a": 0}]),
        (Annotated[Any, at.Gt(0)], 1, "text"),
        (list[Annotated[int, pydantic.Field(gt=0)]], [1], [0]),
        (dict[str, Annotated[str, msgspec.Meta(max_length=2)]], {"a": "xx"}, {"a": "xxx"}),
    ],
)
async def test_a_constraint_holds_in_json(annotation, good, bad):
    assert (await send_json(one(annotation), "/", {"value": good})).status == 200
    assert (await send_json(one(annotation), "/", {"value": bad})).status == 400


class Cart(pydantic.BaseModel):
    items: list[int]


def not_empty(cart: Cart) -> Cart:
    if not cart.items:
        raise ValueError("must not be empty")
    return cart


@dataclasses.dataclass
class Span:
    low: int
    high: int


async def test_a_validator_of_pydantic_stands_around_a_model():
    app = one(Annotated[Cart, pydantic.AfterValidator(not_empty)])
    assert (await send_json(app, "/", {"items": [1]})).json["value"] == {"items": [1]}
    answer = await send_json(app, "/", {"items": []})
    assert (answer.status, answer.text) == refused("Value error, must not be empty")
    assert (await send_form(app, "/", "items=1&items=2")).json["value"] == {"items": [1, 2]}


@pytest.mark.parametrize("metadata", [pydantic.Field(title="x"), at.Predicate(bool), "words"])
async def test_what_is_annotated_stays_the_whole_body(metadata):
    class Site(App):
        async def cart(self, cart: Annotated[Cart, metadata]):
            return cart

        async def maybe(self, cart: Annotated[Cart | None, metadata]):
            return [cart]

        async def carts(self, carts: Annotated[list[Cart], metadata]):
            return carts

    app = Site()
    cart = {"items": [1]}
    assert (await send_json(app, "/cart", cart)).json == cart
    assert (await send_json(app, "/maybe", cart)).json == [cart]
    assert (await send_json(app, "/maybe", None)).json == [None]
    assert (await send_form(app, "/maybe", "items=1")).json == [cart]
    assert (await send_json(app, "/carts", [cart])).json == [cart]
    assert (await send_json(app, "/carts", {"carts": [cart]})).json == [cart]


async def test_a_predicate_stands_around_a_dataclass():
    app = one(Annotated[Span, at.Predicate(lambda span: span.low < span.high)])
    assert (await send_json(app, "/", {"low": 1, "high": 2})).status == 200
    assert (await send_form(app, "/", "low=1&high=2")).status == 200
    assert (await send_form(app, "/", "low=2&high=1")).status == 400


class Unknown(at.BaseMetadata):
    """A constraint that only its author knows."""


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[datetime, at.Timezone(None)],
        Annotated[int, Unknown()],
        list[Annotated[int, Unknown()]],
        Annotated[str, at.Gt(0)],
        Annotated[int, at.MinLen(1)],
        Annotated[str, at.MultipleOf(2)],
        Annotated[datetime, at.Timezone(None), pydantic.Field()],
        Annotated[int, pydantic.Field(default=3)],
        Annotated[int, pydantic.Field(default_factory=int)],
        list[Annotated[int, pydantic.Field(alias="number")]],
        Annotated[str, msgspec.Meta(gt=0)],
        Annotated[int, msgspec.Meta(gt=0), pydantic.Field(lt=3)],
        Annotated[list[Annotated[int, msgspec.Meta(gt=0)]], pydantic.Field(min_length=1)],
        Annotated[list[NewType("Metered", Annotated[int, msgspec.Meta(gt=0)])], pydantic.Field()],
        Annotated[UploadFile, at.MaxLen(1)],
        Annotated[UploadFile, pydantic.Field(description="a picture")],
    ],
    ids=count(),
)
def test_a_constraint_that_can_not_be_kept_is_refused_with_the_class(annotation):
    with pytest.raises(TypeError, match=r"^handler 'index', parameter 'value': "):

        class Site(App):
            async def index(self, value: annotation): ...

    model = dataclasses.make_dataclass("Model", [("value", annotation)])
    with pytest.raises(TypeError, match=r"^handler 'index', parameter 'model': "):

        class Other(App):
            async def index(self, model: model): ...


def test_a_field_of_pydantic_as_a_default_is_refused():
    with pytest.raises(TypeError, match=r"'amount': Field\(\) is not a default; use Annotated"):

        class Site(App):
            async def index(self, amount: int = pydantic.Field(gt=0)): ...

    @dataclasses.dataclass
    class Order:
        amount: int = pydantic.Field(gt=0)

    with pytest.raises(TypeError, match=r"'amount': Field\(\) is not a default"):

        class Shop(App):
            async def index(self, order: Order): ...


@pytest.mark.parametrize("field", [dataclasses.field(default=5), msgspec.field(default=5)])
def test_a_field_of_others_as_a_default_is_refused(field):
    with pytest.raises(TypeError, match=r"'amount': field\(\) is not a default outside of a model"):

        class Site(App):
            async def index(self, amount: int = field): ...


async def test_metadata_of_others_is_ignored_even_without_a_hash():
    for metadata in ({"unit": "cm"}, [1], Even(), "words", None, at.doc("words"), at.Unit("m")):
        answer = await Client(one(list[Annotated[int, metadata]])).get("/?value=1&value=2")
        assert answer.json["value"] == [1, 2]
        answer = await send_json(one(dict[str, Annotated[int, metadata]]), "/", {"value": {}})
        assert json.loads(answer.body)["value"] == {}
