"""Arguments out of a JSON body: values keep their JSON types, models take the whole object."""

import dataclasses
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from itertools import count
from typing import Annotated, Any, Literal, NotRequired, TypedDict
from uuid import UUID

import pytest

from micropie import App
from support.asgi import Answer, Client

pytestmark = pytest.mark.anyio

UNSET: Any = object()


class Color(Enum):
    RED = "red"
    FIVE = 5


class Taker:
    """An app whose `take` has one parameter `value`, annotated as said, and keeps what it got."""

    def __init__(self, annotation: Any = UNSET) -> None:
        self.got: Any = UNSET

        async def take(value):
            self.got = value

        if annotation is not UNSET:
            take.__annotations__["value"] = annotation
        app = App()
        app.take = take
        self.client = Client(app)

    async def post(self, document: Any, url: str = "/take") -> Answer:
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return await self.client.post(url, headers=headers, body=body)


GOOD = [
    (UNSET, {"a": [1, None]}, {"a": [1, None]}),
    (Any, 5, 5),
    (str, "x", "x"),
    (int, 5, 5),
    (int, 2**70, 2**70),
    (float, 5, 5.0),
    (float, 1.5, 1.5),
    (bool, True, True),
    (bytes, "é", b"\xc3\xa9"),
    (dict, {"a": 1}, {"a": 1}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (list, [1, "a"], [1, "a"]),
    (list[int], [1, 2], [1, 2]),
    (list[Color], ["red", 5], [Color.RED, Color.FIVE]),
    (list[int | None], [1, None], [1, None]),
    (list[int] | None, None, None),
    (UUID, "00000000-0000-0000-0000-000000000005", UUID(int=5)),
    (datetime, "2024-02-29T12:00:00Z", datetime(2024, 2, 29, 12, tzinfo=UTC)),
    (date, "2024-02-29", date(2024, 2, 29)),
    (time, "12:30", time(12, 30)),
    (Decimal, "1.10", Decimal("1.10")),
    (Decimal, 5, Decimal(5)),
    (Decimal, 0.1, Decimal("0.1")),
    (Color, 5, Color.FIVE),
    (Literal["a", 1], 1, 1),
    (int | None, None, None),
    (int | None, 5, 5),
    (str | None, "", ""),
    (Annotated[int, "x"], 5, 5),
]


@pytest.mark.parametrize(("annotation", "sent", "value"), GOOD, ids=count())
async def test_a_json_value_is_converted_or_kept(annotation, sent, value):
    taker = Taker(annotation)
    assert (await taker.post({"value": sent})).status == 204
    assert (type(taker.got), taker.got) == (type(value), value)


BAD = [
    (str, "a string", [5, None, True, [], {}]),
    (int, "an integer", ["5", 5.0, True, None, [5]]),
    (float, "a number", ["1.5", True, None, 10**400]),
    (bool, "a boolean", ["true", 1, 0, None]),
    (bytes, "a string", [5, None]),
    (dict, "an object", [[], "x", None]),
    (list[int], "a list, each item an integer", [5, "5", ["5"], [1, None], {}]),
    (UUID, "a UUID", [5, "x", None]),
    (datetime, "a date and time (ISO 8601)", [1700000000, "x"]),
    (date, "a date (ISO 8601)", [20240229, "2024-02-30"]),
    (time, "a time (ISO 8601)", [12, "25:00"]),
    (Decimal, "a decimal number", [True, None, "x", "NaN", [1]]),
    (Color, "one of 'red', '5'", ["5", "RED", 5.0, True, None]),
    (Literal[1], "one of '1'", [True, "1", 1.0]),
    (int | None, "an integer", ["5", ""]),
]
REFUSED = [(annotation, noun, sent) for annotation, noun, values in BAD for sent in values]


@pytest.mark.parametrize(("annotation", "noun", "sent"), REFUSED, ids=count())
async def test_a_json_value_of_another_type_is_a_400(annotation, noun, sent):
    taker = Taker(annotation)
    answer = await taker.post({"value": sent})
    assert (answer.status, answer.text) == (400, f"400 Bad Request: 'value' must be {noun}")
    assert taker.got is UNSET


async def test_a_missing_key_is_a_400():
    answer = await Taker(int).post({"other": 5})
    assert answer.text == "400 Bad Request: Missing required parameter 'value'"


@pytest.mark.parametrize("document", [[1], "x", 5, None, True])
async def test_a_document_that_is_no_object_has_no_keys(document):
    answer = await Taker(int).post(document)
    assert answer.text == "400 Bad Request: Missing required parameter 'value'"


async def test_path_and_query_win_over_the_body():
    taker = Taker(int)
    assert (await taker.post({"value": 1}, "/take/2?value=3")).status == 204
    assert taker.got == 2
    assert (await taker.post({"value": 1}, "/take?value=3")).status == 204
    assert taker.got == 3


async def test_kwargs_take_the_keys_that_are_left():
    class Catching(App):
        async def index(self, first, **others):
            return [first, others]

    body = json.dumps({"first": 1, "a": [2], "self": 3, "q": 4}).encode()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    answer = await Client(Catching()).post("/?q=5", headers=headers, body=body)
    assert answer.json == [1, {"a": [2], "q": "5"}]


# Models.


@dataclasses.dataclass
class Tag:
    name: str
    color: Color = Color.RED


@dataclasses.dataclass
class Entry:
    title: str
    stars: int
    when: date | None = None
    tags: list[Tag] = dataclasses.field(default_factory=list)
    note: Any = None
    slug: str = dataclasses.field(init=False, default="")

    def __post_init__(self):
        if self.stars > 5:
            raise ValueError("there are five stars at most")
        self.slug = self.title.lower()


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


async def test_a_dataclass_takes_the_whole_object():
    taker = Taker(Entry)
    document = {"title": "Pie", "stars": 5, "when": "2024-02-29", "tags": [{"name": "a"}], "x": 1}
    assert (await taker.post(document)).status == 204
    assert taker.got == Entry("Pie", 5, date(2024, 2, 29), [Tag("a")])


async def test_a_typed_dict_takes_the_whole_object():
    taker = Taker(Movie)
    assert (await taker.post({"title": "Pie", "year": 1998, "surplus": 1})).status == 204
    assert taker.got == {"title": "Pie", "year": 1998}
    assert (await taker.post({"title": "Pie"})).status == 204
    assert taker.got == {"title": "Pie"}


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ({}, "'stars' is missing; 'title' is missing"),
        ({"title": 5, "stars": "5"}, "'title' must be a string; 'stars' must be an integer"),
        ({"title": "x", "stars": 6}, "there are five stars at most"),
        ({"title": "x", "stars": 1, "when": "x"}, "'when' must be a date (ISO 8601)"),
        ([], "'value' must be an object"),
        ("x", "'value' must be an object"),
        (None, "'value' must be an object"),
    ],
)
async def test_an_object_that_does_not_fit_names_its_fields(document, problems):
    answer = await Taker(Entry).post(document)
    assert (answer.status, answer.text) == (400, f"400 Bad Request: {problems}")


async def test_a_problem_inside_of_a_list_of_models_names_the_list():
    answer = await Taker(Entry).post({"title": "x", "stars": 1, "tags": [{"name": 5}]})
    assert answer.status == 400
    assert "'tags'" in answer.text
    assert "'name' must be a string" in answer.text


@pytest.mark.parametrize("annotation", [Entry, Movie])
async def test_a_model_takes_the_whole_form(annotation):
    taker = Taker(annotation)
    body = b"title=Pie&stars=5&year=1998&title=second"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
    }
    assert (await taker.client.post("/take", headers=headers, body=body)).status == 204
    assert taker.got == (Entry("Pie", 5) if annotation is Entry else {"title": "Pie", "year": 1998})


@pytest.mark.parametrize("annotation", [Entry, Movie])
async def test_without_a_body_a_model_is_missing(annotation):
    answer = await Taker(annotation).client.get("/take?title=x")
    assert answer.text == "400 Bad Request: Missing required parameter 'value'"


async def test_a_model_takes_no_path_segment():
    class Shelf(App):
        async def put(self, movie: Movie, name: str):
            return [movie["title"], name]

    body = b'{"title": "Pie", "name": "x"}'
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    answer = await Client(Shelf()).post("/put/shelf", headers=headers, body=body)
    assert answer.json == ["Pie", "shelf"]


def test_a_model_with_a_field_that_nothing_converts_to_is_refused_at_construction():
    @dataclasses.dataclass
    class Wrong:
        value: complex

    class Site(App):
        async def take(self, wrong: Wrong): ...

    with pytest.raises(TypeError, match=r"handler 'take'.*parameter 'wrong'.*complex"):
        Site()
