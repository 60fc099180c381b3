"""Every kind of annotation in every place, in JSON, path, query and form.

The tables are generated. Where pydantic knows a type, its strict validation says what is right.
"""

import dataclasses
import enum
import json
import sys
import typing
import uuid
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal, NewType
from urllib.parse import quote, urlencode

import msgspec
import pydantic
import pydantic.dataclasses
import pytest
import typing_extensions

from micropie import App
from support.asgi import Client
from support.binding import send_form, send_json

pytestmark = [
    pytest.mark.anyio,
    # Hundreds of adapters around one model exceed the recursion that it can stand.
    pytest.mark.skipif(pydantic.VERSION.startswith("2.0"), reason="pydantic 2.0 fails by itself"),
]


class Color(enum.Enum):
    RED = "red"
    THREE = 3


class Shade(enum.StrEnum):
    DARK = "dark"


class Careless(enum.Enum):
    """Takes its values in capitals, too."""

    RED = "red"

    @classmethod
    def _missing_(cls, value):
        return cls.RED if value == "RED" else None


@dataclasses.dataclass
class Data:
    price: int


# pydantic needs this one before Python 3.12.
class Typed(typing_extensions.TypedDict):
    price: int


class Struct(msgspec.Struct):
    price: int


class Array(msgspec.Struct, array_like=True):
    price: int


class Model(pydantic.BaseModel):
    price: int


@pydantic.dataclasses.dataclass
class ModelData:
    price: int


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Prices(pydantic.RootModel[dict[str, int]]):
    pass


UserId = NewType("UserId", int)
Alias = typing_extensions.TypeAliasType("Alias", int)
ModelAlias = typing_extensions.TypeAliasType("ModelAlias", Data)
OptionalAlias = typing_extensions.TypeAliasType("OptionalAlias", int | None)

IDENTITY = "12345678-1234-5678-1234-567812345678"
OBJECT = {"price": 3}

# Each kind: its annotation, a value as JSON has it, and what a handler gets.
KINDS: dict[str, tuple[Any, Any, Any]] = {
    "str": (str, "red", "red"),
    "int": (int, 3, 3),
    "float": (float, 1.5, 1.5),
    "bool": (bool, True, True),
    "bytes": (bytes, "abc", b"abc"),
    "uuid": (uuid.UUID, IDENTITY, uuid.UUID(IDENTITY)),
    "date": (date, "2026-02-28", date(2026, 2, 28)),
    "time": (time, "12:30:05", time(12, 30, 5)),
    "datetime": (datetime, "2026-02-28T12:30:05", datetime(2026, 2, 28, 12, 30, 5)),
    "decimal": (Decimal, "1.50", Decimal("1.50")),
    "enum": (Shade, "dark", Shade.DARK),
    "enum that finds others": (Careless, "RED", Careless.RED),
    "mixed enum": (Color, 3, Color.THREE),
    "literal": (Literal["a", 3], 3, 3),
    "literal of a boolean": (Literal["a", True], True, True),
    "literal of a member": (Literal[Shade.DARK], "dark", Shade.DARK),
    "literal with None": (Literal["a", None], "a", "a"),
    "newtype": (UserId, 3, UserId(3)),
    "alias": (Alias, 3, 3),
    "alias of an optional": (OptionalAlias, 3, 3),
    "alias of a model": (ModelAlias, OBJECT, Data(3)),
    "dataclass": (Data, OBJECT, Data(3)),
    "typed dict": (Typed, OBJECT, {"price": 3}),
    "struct": (Struct, OBJECT, Struct(3)),
    "array struct": (Array, [3], Array(3)),
    "pydantic": (Model, OBJECT, Model(price=3)),
    "pydantic dataclass": (ModelData, OBJECT, ModelData(price=3)),
    "root of a list": (Numbers, [1, 2], Numbers([1, 2])),
    "root of a dict": (Prices, {"a": 1}, Prices({"a": 1})),
}
if sys.version_info >= (3, 12):
    words: dict[str, Any] = {}
    exec("type Word = int", words)  # a syntax that Python 3.11 does not have
    KINDS["type statement"] = (words["Word"], 3, 3)

MODELS = [kind for kind, (_, good, _) in KINDS.items() if isinstance(good, dict | list)]
SCALARS = [kind for kind in KINDS if kind not in MODELS]


def holder(base: str, annotation: Any) -> Any:
    """Return a model of that library with one field, `value`."""
    if base == "dataclass":
        return dataclasses.make_dataclass("Holder", [("value", annotation)])
    if base == "typed dict":
        return typing_extensions.TypedDict("Holder", {"value": annotation})
    if base == "struct":
        return msgspec.defstruct("Holder", [("value", annotation)])
    return pydantic.create_model("Holder", value=(annotation, ...))


# Each place: an annotation around another, JSON around a value of it, what a handler gets.
PLACES: dict[str, tuple[Any, Any, Any]] = {
    "alone": (lambda a: a, lambda v: v, lambda v: v),
    "optional": (lambda a: a | None, lambda v: v, lambda v: v),
    "list": (lambda a: list[a], lambda v: [v, v], lambda v: [v, v]),
    "list of optional": (lambda a: list[a | None], lambda v: [v, None], lambda v: [v, None]),
    "list of lists": (lambda a: list[list[a]], lambda v: [[v], []], lambda v: [[v], []]),
    "dict": (lambda a: dict[str, a], lambda v: {"k": v}, lambda v: {"k": v}),
    "dict of lists": (lambda a: dict[str, list[a]], lambda v: {"k": [v]}, lambda v: {"k": [v]}),
    "annotated": (lambda a: typing.Annotated[a, {"un": "hashable"}], lambda v: v, lambda v: v),
    "newtype": (lambda a: NewType("Named", a), lambda v: v, lambda v: v),
    "optional list": (lambda a: list[a] | None, lambda v: [v], lambda v: [v]),
    "optional dict": (lambda a: dict[str, a] | None, lambda v: {"k": v}, lambda v: {"k": v}),
}

WRONG = [None, True, 7, 1.25, "zzz", "", [], ["zzz"], {}, {"price": "zzz"}, {"price": None}, [None]]


class Taker:
    """An App that keeps what its handler got for the parameter `value`."""

    def __init__(self, annotation: Any) -> None:
        taker = self

        class Taking(App):
            async def index(self, value: annotation):
                taker.got = value

        self.app = Taking()

    async def json(self, value: Any) -> Any:
        """Return what a key of a JSON object becomes, or ... if it is refused."""
        answer = await send_json(self.app, "/", value)
        assert answer.status in (204, 400), answer.text
        return self.got if answer.status == 204 else ...

    async def form(self, text: str) -> Any:
        answer = await send_form(self.app, "/", urlencode({"value": text}))
        assert answer.status in (204, 400), answer.text
        return self.got if answer.status == 204 else ...

    async def url(self, text: str, where: str) -> Any:
        url = "/" + quote(text, safe="") if where == "path" else "/?" + urlencode({"value": text})
        answer = await Client(self.app).get(url)
        assert answer.status in (204, 400), answer.text
        return self.got if answer.status == 204 else ...


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def by_pydantic(annotation: Any, value: Any) -> Any:
    """Return what pydantic makes of JSON, and ... if it refuses it."""
    try:
        return pydantic.TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except pydantic.ValidationError:
        return ...


def is_whole(kind: str, place: str) -> bool:
    """Tell whether it is a model, and so the whole body."""
    return kind in MODELS and place in ("alone", "optional", "annotated", "newtype")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_value_of_json_is_what_the_annotation_says_in_every_place(kind, place):
    annotation, good, expected = KINDS[kind]
    around, body, got = PLACES[place]
    taker = Taker(around(annotation))
    wrap = (lambda v: v) if is_whole(kind, place) else (lambda v: {"value": v})
    assert same(await taker.json(wrap(body(good))), got(expected))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
async def test_json_is_taken_and_refused_as_pydantic_does_it(kind, place):
    annotation, good, _ = KINDS[kind]
    if annotation in (Struct, Array):
        pytest.skip("pydantic does not know msgspec")
    around, body, _ = PLACES[place]
    taker = Taker(around(annotation))
    wrap = (lambda v: v) if is_whole(kind, place) else (lambda v: {"value": v})
    for value in (good, *WRONG):
        for sent in (body(value), value):
            ours, theirs = await taker.json(wrap(sent)), by_pydantic(around(annotation), sent)
            assert same(ours, theirs), (sent, ours, theirs)


# What a library's own model does in its own way: bytes of msgspec are base64, for one, and it knows
# neither pydantic's models nor all of typing.
OWN_WAYS = {
    ("pydantic", "struct"),
    ("pydantic", "array struct"),
    *(("struct", kind) for kind in ("bytes", "mixed enum", "pydantic")),
    *(("struct", kind) for kind in KINDS if kind.startswith(("alias", "root", "literal of"))),
}
FIELDS = [
    (base, kind)
    for base in ("dataclass", "typed dict", "struct", "pydantic")
    for kind in KINDS
    if (base, kind) not in OWN_WAYS
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("base", "kind"), FIELDS)
async def test_a_field_is_what_the_annotation_says_in_every_model(base, kind, place):
    annotation, good, expected = KINDS[kind]
    around, body, got = PLACES[place]
    taker = Taker(holder(base, around(annotation)))
    found = await taker.json({"value": body(good)})
    assert same(found["value"] if base == "typed dict" else found.value, got(expected))
    if place.startswith("optional"):
        found = await taker.json({"value": None})
        assert (found["value"] if base == "typed dict" else found.value) is None


@pytest.mark.parametrize("where", ["path", "query", "form"])
@pytest.mark.parametrize("place", ["alone", "optional", "list", "annotated", "newtype"])
@pytest.mark.parametrize("kind", SCALARS)
async def test_text_is_converted_alike_in_path_query_and_form(kind, place, where):
    annotation, good, expected = KINDS[kind]
    taker = Taker(PLACES[place][0](annotation))
    text = json.dumps(good).strip('"')
    send = taker.form if where == "form" else lambda text: taker.url(text, where)
    got = [expected] if place == "list" else expected
    assert same(await send(text), got)


@pytest.mark.parametrize("place", ["alone", "optional", "list", "optional list", "annotated"])
@pytest.mark.parametrize("kind", [kind for kind in SCALARS if kind != "bytes"])
async def test_a_form_is_the_same_for_the_models_of_all_libraries(kind, place):
    annotation, good, _ = KINDS[kind]
    around = PLACES[place][0]
    bases = [base for base, known in FIELDS if known == kind]
    takers = {base: Taker(holder(base, around(annotation))) for base in bases}
    for text in (json.dumps(good).strip('"'), "", "zzz", "on", "off"):
        found = {base: await taker.form(text) for base, taker in takers.items()}
        values = [
            model if model is ... else model["value"] if base == "typed dict" else model.value
            for base, model in found.items()
        ]
        assert all(same(value, values[0]) for value in values), (text, found)
        if place == "optional" and text == "" and annotation is not str:
            assert values[0] is None
