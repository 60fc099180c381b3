"""Models whose JSON is an array, and null for a model that is optional."""

import dataclasses
from datetime import date
from typing import Annotated, TypedDict

import annotated_types as at
import msgspec
import pydantic
import pytest

from micropie import App
from support.asgi import Client
from support.binding import missing, refused, send_form, send_json

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Data:
    price: int


class Typed(TypedDict):
    price: int


class Struct(msgspec.Struct):
    price: int


class Model(pydantic.BaseModel):
    price: int


class Numbers(pydantic.RootModel[list[int]]):
    pass


class Row(msgspec.Struct, array_like=True):
    name: str
    price: int


KINDS = [Data, Typed, Struct, Model]
ARRAY = [{"price": 1}, {"price": 2}]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_only_list_of_models_takes_an_array(kind):
    class Site(App):
        async def index(self, items: list[kind], *, limit: int = 5):
            return [limit, items]

        async def optional(self, items: list[kind | None] | None = None):
            return items

        async def bounded(self, items: Annotated[list[kind], at.MaxLen(1)]):
            return items

        async def two(self, items: list[kind], others: list[kind]):
            return [items, others]

    app = Site()
    assert (await send_json(app, "/", ARRAY)).json == [5, ARRAY]
    assert (await send_json(app, "/?limit=3", {"items": ARRAY})).json == [3, ARRAY]
    assert (await send_json(app, "/", [])).json == [5, []]
    assert (await send_json(app, "/optional", [None, *ARRAY])).json == [None, *ARRAY]
    assert (await send_json(app, "/optional", {"items": None})).status == 204
    assert (await send_json(app, "/bounded", ARRAY)).status == 400
    assert (await send_json(app, "/bounded", ARRAY[:1])).json == ARRAY[:1]
    answer = await send_json(app, "/two", ARRAY)
    assert (answer.status, answer.text) == (400, missing("items"))
    assert (await send_json(app, "/two", {"items": ARRAY, "others": []})).json == [ARRAY, []]
    # No model is in a URL, so a segment is one too many.
    assert (await send_json(app, "/optional/segment", ARRAY)).json == ARRAY
    assert (await Client(app).post("/nowhere")).status == 404
    answer = await send_json(app, "/", [*ARRAY, 5])
    assert (answer.status, answer.text) == refused("'items' must be a list, each item an object")


async def test_a_list_of_other_values_is_no_body():
    class Site(App):
        async def index(self, numbers: list[int]):
            return numbers

    answer = await send_json(Site(), "/", [1, 2])
    assert (answer.status, answer.text) == (400, missing("numbers"))


async def test_a_model_of_an_array_is_the_body():
    class Site(App):
        async def numbers(self, numbers: Numbers):
            return numbers

        async def row(self, row: Row):
            return row

    app = Site()
    assert (await send_json(app, "/numbers", [1, 2])).json == [1, 2]
    answer = await send_json(app, "/numbers", [1, "x"])
    assert answer.text.startswith("400 Bad Request: '1': Input should be a valid integer")
    answer = await send_json(app, "/numbers", {"numbers": [1]})
    assert (answer.status, answer.text) == refused("Input should be a valid list")
    assert (await send_json(app, "/row", ["a", 1])).json == ["a", 1]
    assert (await send_json(app, "/row", {"name": "a"})).text == (
        "400 Bad Request: 'row' must be an array"
    )
    for url in ("/numbers", "/row"):
        assert (await send_form(app, url, "a=1")).status == 400


@pytest.mark.parametrize("kind", KINDS)
async def test_null_is_none_for_an_optional_model(kind):
    @dataclasses.dataclass
    class Inside:
        model: kind | None
        by_name: dict[str, kind | None]

    class Site(App):
        async def index(self, model: kind | None):
            return {"model": model}

        async def inside(self, inside: Inside):
            return inside

    app = Site()
    assert (await send_json(app, "/", None)).json == {"model": None}
    assert (await send_json(app, "/", {"price": 1})).json == {"model": {"price": 1}}
    body = {"model": None, "by_name": {"a": None, "b": {"price": 1}}}
    assert (await send_json(app, "/inside", body)).json == body
    # What is optional is not therefore absent.
    assert (await send_json(app, "/", {})).status == 400
    assert (await send_json(app, "/inside", {"by_name": {}})).status == 400


# What libraries read from JSON in their own way.


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    born: date


class StrictField(pydantic.BaseModel):
    born: date = pydantic.Field(strict=True)
    raw: bytes = b""
    model_config = pydantic.ConfigDict(val_json_bytes="base64")


class Scores(msgspec.Struct):
    scores: dict[int, str]


class Loose(pydantic.BaseModel):
    name: str

    @pydantic.model_validator(mode="before")
    @classmethod
    def from_text(cls, value):
        return {"name": value} if isinstance(value, str) else value


async def test_the_rules_of_a_library_hold_in_its_own_models():
    class Site(App):
        async def strict(self, model: Strict):
            return model

        async def field(self, model: StrictField):
            return [str(model.born), model.raw.decode()]

        async def parameter(self, day: Annotated[date, pydantic.Strict()]):
            return [day]

        async def scores(self, model: Scores):
            return model

        async def loose(self, model: Loose):
            return model

    app = Site()
    assert (await send_json(app, "/strict", {"born": "2001-02-03"})).json == {"born": "2001-02-03"}
    assert (await send_json(app, "/strict", {"born": 5})).status == 400
    answer = await send_json(app, "/field", {"born": "2001-02-03", "raw": "cGll"})
    if not pydantic.VERSION.startswith("2.0"):  # which does not decode it
        assert answer.json == ["2001-02-03", "pie"]
    assert (await send_json(app, "/parameter", {"day": "2001-02-03"})).json == ["2001-02-03"]
    assert (await send_json(app, "/parameter", {"day": 5})).status == 400
    assert (await send_json(app, "/scores", {"scores": {"1": "a"}})).json == {"scores": {"1": "a"}}
    answer = await send_json(app, "/scores", {"scores": {"x": "a"}})
    assert answer.text == "400 Bad Request: 'scores': Expected `int`, got `str`"
    assert (await send_json(app, "/loose", "Ada")).json == {"name": "Ada"}
    assert (await send_json(app, "/loose", 5)).text == "400 Bad Request: 'model' must be an object"
