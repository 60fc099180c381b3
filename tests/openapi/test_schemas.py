"""Annotations as JSON Schema."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NewType, NotRequired, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MaxLen, MinLen, MultipleOf, Predicate

from micropie import App, route
from support.openapi import document_of


class Level(Enum):
    LOW = 1
    HIGH = "high"


Id = NewType("Id", int)

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
NULL = {"type": "null"}


def components_of(*annotations: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the schemas of results, and the components of their document."""
    handlers = {}
    for number, annotation in enumerate(annotations):

        async def it(self): ...

        it.__annotations__["return"] = annotation
        handlers[f"h{number}"] = route.get(f"/{number}")(it)
    document = document_of(type("It", (App,), handlers)())
    schemas = [
        document["paths"][f"/{number}"]["get"]["responses"]["200"]["content"]["application/json"]
        for number in range(len(annotations))
    ]
    return [each["schema"] for each in schemas], document["components"].get("schemas", {})


def array(items):
    return {"type": "array", "items": items}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (int, INTEGER),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (datetime, {**STRING, "format": "date-time"}),
        (date, {**STRING, "format": "date"}),
        (time, {**STRING, "format": "time"}),
        (UUID, {**STRING, "format": "uuid"}),
        (Level, {"enum": [1, "high"]}),
        (Literal["a", 2], {"enum": ["a", 2]}),
        (Id, INTEGER),
        (list[str], {"type": "array", "items": STRING}),
        (list, {"type": "array", "items": {}}),
        (dict[str, int], {"type": "object", "additionalProperties": INTEGER}),
        (dict, {"type": "object"}),
        (list[int | None], {"type": "array", "items": {"anyOf": [INTEGER, NULL]}}),
        (Annotated[int, Ge(1), Lt(9)], {**INTEGER, "minimum": 1, "exclusiveMaximum": 9}),
        (Annotated[int, Interval(gt=0, le=5)], {**INTEGER, "exclusiveMinimum": 0, "maximum": 5}),
        (Annotated[float, Gt(0), Le(1)], {"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        (Annotated[int, MultipleOf(3)], {**INTEGER, "multipleOf": 3}),
        (list[Annotated[str, Len(1, 3)]], array({**STRING, "minLength": 1, "maxLength": 3})),
        (Annotated[list[int], MinLen(2)], array(INTEGER) | {"minItems": 2}),
        (Annotated[dict, MaxLen(2)], {"type": "object", "maxProperties": 2}),
        (Annotated[int, Predicate(bool), "words"], INTEGER),
        (Annotated[date, Ge(date(2000, 1, 1))], {**STRING, "format": "date"}),
        (Annotated[int, msgspec.Meta(ge=1)], {**INTEGER, "minimum": 1}),
        (Annotated[int, pydantic.Field(ge=1)], {**INTEGER, "minimum": 1}),
    ],
)  # fmt: skip
def test_an_annotation_has_its_schema(annotation, schema):
    assert components_of(annotation)[0] == [schema]


def test_a_decimal_is_a_string_or_a_number():
    (schema,), _ = components_of(Decimal)
    assert schema["type"] == ["string", "number"]


@dataclass
class Branch:
    """Branches, which may have more."""

    name: str
    more: "list[Branch]" = field(default_factory=list)
    length: Annotated[int, Ge(1)] = 3


class Leaf(TypedDict):
    colour: str
    shape: NotRequired[Literal["round", "long"]]


class Flower(msgspec.Struct):
    petals: Annotated[int, msgspec.Meta(ge=3)]


class Seed(pydantic.BaseModel):
    size: int


class Fruit(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=9)
    seeds: list[Seed] = []


def test_a_dataclass_is_a_component_and_may_contain_itself():
    (schema,), components = components_of(list[Branch])
    assert schema["items"] == {"$ref": "#/components/schemas/Branch"}
    branch = components["Branch"]
    assert branch["description"] == "Branches, which may have more."
    assert branch["required"] == ["name"]
    assert branch["properties"]["more"]["items"] == schema["items"]
    assert branch["properties"]["length"] == {"type": "integer", "minimum": 1, "default": 3}


def test_a_typed_dict_knows_what_is_not_required():
    _, components = components_of(Leaf)
    assert components["Leaf"]["required"] == ["colour"]


def test_models_of_libraries_are_as_those_describe_them():
    (flower, fruit), components = components_of(Flower, dict[str, Fruit])
    assert flower == {"$ref": "#/components/schemas/Flower"}
    assert fruit["additionalProperties"] == {"$ref": "#/components/schemas/Fruit"}
    assert components["Flower"]["properties"]["petals"]["minimum"] == 3
    assert components["Fruit"]["properties"]["name"]["maxLength"] == 9
    assert "Seed" in components


def test_models_of_one_name_stay_apart():
    def other() -> type:
        @dataclass
        class Leaf:
            number: int

        return Leaf

    def third() -> type:
        class Leaf(msgspec.Struct):
            word: str

        return Leaf

    schemas, components = components_of(Leaf, other(), third())
    assert len({schema["$ref"] for schema in schemas}) == 3
    properties = [
        set(components[schema["$ref"].rpartition("/")[2]]["properties"]) for schema in schemas
    ]
    assert properties == [{"colour", "shape"}, {"number"}, {"word"}]


def test_a_default_stays_with_a_model_that_is_described_later():
    @route.get("/x")
    async def it(self, *, count: Annotated[int, pydantic.Field(ge=1)] = 4): ...

    operation = document_of(type("It", (App,), {"it": it})())["paths"]["/x"]["get"]
    assert operation["parameters"][0]["schema"] == {"type": "integer", "minimum": 1, "default": 4}


def test_a_class_that_nobody_knows_allows_everything():
    class Odd:
        pass

    assert components_of(list[Odd])[0] == [{"type": "array", "items": {}}]


def test_what_pydantic_takes_and_gives_may_differ():
    class Cup(pydantic.BaseModel):
        size: int = 3

        @pydantic.computed_field
        @property
        def litres(self) -> float:
            return self.size / 10

    @route.post("/x")
    async def it(self, cup: Cup) -> Cup: ...

    document = document_of(type("It", (App,), {"it": it})())
    operation = document["paths"]["/x"]["post"]
    models = document["components"]["schemas"]
    taken = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    given = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert "litres" not in models[taken.rpartition("/")[2]]["properties"]
    assert "litres" in models[given.rpartition("/")[2]]["properties"]
