"""Models of a whole body: dataclasses, TypedDicts, msgspec and pydantic."""

import enum
import types
from dataclasses import InitVar, dataclass, field
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

import msgspec
import pydantic
import pytest
import typing_extensions

from micropie import App, UploadFile
from support.asgi import Client
from support.binding import SECRET, Color, missing, one, refused, send_form, send_json, send_parts
from support.bodies import file_part, text_part
from support.future_annotations import BodyHandlers as FutureBodyHandlers

pytestmark = pytest.mark.anyio

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
    parts = [text_part("name", "Ada"), text_part("age", "36")]
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
        "'address.street' is missing; 'address.number' must be an integer; "
        "'former.0.number' must be an integer; "
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
    assert (answer.status, answer.text) == refused("'sides': Expected `int`, got `str`")
    answer = await send_json(app, "/shape", {"sides": 3})
    assert "`name`" in answer.text


@pytest.mark.parametrize(
    ("url", "value", "problem"),
    [
        ("/shape", {"name": "", "sides": 3, "color": SECRET}, "'color': Invalid enum value"),
        (
            "/shape",
            {"name": "", "sides": 3, "color": f"{SECRET}' - at `$.x`\n'{SECRET}"},
            "'color': Invalid enum value",
        ),
        ("/drawing", {"shape": {"type": SECRET}}, "'shape.type': Invalid value"),
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


Numbers = pydantic.Json[list[int]]


class Filled(pydantic.BaseModel):
    numbers: Numbers
    maybe: Numbers | None = None
    several: list[Numbers] = []
    whole: pydantic.Json[Any] = None
    prices: pydantic.Json[dict[str, float]] = {}


@dataclass
class FilledIn:
    numbers: Numbers
    maybe: Numbers | None = None


class Forms(App):
    async def filled(self, body: Filled):
        return body

    async def filled_in(self, body: FilledIn):
        return body

    async def numbers(self, numbers: Numbers):
        return numbers

    async def several(self, numbers: list[Numbers]):
        return numbers

    async def maybe(self, numbers: Numbers | None = None):
        return numbers or "none"


async def test_json_in_a_field_of_a_form_is_read_by_pydantic():
    form = "numbers=[1,2]&maybe=&several=[3]&several=[4]&whole=5&prices=%7B%22a%22:6%7D"
    assert (await send_form(Forms(), "/filled", form)).json == {
        "numbers": [1, 2],
        "maybe": None,
        "several": [[3], [4]],
        "whole": 5,
        "prices": {"a": 6.0},
    }
    assert (await send_form(Forms(), "/filled_in", "numbers=[1]&maybe=[2]")).json == {
        "numbers": [1],
        "maybe": [2],
    }
    for fields in ("numbers=[x", "numbers=x&numbers=[1]", "numbers=[1]&several=x"):
        answer = await send_form(Forms(), "/filled", fields)
        assert answer.status == 400
        assert "Invalid JSON" in answer.text


@pytest.mark.parametrize("url", ["/filled", "/filled_in", "/numbers", "/several", "/maybe"])
async def test_json_in_a_form_has_a_limit_of_values(url):
    half = f"[{'1,' * 10_000}1]"
    field = "several" if url == "/filled" else "numbers"
    assert (await send_form(Forms(), url, f"numbers={half}")).status == 200
    form = f"numbers=[{'1,' * 40_000}1]"
    if field == "several":  # of all values of the name
        form = f"numbers=[]&several={half}&several={half}"
    answer = await send_form(Forms(), url, form)
    place = "numbers.0" if url == "/several" else field
    assert (answer.status, answer.text) == refused(
        f"'{place}': the JSON has more than 16384 values"
    )


@pytest.mark.parametrize(
    ("url", "values", "expected"),
    [
        ("/numbers", "numbers=[1,2]", [1, 2]),
        ("/several", "numbers=[1]&numbers=[2]", [[1], [2]]),
        ("/maybe", "numbers=[3]", [3]),
    ],
)
async def test_json_in_a_parameter_is_read_by_pydantic(url, values, expected):
    assert (await send_form(Forms(), url, values)).json == expected
    assert (await Client(Forms()).get(f"{url}?{values}")).json == expected


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


class OptionalStruct(msgspec.Struct):
    number: int | None


class OptionalModel(pydantic.BaseModel):
    number: int | None


@pytest.mark.parametrize("model", [OptionalStruct, OptionalModel])
@pytest.mark.parametrize(("form", "number"), [("number=&number=1", None), ("number=1&number=", 1)])
async def test_of_several_inputs_the_first_counts_also_if_it_was_left_empty(model, form, number):
    class Site(App):
        async def index(self, model: model):
            return {"number": model.number}

    assert (await send_form(Site(), "/", form)).json == {"number": number}


async def test_a_thousand_wrong_values_make_a_short_answer():
    answer = await send_json(Models(), "/many", {"numbers": [SECRET] * 1000})
    assert (answer.status, answer.text) == refused("1000 values do not fit")


async def test_a_model_stands_beside_other_parameters():
    answer = await send_json(Models(), "/beside/7", {"name": "Ada", "age": 1})
    assert answer.json == [7, "Ada", None]
    parts = [
        text_part("name", "Ada"),
        text_part("age", "1"),
        text_part("id", "8"),
        file_part("file", "a", "x"),
    ]
    assert (await send_parts(Models(), "/beside", *parts)).json == [8, "Ada", "a"]


async def test_models_may_be_the_items_of_a_list():
    body = {"people": [{"street": "S"}], "street": "T"}
    answer = await send_json(Models(), "/people", body)
    assert answer.json == [[{"street": "S", "number": 1}], {"street": "T", "number": 1}]
    answer = await send_json(Models(), "/people", {"people": [{"number": SECRET}]})
    assert (answer.status, answer.text) == refused(
        "'people.0.street' is missing; 'people.0.number' must be an integer"
    )
    answer = await send_json(Models(), "/people", {"people": {"street": "S"}})
    assert (answer.status, answer.text) == refused("'people' must be a list, each item an object")


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
def test_a_file_in_a_model_is_refused(annotation):
    model = types.new_class(
        "Model", (), {}, lambda ns: ns.update(__annotations__={"f": annotation})
    )
    model = dataclass(model)

    with pytest.raises(TypeError, match="parameter 'model': field 'f': an uploaded file is"):

        class Uploading(App):
            async def index(self, model: model):
                return "never"


def test_a_struct_that_msgspec_does_not_understand_is_refused():
    class Wrong(msgspec.Struct):
        color: Color  # its values are of two types

    with pytest.raises(TypeError, match="parameter 'wrong': Enums must contain"):

        class Mixed(App):
            async def index(self, wrong: Wrong):
                return "never"


async def test_annotations_may_be_strings():
    app = FutureBodyHandlers()
    assert (await send_json(app, "/typed", {"number": 5, "colors": ["red"]})).json == [5, ["red"]]
    assert (await send_json(app, "/typed", {"number": "5", "colors": []})).status == 400
    file = file_part("file", "a.txt", "x")
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
    assert (await send_form(app, "/bounded", "number=11")).json == 11
    assert (await send_form(app, "/bounded", "number=10")).status == 400
