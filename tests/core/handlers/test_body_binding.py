"""Arguments out of bodies: form fields, JSON keys, files, and models of a whole body."""

import enum
import json
import types
import uuid
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, NotRequired, Optional, Required, TypedDict

import msgspec
import pydantic
import pytest
import typing_extensions

from micropie import App, UploadFile
from support.asgi import Client
from support.future_annotations import BodyHandlers as FutureBodyHandlers

pytestmark = pytest.mark.anyio

# Turns up in no response, whatever is wrong with it.
SECRET = "hunter2-SECRET"


def missing(name: str) -> str:
    return f"400 Bad Request: Missing required parameter '{name}'"


def refused(problem: str) -> tuple[int, str]:
    return 400, f"400 Bad Request: {problem}"


async def send(app: App, url: str, body: bytes, content_type: str, method: str = "POST"):
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    answer = await Client(app).request(method, url, headers=headers, body=body)
    assert answer.status < 500
    if answer.status != 200:
        assert SECRET not in answer.text
    return answer


async def send_json(app: App, url: str, value: Any, method: str = "POST"):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return await send(app, url, body, "application/json", method)


async def send_form(app: App, url: str, body: str, method: str = "POST"):
    return await send(app, url, body.encode(), "application/x-www-form-urlencoded", method)


def part(name: str, content: str, filename: str | None = None) -> str:
    file = "" if filename is None else f'; filename="{filename}"'
    return f'--pie\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n{content}\r\n'


async def send_parts(app: App, url: str, *parts: str, method: str = "POST"):
    body = ("".join(parts) + "--pie--\r\n").encode()
    return await send(app, url, body, "multipart/form-data; boundary=pie", method)


def one(annotation: Any, default: Any = ...) -> App:
    """Return an App whose index takes `value` of this annotation, and shows what it got."""

    class One(App):
        async def index(self, *, value):
            return {"type": type(value).__name__, "value": value}

    function = One.index
    function.__annotations__["value"] = annotation
    if default is not ...:
        function.__kwdefaults__ = {"value": default}
    return One()


async def bound(app: App, value: Any) -> Any:
    """Return what the parameter `value` is for that value of a JSON body."""
    answer = await send_json(app, "/", {"value": value})
    return answer.json["value"] if answer.status == 200 else answer.text


class Handlers(App):
    async def three(self, first, second, third="default"):
        return [first, second, third]

    async def number(self, number: int):
        return number

    async def keyword(self, *, size: int, color="red"):
        return [size, color]

    async def rest(self, first="none", **others):
        return [first, others]

    async def rest_numbers(self, **numbers: int):
        return numbers

    async def positional(self, name, /, **others):
        return [name, others]

    async def lists(self, tags: list[str]):
        return tags

    async def numbers(self, numbers: list[int] = ()):
        return list(numbers)

    async def file(self, file: UploadFile):
        return [file.filename, (await file.read()).decode()]

    async def files(self, files: list[UploadFile]):
        return [file.filename for file in files]

    async def optional_file(self, file: UploadFile | None = None):
        return file.filename if file else "no file"

    async def optional_files(self, files: list[UploadFile] | None = None):
        return [file.filename for file in files or ()]

    async def plain_file(self, file):
        return file if isinstance(file, str) else [file.filename]

    async def text_and_file(self, segment, text, file: UploadFile, number: int):
        return [segment, text, file.filename, number]


# Forms.


async def test_spec_submit_default_values():
    class MyApp(App):
        async def submit_default_values(self, username="Anonymous"):
            return f"Form submitted by: {username}"

    answer = await send_form(MyApp(), "/submit_default_values", "username=Ada")
    assert answer.text == "Form submitted by: Ada"
    answer = await send_json(MyApp(), "/submit_default_values", {"username": "Ada"})
    assert answer.text == "Form submitted by: Ada"
    answer = await send_form(MyApp(), "/submit_default_values", "other=Ada")
    assert answer.text == "Form submitted by: Anonymous"
    assert (await Client(MyApp()).post("/submit_default_values")).text == (
        "Form submitted by: Anonymous"
    )


async def test_spec_submit_catch_all():
    class MyApp(App):
        async def submit_catch_all(self):
            username = self.request.body_params.get("username", ["Anonymous"])[0]
            return f"Submitted by: {username}"

    for answer in (
        await send_form(MyApp(), "/submit_catch_all", "username=Ada"),
        await send_json(MyApp(), "/submit_catch_all", {"username": "Ada"}),
        await send_parts(MyApp(), "/submit_catch_all", part("username", "Ada")),
    ):
        assert answer.text == "Submitted by: Ada"
    for answer in (
        await Client(MyApp()).get("/submit_catch_all"),
        await send(MyApp(), "/submit_catch_all", b"username=Ada", "text/plain"),
    ):
        assert answer.text == "Submitted by: Anonymous"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
async def test_parameters_bind_from_the_body_whatever_the_method(method):
    app = Handlers()
    assert (await send_form(app, "/number", "number=5", method)).json == 5
    assert (await send_json(app, "/number", {"number": 5}, method)).json == 5
    assert (await send_parts(app, "/number", part("number", "5"), method=method)).json == 5


async def test_the_query_beats_the_body_and_the_path_beats_both():
    app = Handlers()
    for sender, body in ((send_form, "first=b&second=b&third=b"), (send_json, None)):
        body = body or {"first": "b", "second": "b", "third": "b"}
        answer = await sender(app, "/three/p?first=q&second=q", body)
        assert answer.json == ["p", "q", "b"]


async def test_the_body_beats_the_default():
    assert (await send_form(Handlers(), "/three/a/b", "third=")).json == ["a", "b", ""]


async def test_of_repeated_fields_a_single_parameter_takes_the_first():
    answer = await send_form(Handlers(), "/three", "first=1&second=x&first=2")
    assert answer.json == ["1", "x", "default"]


async def test_a_form_field_is_converted_as_a_query_value_is():
    app = Handlers()
    assert (await send_form(app, "/number", "number=5")).json == 5
    answer = await send_form(app, "/number", f"number={SECRET}")
    assert (answer.status, answer.text) == refused("'number' must be an integer")


async def test_a_parameter_that_is_nowhere_is_a_400():
    for answer in (
        await send_form(Handlers(), "/number", "numbers=5"),
        await send_json(Handlers(), "/number", {}),
        await send_json(Handlers(), "/number", [1]),
        await send_parts(Handlers(), "/number", part("Number", "5")),
        await send(Handlers(), "/number", b"number=5", "text/plain"),
    ):
        assert (answer.status, answer.text) == (400, missing("number"))


# JSON, whose values have types of their own.


def shown(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else ascii(value)[:40]


NATIVE = [
    (str, ["", "a", "5", "Zoë"], [5, 1.5, True, None, ["a"], {}]),
    (int, [0, -5, 10**30], ["5", 5.0, 1.5, True, False, None, [5], {}, ""]),
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


@pytest.mark.parametrize(
    ("annotation", "value"),
    [(kind, value) for kind, _, bad in NATIVE for value in bad],
    ids=shown,
)
async def test_json_values_of_another_type_are_a_400(annotation, value):
    answer = await send_json(one(annotation), "/", {"value": value})
    assert answer.status == 400
    assert answer.text.startswith("400 Bad Request: 'value' must be ")


class Color(enum.Enum):
    RED = "red"
    ONE = 1


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


# Lists, keyword-only parameters and the rest.


async def test_a_list_takes_all_fields_of_its_name():
    app = Handlers()
    assert (await send_form(app, "/lists", "tags=a&x=y&tags=b&tags=")).json == ["a", "b", ""]
    assert (await send_form(app, "/numbers", "numbers=1&numbers=2")).json == [1, 2]
    assert (await send_form(app, "/numbers", "x=1")).json == []
    parts = [part("numbers", "1"), part("numbers", "2")]
    assert (await send_parts(app, "/numbers", *parts)).json == [1, 2]
    answer = await send_form(app, "/numbers", f"numbers=1&numbers={SECRET}")
    assert (answer.status, answer.text) == refused("'numbers' must be a list, each item an integer")


async def test_a_list_takes_a_json_array():
    app = Handlers()
    assert (await send_json(app, "/lists", {"tags": ["a", "b"]})).json == ["a", "b"]
    assert (await send_json(app, "/lists", {"tags": []})).json == []
    answer = await send_json(app, "/lists", {"tags": SECRET})
    assert (answer.status, answer.text) == refused("'tags' must be a list, each item a string")


async def test_a_list_in_the_query_hides_the_one_in_the_body():
    assert (await send_form(Handlers(), "/lists?tags=q", "tags=a&tags=b")).json == ["q"]


async def test_keyword_only_parameters_bind_from_the_body():
    app = Handlers()
    assert (await send_form(app, "/keyword/9", "size=5&color=blue")).json == [5, "blue"]
    assert (await send_json(app, "/keyword", {"size": 5})).json == [5, "red"]
    assert (await send_json(app, "/keyword", {"color": "x"})).text == missing("size")


async def test_kwargs_take_what_is_left_of_query_and_body():
    app = Handlers()
    answer = await send_form(app, "/rest?a=q", "first=x&a=b&b=b&b=c&self=s")
    assert answer.json == ["x", {"a": "q", "b": "b"}]
    answer = await send_json(app, "/rest", {"a": [1], "b": None, "self": 1, "": 2, "a b": 3})
    assert answer.json == ["none", {"a": [1], "b": None, "": 2, "a b": 3}]
    answer = await send_json(app, "/positional", {"name": "Ada", "x": 1})
    assert answer.json == ["Ada", {"x": 1}]


async def test_kwargs_are_converted_and_named_when_they_do_not_fit():
    app = Handlers()
    assert (await send_json(app, "/rest_numbers", {"a": 1, "b": 2})).json == {"a": 1, "b": 2}
    assert (await send_form(app, "/rest_numbers", "a=1&b=2")).json == {"a": 1, "b": 2}
    answer = await send_json(app, "/rest_numbers", {"a": 1, "b": SECRET})
    assert (answer.status, answer.text) == refused("'b' must be an integer")


async def test_kwargs_of_a_json_body_that_is_no_object_are_empty():
    for value in ([1], 5, None, "text"):
        assert (await send_json(Handlers(), "/rest", value)).json == ["none", {}]


# Files.


async def test_a_file_is_bound_by_its_name():
    answer = await send_parts(Handlers(), "/file", part("file", "content", "a.txt"))
    assert answer.json == ["a.txt", "content"]


async def test_of_several_files_a_single_parameter_takes_the_first():
    parts = [part("file", "1", "a.txt"), part("file", "2", "b.txt")]
    assert (await send_parts(Handlers(), "/file", *parts)).json == ["a.txt", "1"]
    assert (await send_parts(Handlers(), "/plain_file", *parts)).json == ["a.txt"]


async def test_a_list_of_files_takes_all_of_its_name():
    parts = [part("files", "1", "a"), part("other", "2", "b"), part("files", "3", "c")]
    assert (await send_parts(Handlers(), "/files", *parts)).json == ["a", "c"]
    assert (await send_parts(Handlers(), "/files", part("files", "1", "a"))).json == ["a"]


@pytest.mark.parametrize("url", ["/file", "/files"])
async def test_a_missing_file_is_a_400(url):
    expected = (400, missing(url.strip("/")))
    other = part("other", "content", "a.txt")
    for answer in (
        await send_parts(Handlers(), url, other),
        await send_form(Handlers(), url, "other=x"),
        await send_json(Handlers(), url, {}),
        await send_json(Handlers(), url, [1]),
        await Client(Handlers()).post(url),
        # A file can't come in the URL.
        await Client(Handlers()).post(f"{url}/x?{url.strip('/')}=x"),
    ):
        assert (answer.status, answer.text) == expected


async def test_a_file_input_left_empty_is_a_missing_file():
    empty = part("file", "", "")
    assert (await send_parts(Handlers(), "/file", empty)).text == missing("file")
    assert (await send_parts(Handlers(), "/optional_file", empty)).text == "no file"


async def test_files_may_be_optional():
    app = Handlers()
    file = part("file", "1", "a")
    files = part("files", "1", "a") + part("files", "2", "b")
    assert (await send_parts(app, "/optional_file", file)).text == "a"
    assert (await send_parts(app, "/optional_files", files)).json == ["a", "b"]
    for answer in (
        await Client(app).post("/optional_file"),
        await send_form(app, "/optional_file", "x=1"),
    ):
        assert answer.text == "no file"
    assert (await Client(app).post("/optional_files")).json == []


@pytest.mark.parametrize("url", ["/file", "/files", "/optional_file", "/optional_files"])
async def test_text_where_a_file_is_wanted_is_a_400(url):
    name = url.rpartition("_")[2].strip("/")
    for answer in (
        await send_parts(Handlers(), url, part(name, SECRET)),
        await send_form(Handlers(), url, f"{name}={SECRET}"),
        await send_json(Handlers(), url, {name: SECRET}),
    ):
        assert (answer.status, answer.text) == refused(f"'{name}' must be an uploaded file")


async def test_a_file_where_text_is_wanted_is_a_missing_parameter():
    answer = await send_parts(Handlers(), "/number", part("number", "5", "a.txt"))
    assert (answer.status, answer.text) == (400, missing("number"))


async def test_without_an_annotation_a_parameter_takes_text_or_a_file():
    app = Handlers()
    assert (await send_parts(app, "/plain_file", part("file", "text"))).text == "text"
    assert (await send_parts(app, "/plain_file", part("file", "x", "a"))).json == ["a"]
    both = [part("file", "x", "a"), part("file", "text")]
    assert (await send_parts(app, "/plain_file", *both)).text == "text"


async def test_files_take_no_path_segment_away_from_others():
    parts = [part("text", "t"), part("file", "x", "a"), part("number", "5")]
    answer = await send_parts(Handlers(), "/text_and_file/seg", *parts)
    assert answer.json == ["seg", "t", "a", 5]


# Models of a whole body.


@dataclass
class Address:
    street: str
    number: int = 1


@dataclass
class Person:
    name: str
    age: int
    tags: list[str] = field(default_factory=list)
    address: Address | None = None
    former: list[Address] = field(default_factory=list)
    nick: str | None = None
    scores: list[float] | None = None
    extra: Any = None
    id: int = field(init=False, default=99)


@dataclass
class Range:
    low: int
    high: int

    def __post_init__(self):
        if self.low > self.high:
            raise ValueError("'low' must not be above 'high'")


class Shade(enum.Enum):
    RED = "red"


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class Partial(TypedDict, total=False):
    title: Required[str]
    year: int


class Inherited(Partial):
    rating: float


class OtherTypedDict(typing_extensions.TypedDict):
    title: str


class Shape(msgspec.Struct):
    name: str
    sides: int
    tags: list[str] = []
    color: Shade = Shade.RED


class Renamed(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    first_tags: Annotated[list[str], msgspec.Meta(max_length=3)]
    maybe_tags: set[str] | None = None
    some_pair: tuple[int, int] = (0, 0)


class Circle(msgspec.Struct, tag="circle"):
    radius: float


class Square(msgspec.Struct, tag="square"):
    side: float


class Drawing(msgspec.Struct):
    shape: Circle | Square


class User(pydantic.BaseModel):
    name: str = pydantic.Field(min_length=2)
    age: int
    tags: list[str] = []
    numbers: dict[str, int] = {}


class Aliased(pydantic.BaseModel):
    first: list[str] = pydantic.Field(alias="firstTags")
    second: set[str] | None = pydantic.Field(
        default=None, validation_alias=pydantic.AliasChoices("s", pydantic.AliasPath("t", 0))
    )
    third: dict[str, str] | None = None


class Unset:
    """Nothing that pydantic knows."""


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Pets(pydantic.BaseModel):
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")]


class Many(pydantic.BaseModel):
    numbers: list[int]


class Models(App):
    async def person(self, person: Person):
        return person

    async def optional(self, person: Person | None = None):
        return person or "nobody"

    async def default(self, person: Person = Person("Default", 1)):  # noqa: B008
        return person

    async def range(self, range: Range):  # noqa: A002
        return range

    async def movie(self, movie: Movie):
        return movie

    async def partial(self, movie: Partial):
        return movie

    async def inherited(self, movie: Inherited):
        return movie

    async def other(self, movie: OtherTypedDict):
        return movie

    async def shape(self, shape: Shape):
        return msgspec.to_builtins(shape)

    async def renamed(self, renamed: Renamed):
        return msgspec.to_builtins(renamed)

    async def drawing(self, drawing: Drawing):
        return msgspec.to_builtins(drawing)

    async def user(self, user: User):
        return user.model_dump()

    async def aliased(self, aliased: Aliased):
        return aliased.model_dump(mode="json")

    async def pets(self, pets: Pets):
        return pets.model_dump()

    async def many(self, many: Many):
        return len(many.numbers)

    async def beside(self, id: int, person: Person, file: UploadFile | None = None):  # noqa: A002
        return [id, person.name, file.filename if file else None]

    async def people(self, people: list[Address], one: Address):
        return [people, one]


EVERYTHING = {
    "name": "Ada",
    "age": 36,
    "tags": ["a"],
    "address": {"street": "S", "number": 2},
    "former": [{"street": "T"}, {"street": "U", "number": 3}],
    "nick": None,
    "scores": [1, 1.5],
    "extra": {"anything": [None]},
}


async def test_a_dataclass_takes_the_whole_json_object():
    answer = await send_json(Models(), "/person", EVERYTHING)
    former = [{"street": "T", "number": 1}, {"street": "U", "number": 3}]
    assert answer.json == {**EVERYTHING, "former": former, "id": 99}


async def test_a_dataclass_has_its_defaults_and_unknown_keys_are_ignored():
    answer = await send_json(Models(), "/person", {"name": "Ada", "age": 36, "id": 5, "x": 1})
    assert answer.json == {
        "name": "Ada",
        "age": 36,
        "tags": [],
        "address": None,
        "former": [],
        "nick": None,
        "scores": None,
        "extra": None,
        "id": 99,
    }


async def test_a_dataclass_takes_a_form():
    answer = await send_form(
        Models(), "/person", "name=Ada&age=36&tags=a&tags=b&scores=1&scores=2&nick=&x=y"
    )
    assert answer.json["tags"] == ["a", "b"]
    assert answer.json["scores"] == [1.0, 2.0]
    assert (answer.json["age"], answer.json["nick"], answer.json["former"]) == (36, "", [])
    # One value makes a list of one, not one of its letters.
    answer = await send_form(Models(), "/person", "name=Ada&age=36&tags=abc&scores=12")
    assert (answer.json["tags"], answer.json["scores"]) == (["abc"], [12.0])
    parts = [part("name", "Ada"), part("age", "36")]
    assert (await send_parts(Models(), "/person", *parts)).json["age"] == 36


async def test_missing_and_wrong_fields_are_named_together():
    wrong = {
        "age": SECRET,
        "tags": [SECRET, 5],
        "address": {"number": SECRET},
        "former": [{"street": "T", "number": SECRET}],
        "scores": SECRET,
    }
    answer = await send_json(Models(), "/person", wrong)
    assert (answer.status, answer.text) == refused(
        "'name' is missing; 'age' must be an integer; "
        "'tags' must be a list, each item a string; "
        "in 'address': 'street' is missing; 'number' must be an integer; "
        "in 'former': 'number' must be an integer; "
        "'scores' must be a list, each item a number"
    )
    answer = await send_form(Models(), "/person", f"age={SECRET}&address=x&former=y")
    assert (answer.status, answer.text) == refused(
        "'name' is missing; 'age' must be an integer; 'address' must be an object; "
        "'former' must be a list, each item an object"
    )


async def test_a_value_error_of_post_init_is_a_400_in_its_own_words():
    answer = await send_json(Models(), "/range", {"low": 2, "high": 1})
    assert (answer.status, answer.text) == refused("'low' must not be above 'high'")
    answer = await send_form(Models(), "/range", "low=1&high=2")
    assert answer.json == {"low": 1, "high": 2}


@pytest.mark.parametrize("value", [[EVERYTHING], [], "text", 5, None, True])
@pytest.mark.parametrize("name", ["person", "movie", "shape", "user"])
async def test_json_that_is_no_object_where_a_model_is_wanted_is_a_400(name, value):
    answer = await send_json(Models(), f"/{name}", value)
    assert (answer.status, answer.text) == refused(f"'{name}' must be an object")


@pytest.mark.parametrize("name", ["person", "movie", "shape", "user"])
async def test_a_model_without_a_body_is_missing(name):
    assert (await Client(Models()).post(f"/{name}")).text == missing(name)
    # Nor does it come in the URL.
    assert (await Client(Models()).post(f"/{name}/x?{name}=x&name=Ada&age=1")).status == 400


async def test_a_model_may_have_a_default():
    client = Client(Models())
    assert (await client.post("/optional")).text == "nobody"
    assert (await client.post("/default")).json["name"] == "Default"
    answer = await send_json(Models(), "/default", {"name": "Ada", "age": 1})
    assert answer.json["name"] == "Ada"
    # A body that does not fit is no reason to take the default.
    answer = await send_json(Models(), "/default", {"name": "Ada"})
    assert (answer.status, answer.text) == refused("'age' is missing")


async def test_typed_dicts_know_what_is_required():
    app = Models()
    assert (await send_json(app, "/movie", {"title": "T", "x": 1})).json == {"title": "T"}
    assert (await send_json(app, "/movie", {"title": "T", "year": 1})).json["year"] == 1
    assert (await send_json(app, "/movie", {"year": SECRET})).text == (
        "400 Bad Request: 'title' is missing; 'year' must be an integer"
    )
    assert (await send_form(app, "/movie", "title=T&year=1")).json == {"title": "T", "year": 1}
    assert (await send_json(app, "/partial", {"title": "T"})).json == {"title": "T"}
    assert (await send_json(app, "/partial", {})).text == "400 Bad Request: 'title' is missing"
    assert (await send_json(app, "/inherited", {})).text == (
        "400 Bad Request: 'rating' is missing; 'title' is missing"
    )
    assert (await send_json(app, "/other", {"title": "T"})).json == {"title": "T"}
    assert (await send_json(app, "/other", {})).status == 400


async def test_a_struct_is_validated_by_msgspec():
    app = Models()
    expected = {"name": "tri", "sides": 3, "tags": ["a"], "color": "red"}
    assert (await send_json(app, "/shape", {**expected, "x": 1})).json == expected
    assert (await send_form(app, "/shape", "name=tri&sides=3&tags=a")).json == expected
    answer = await send_json(app, "/shape", {"name": "tri", "sides": SECRET})
    assert (answer.status, answer.text) == refused("Expected `int`, got `str` - at `$.sides`")
    answer = await send_json(app, "/shape", {"sides": 3})
    assert "`name`" in answer.text


@pytest.mark.parametrize(
    ("url", "value", "problem"),
    [
        ("/shape", {"name": "", "sides": 3, "color": SECRET}, "Invalid enum value - at `$.color`"),
        (
            "/shape",
            {"name": "", "sides": 3, "color": f"{SECRET}' - at `$.x`\n'{SECRET}"},
            "Invalid enum value - at `$.color`",
        ),
        ("/drawing", {"shape": {"type": SECRET}}, "Invalid value - at `$.shape.type`"),
        ("/renamed", {"firstTags": [], SECRET: 1}, "Object contains unknown field"),
    ],
)
async def test_a_struct_never_repeats_what_the_client_sent(url, value, problem):
    answer = await send_json(Models(), url, value)
    assert (answer.status, answer.text) == refused(problem)


async def test_a_struct_with_other_names_outside_takes_a_form():
    answer = await send_form(
        Models(), "/renamed", "firstTags=ab&maybeTags=cd&somePair=1&somePair=2"
    )
    assert answer.json == {"firstTags": ["ab"], "maybeTags": ["cd"], "somePair": [1, 2]}


async def test_a_pydantic_model_is_validated_by_pydantic():
    app = Models()
    expected = {"name": "Ada", "age": 36, "tags": ["a"], "numbers": {}}
    assert (await send_json(app, "/user", {**expected, "x": 1})).json == expected
    assert (await send_form(app, "/user", "name=Ada&age=36&tags=a")).json == expected
    answer = await send_json(app, "/user", {"age": SECRET, "tags": ["a", 5]})
    assert (answer.status, answer.text) == refused(
        "'name': Field required; "
        "'age': Input should be a valid integer, unable to parse string as an integer; "
        "'tags.1': Input should be a valid string"
    )
    assert (await send_form(app, "/user", f"name=x&age={SECRET}")).status == 400


async def test_a_pydantic_model_never_repeats_what_the_client_sent():
    answer = await send_json(Models(), "/pets", {"pet": {"kind": SECRET}})
    assert (answer.status, answer.text) == refused("'pet': the tag is none of the expected ones")


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")
    name: str = ""
    scores: dict[str, int] = {}
    parts: list["Strict"] = pydantic.Field(default=[], alias="Parts")


class Unschemed(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    name: str
    thing: Unset = pydantic.Field(default=Unset(), exclude=True)


async def test_a_pydantic_model_never_repeats_the_keys_of_the_client():
    async def problem(body, model=Strict):
        answer = await send_json(one(model), "/", body)
        assert answer.status == 400
        return answer.text.removeprefix("400 Bad Request: ")

    assert await problem({SECRET: 1}) == "'*': Extra inputs are not permitted"
    assert await problem({"name": 1}) == "'name': Input should be a valid string"
    assert (await problem({"scores": {SECRET: "x"}})).startswith("'scores.*': Input should be")
    assert await problem({"Parts": [{"name": ""}, {"name": 1}]}) == (
        "'Parts.1.name': Input should be a valid string"
    )
    assert await problem({"name": 1}, Unschemed) == "'*': Input should be a valid string"


async def test_a_pydantic_model_with_aliases_takes_a_form():
    answer = await send_form(Models(), "/aliased", "firstTags=ab&s=cd")
    assert answer.json == {"first": ["ab"], "second": ["cd"], "third": None}


async def test_a_thousand_wrong_values_make_a_short_answer():
    answer = await send_json(Models(), "/many", {"numbers": [SECRET] * 1000})
    assert (answer.status, answer.text) == refused("1000 values do not fit")


async def test_a_model_stands_beside_other_parameters():
    answer = await send_json(Models(), "/beside/7", {"name": "Ada", "age": 1})
    assert answer.json == [7, "Ada", None]
    parts = [part("name", "Ada"), part("age", "1"), part("id", "8"), part("file", "x", "a")]
    assert (await send_parts(Models(), "/beside", *parts)).json == [8, "Ada", "a"]


async def test_models_may_be_the_items_of_a_list():
    body = {"people": [{"street": "S"}], "street": "T"}
    answer = await send_json(Models(), "/people", body)
    assert answer.json == [[{"street": "S", "number": 1}], {"street": "T", "number": 1}]
    answer = await send_json(Models(), "/people", {"people": [{"number": SECRET}]})
    assert (answer.status, answer.text) == refused(
        "'street' is missing; 'number' must be an integer"
    )
    answer = await send_json(Models(), "/people", {"people": {"street": "S"}})
    assert (answer.status, answer.text) == refused("'people' must be a list, each item an object")


# Models that contain themselves.


class Node(TypedDict):
    name: str
    child: NotRequired["Node"]
    children: NotRequired[list["Node"]]


@dataclass
class Tree:
    name: str
    branches: "list[Tree]" = field(default_factory=list)
    twin: "Tree | None" = None


class StructTree(msgspec.Struct):
    branches: "list[StructTree]" = []


class PydanticTree(pydantic.BaseModel):
    branches: "list[PydanticTree]" = []


class Trees(App):
    async def node(self, node: Node):
        return node

    async def tree(self, tree: Tree):
        return tree

    async def struct_tree(self, tree: StructTree):
        return "deep"

    async def pydantic_tree(self, tree: PydanticTree):
        return "deep"


async def test_a_model_may_contain_itself():
    node = {"name": "a", "child": {"name": "b"}, "children": [{"name": "c"}]}
    assert (await send_json(Trees(), "/node", node)).json == node
    tree = {"name": "a", "branches": [{"name": "b"}], "twin": {"name": "c"}}
    answer = (await send_json(Trees(), "/tree", tree)).json
    assert answer["branches"] == [{"name": "b", "branches": [], "twin": None}]
    assert answer["twin"] == {"name": "c", "branches": [], "twin": None}
    answer = await send_json(Trees(), "/node", {"name": "a", "children": [{"name": 5}]})
    assert (answer.status, answer.text) == refused("in 'children': 'name' must be a string")


@pytest.mark.parametrize("depth", [10, 200, 500, 1000, 100_000])
@pytest.mark.parametrize("url", ["/node", "/tree", "/struct_tree", "/pydantic_tree"])
async def test_a_deep_model_is_taken_or_a_400(url, depth):
    opening, key = (b'{"name":"a","child":', b"twin") if url == "/node" else (b"", b"branches")
    if url == "/node":
        body = opening * depth + b'{"name":"a"}' + b"}" * depth
    else:
        body = b'{"name":"a","%s":[' % key * depth + b"]}" * depth
    answer = await send_json(Trees(), url, body)
    if depth <= 100:
        assert answer.status == 200
    assert answer.status in (200, 400)


# Values that only the construction of a dataclass takes.


@dataclass
class Signup:
    name: str
    password: InitVar[str]
    rounds: InitVar[int] = 3
    hashed: str = field(init=False)

    def __post_init__(self, password, rounds):
        self.hashed = "#" * len(password) * rounds


async def test_a_dataclass_takes_its_init_only_values():
    answer = await send_json(one(Signup), "/", {"name": "Ada", "password": "pie", "hashed": "x"})
    assert answer.json["value"] == {"name": "Ada", "hashed": "#########"}
    answer = await send_form(one(Signup), "/", "name=Ada&password=pie&rounds=1")
    assert answer.json["value"] == {"name": "Ada", "hashed": "###"}
    answer = await send_json(one(Signup), "/", {"name": "Ada"})
    assert (answer.status, answer.text) == refused("'password' is missing")
    answer = await send_json(one(Signup), "/", {"name": "Ada", "password": 5})
    assert (answer.status, answer.text) == refused("'password' must be a string")


# Plans.


@pytest.mark.parametrize("annotation", [UploadFile, list[UploadFile], UploadFile | None])
def test_a_file_in_a_model_is_refused_at_construction(annotation):
    model = types.new_class(
        "Model", (), {}, lambda ns: ns.update(__annotations__={"f": annotation})
    )
    model = dataclass(model)

    class Uploading(App):
        async def index(self, model: model):
            return "never"

    with pytest.raises(TypeError, match="parameter 'model': field 'f': an uploaded file is"):
        Uploading()


def test_a_struct_that_msgspec_does_not_understand_is_refused_at_construction():
    class Wrong(msgspec.Struct):
        color: Color  # its values are of two types

    class Mixed(App):
        async def index(self, wrong: Wrong):
            return "never"

    with pytest.raises(TypeError, match="parameter 'wrong': Enums must contain"):
        Mixed()


async def test_annotations_may_be_strings():
    app = FutureBodyHandlers()
    assert (await send_json(app, "/typed", {"number": 5, "colors": ["red"]})).json == [5, ["red"]]
    assert (await send_json(app, "/typed", {"number": "5", "colors": []})).status == 400
    file = part("file", "x", "a.txt")
    assert (await send_parts(app, "/upload", file)).text == "a.txt"
    assert (await send_json(app, "/point", {"x": 1})).json == {"x": 1, "y": 0}
    assert (await send_json(app, "/point", {})).text == "400 Bad Request: 'x' is missing"
    assert (await send_json(app, "/movie", {"title": "T"})).json == {"title": "T"}
    assert (await send_json(app, "/movie", {"year": 1})).status == 400
    assert (await send_json(app, "/loose", {"title": "T"})).json == {"title": "T"}
    assert (await send_json(app, "/loose", {"year": 1})).text == (
        "400 Bad Request: 'title' is missing"
    )
    assert (await send_form(app, "/labels", "labels=ab")).json == ["ab"]
