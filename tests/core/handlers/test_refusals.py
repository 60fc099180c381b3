"""What a 400 says of a value that does not fit: fields as data, and why a body gave nothing."""

import dataclasses
from typing import Annotated, TypedDict

import annotated_types as at
import msgspec
import pydantic
import pytest

from micropie import App, HTTPError
from support.asgi import Client
from support.binding import SECRET, missing, send, send_form, send_json, send_parts
from support.bodies import FORM, JSON, text_part

pytestmark = pytest.mark.anyio


@dataclasses.dataclass
class Item:
    price: Annotated[float, at.Gt(0)]
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Order:
    items: list[Item]
    by_name: dict[str, Item] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not self.items:
            raise ValueError("an order needs items")


class TypedOrder(TypedDict):
    items: list[Item]


class StructItem(msgspec.Struct):
    price: float


class StructOrder(msgspec.Struct):
    items: list[StructItem]
    by_name: dict[str, StructItem] = {}


class ModelItem(pydantic.BaseModel):
    price: float


class ModelOrder(pydantic.BaseModel):
    items: list[ModelItem]
    by_name: dict[str, ModelItem] = {}


class Shop(App):
    async def order(self, order: Order): ...

    async def typed(self, order: TypedOrder): ...

    async def struct(self, order: StructOrder): ...

    async def model(self, order: ModelOrder): ...

    async def many(self, items: list[Item]): ...

    async def count(self, number: int): ...

    async def bounded(self, number: Annotated[int, at.Gt(0)]): ...

    async def named(self, name): ...

    async def two(self, name, order: Order): ...


@pytest.fixture
def caught(monkeypatch):
    """The HTTPErrors that are made while the test runs."""
    errors = []
    initialize = HTTPError.__init__

    def remember(self, *args, **kwargs):
        initialize(self, *args, **kwargs)
        errors.append(self)

    monkeypatch.setattr(HTTPError, "__init__", remember)
    return errors


BAD_ITEMS = {"items": [{"price": 1}, {"price": SECRET}], "by_name": {SECRET: {}}}


@pytest.mark.parametrize(
    ("url", "messages"),
    [
        ("/order", ["must be a number", "is missing"]),
        ("/typed", ["must be a number"]),
        ("/struct", ["Expected `float`, got `str`"]),
        (
            "/model",
            [
                "Input should be a valid number, unable to parse string as a number",
                "Field required",
            ],
        ),
    ],
)
async def test_the_errors_of_a_model_have_the_path_of_each_field(url, messages, caught):
    answer = await send_json(Shop(), url, BAD_ITEMS)
    assert answer.status == 400
    (error,) = caught
    fields = ["items.1.price", "by_name.*.price"][: len(messages)]
    assert error.errors == [
        {"field": field, "message": message}
        for field, message in zip(fields, messages, strict=True)
    ]
    assert all(f"'{field}'" in answer.text for field in fields)


@pytest.mark.parametrize(
    ("url", "body", "errors"),
    [
        ("/order", {}, [("items", "is missing")]),
        ("/order", {"items": []}, [("", "an order needs items")]),
        ("/order", {"items": [{"price": 0}]}, [("items.0.price", "must be greater than 0")]),
        ("/order", {"items": 5}, [("items", "must be a list, each item an object")]),
        ("/struct", {}, [("items", "Object missing required field `items`")]),
        ("/struct", {"items": [{}]}, [("items.0.price", "Object missing required field `price`")]),
        ("/model", {}, [("items", "Field required")]),
        ("/many", [{"price": 1}, {}], [("1.price", "is missing")]),
        ("/many", {"items": [{}]}, [("0.price", "is missing")]),
        # No fields, no errors of fields.
        ("/order", 5, []),
        ("/count", {"number": "x"}, []),
        ("/count", {}, []),
        ("/bounded", {"number": 0}, []),
    ],
)
async def test_errors_tell_what_is_wrong_with_each_field(url, body, errors, caught):
    assert (await send_json(Shop(), url, body)).status == 400
    assert caught[-1].errors == [{"field": path, "message": message} for path, message in errors]


def test_an_error_of_ones_own_has_no_errors_until_it_gets_some():
    error, other = HTTPError(422), HTTPError(404)
    error.errors.append({"field": "a", "message": "is odd"})
    assert (len(error.errors), other.errors) == (1, [])


# Bodies that were not parsed.


@pytest.mark.parametrize("url", ["/named", "/order", "/many", "/count"])
@pytest.mark.parametrize("kind", ["text/plain", "text/json", "", f"{SECRET}/x", "application/xml"])
async def test_a_body_that_is_not_parsed_is_told_apart_from_none(url, kind):
    answer = await send(Shop(), url, b'{"name": "x", "items": [], "number": 1}', kind)
    name = {"/named": "name", "/order": "order", "/many": "items", "/count": "number"}[url]
    assert answer.status == 400
    assert answer.text.startswith(missing(name) + ": a body of this type is not parsed, only ")
    for parsed in (JSON, FORM, "multipart/form-data"):
        assert parsed in answer.text
    assert SECRET not in answer.text


@pytest.mark.parametrize("url", ["/named", "/order", "/typed", "/struct", "/model", "/count"])
async def test_json_that_came_as_a_form_is_noticed(url):
    answer = await send(Shop(), url, b' {"name": "%s", "items": []}' % SECRET.encode(), FORM)
    assert answer.status == 400
    assert answer.text.endswith(
        f": the body looks like JSON, and came as {FORM}; send it as {JSON}"
    )


async def test_a_body_that_was_parsed_gets_no_such_hint():
    for answer in (
        await send_json(Shop(), "/named", {}),
        await send_form(Shop(), "/named", "a=b"),
        await send_parts(Shop(), "/named", text_part("a", "b")),
        await send(Shop(), "/named", b"", "text/plain"),
        await Client(Shop()).get("/named"),
    ):
        assert (answer.status, answer.text) == (400, missing("name"))


async def test_a_body_is_no_excuse_for_a_value_of_the_url():
    answer = await send(Shop(), "/count?number=x", b"{}", "text/plain")
    assert answer.text == "400 Bad Request: 'number' must be an integer"


async def test_a_default_still_stands_for_a_body_that_is_not_parsed():
    class Site(App):
        async def index(self, order: Order | None = None, name="none"):
            return [name, order]

    answer = await send(Site(), "/", b"{}", "text/plain")
    assert answer.json == ["none", None]
