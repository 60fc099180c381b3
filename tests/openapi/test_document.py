"""The document: which operations it has, where their parameters are, and what they answer."""

from enum import Enum
from functools import partial
from typing import Literal

import msgspec
import pytest
from openapi_spec_validator import validate

from micropie import App, ASGIResponse, UploadFile, allow, route
from micropie_openapi import OpenAPI, describe
from support.asgi import Client
from support.openapi import Cake, Oven, Staff, bakery, document_of, operation_of

pytestmark = pytest.mark.anyio


class Answer(Enum):
    YES = "yes"
    UNKNOWN = None


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
PATHS = document_of(bakery)["paths"]


def test_the_document_is_valid_openapi():
    validate(document_of(bakery, description="Cakes."))


async def test_it_is_served_below_the_mount_with_the_root_path_as_the_server():
    answer = await Client(bakery, root_path="/outer").get("/outer/docs/openapi.json")
    assert answer.header("content-type") == "application/json"
    assert answer.json["info"] == {"title": "Bakery", "version": "2.1"}
    assert answer.json["servers"] == [{"url": "/outer"}]
    assert (await Client(bakery).get("/docs/openapi.json")).json["servers"] == [{"url": "/"}]


def test_an_unmounted_openapi_says_what_to_do():
    with pytest.raises(RuntimeError, match="mount this first"):
        OpenAPI().document()


def test_the_title_is_the_name_of_the_class():
    assert document_of(bakery)["info"]["title"] == "Bakery"


# Which operations.


def test_explicit_routes_have_their_methods_and_names_their_path():
    assert set(PATHS["/cakes"]) == {"get", "post"}
    assert set(PATHS["/cakes/{number}"]) == {"get", "delete"}
    assert set(PATHS["/"]) == {"get"}


def test_mounted_apps_are_below_their_mount_and_tagged_by_their_class():
    assert PATHS["/staff"]["get"]["tags"] == ["Staff"]
    assert PATHS["/staff/{number}"]["get"]["operationId"] == "Staff_one"


def test_websockets_and_other_mounts_are_left_out():
    class Chat(App):
        async def ws_chat(self, ws): ...

        async def chat(self): ...

    app = Chat()
    app.mount("/docs", OpenAPI())
    assert list(document_of(app)["paths"]) == ["/chat"]


@pytest.mark.parametrize(
    ("annotation", "default", "methods"),
    [(int, None, {"get"}), (Cake, None, {"get", "post"}), (Cake, ..., {"post"}),
     (UploadFile, ..., {"post"})],
)  # fmt: skip
def test_a_handler_of_any_method_has_those_that_its_body_tells(annotation, default, methods):
    async def it(self, value): ...

    it.__annotations__["value"] = annotation
    it.__defaults__ = None if default is ... else (default,)
    app = type("It", (App,), {"it": it})()
    assert {m for item in document_of(app)["paths"].values() for m in item} == methods


def test_one_handler_with_two_methods_has_two_ids():
    @route("/x", methods=["GET", "PUT"])
    async def it(self): ...

    item = document_of(type("It", (App,), {"it": it})())["paths"]["/x"]
    assert {operation["operationId"] for operation in item.values()} == {"it", "it_put"}


def test_an_app_that_is_mounted_again_has_other_ids_there():
    app, staff = App(), Staff()
    for path in ("/a", "/b", "/c", "/d"):
        app.mount(path, staff)
    document = document_of(app)
    validate(document)
    ids = [document["paths"][f"/{letter}"]["get"]["operationId"] for letter in "abcd"]
    names = ["Staff_everybody", "Staff_everybody_get", "Staff_everybody_get_2"]
    assert ids == [*names, "Staff_everybody_get_3"]


# Parameters.


def test_a_query_parameter_has_constraints_default_and_text():
    page, sizes = PATHS["/cakes"]["get"]["parameters"]
    assert page == {
        "name": "page", "in": "query", "description": "its number, from one.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
    }  # fmt: skip
    assert sizes["schema"] == {"type": "array", "items": {"enum": ["small", "large"]}}


def test_by_name_a_segment_fills_what_has_no_default():
    async def search(self, word, limit: int = 10, *, sort="name"): ...

    app = type("It", (App,), {"search": search})()
    ((path, item),) = document_of(app)["paths"].items()
    assert path == "/search/{word}"
    places = {each["name"]: each["in"] for each in item["get"]["parameters"]}
    assert places == {"word": "path", "limit": "query", "sort": "query"}


def test_index_has_its_segments_below_the_root():
    async def index(self, slug): ...

    assert list(document_of(type("It", (App,), {"index": index})())["paths"]) == ["/{slug}"]


def test_the_rest_of_a_path_is_one_parameter():
    @route.get("/files/{rest:path}")
    async def it(self, rest): ...

    assert list(document_of(type("It", (App,), {"it": it})())["paths"]) == ["/files/{rest}"]


def test_a_model_is_the_json_body_and_what_is_beside_it_the_query():
    operation = PATHS["/ovens/{name}"]["put"]
    body = operation["requestBody"]
    assert body["required"] is True
    assert body["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Oven"}}
    }
    assert [(each["name"], each["in"]) for each in operation["parameters"]] == [
        ("name", "path"),
        ("fast", "query"),
    ]


def test_named_parameters_of_a_post_are_keys_of_json_or_fields_of_a_form():
    content = PATHS["/orders"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    for body in content.values():
        assert body["schema"]["required"] == ["name"]
        assert body["schema"]["properties"]["number"] == {"type": "integer", "default": 1}


@pytest.mark.parametrize("annotation", [dict[str, int], list[dict[str, int]]])
def test_a_query_or_form_has_no_objects(annotation):
    @route("/x", methods=["GET", "POST"])
    async def it(self, *, number: int = 1, prices: annotation | None = None): ...

    parameters = operation_of(it, method="get")["parameters"]
    assert [each["name"] for each in parameters] == ["number"]
    content = operation_of(it, method="post")["requestBody"]["content"]
    fields = {kind: set(body["schema"]["properties"]) for kind, body in content.items()}
    assert fields == {
        "application/json": {"number", "prices"},
        "application/x-www-form-urlencoded": {"number"},
    }

    @route.post("/x")
    async def needed(self, *, prices: annotation): ...

    assert set(operation_of(needed)["requestBody"]["content"]) == {"application/json"}


def test_two_models_take_the_same_body():
    @route.post("/x")
    async def it(self, cake: Cake, oven: Oven): ...

    schema = operation_of(it)["requestBody"]["content"]["application/json"]["schema"]
    names = [each["$ref"].rpartition("/")[2] for each in schema["allOf"]]
    assert names == ["Cake", "Oven"]


def test_a_file_makes_the_body_multipart():
    @route.post("/x")
    async def it(self, image: UploadFile, *, title: str = "none"): ...

    ((media_type, body),) = operation_of(it)["requestBody"]["content"].items()
    assert media_type == "multipart/form-data"
    assert body["schema"]["properties"] == {
        "image": {"type": "string", "format": "binary"},
        "title": {"type": "string", "default": "none"},
    }
    assert body["schema"]["required"] == ["image"]


def test_a_list_of_models_is_an_array():
    @route.post("/x")
    async def it(self, cakes: list[Cake]): ...

    schema = operation_of(it)["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Cake"}}


# Answers.


@pytest.mark.parametrize(
    ("annotation", "wanted"),
    [
        (str, {"200": {"text/html"}}),
        (None, {"204": set()}),
        (dict, {"200": {"application/json"}}),
        (tuple[Literal[201], Cake], {"201": {"application/json"}}),
        (tuple[int, Cake], {"200": {"application/json"}}),
        (tuple[int, str, dict], {"200": set()}),
        (Cake | None, {"200": {"application/json"}, "204": set()}),
        (Cake | tuple[Literal[404], str], {"200": {"application/json"}, "404": {"text/html"}}),
        (Cake | Oven, {"200": {"application/json"}}),
        (ASGIResponse, {"200": set()}),
        ("Undefined", {"200": set()}),
    ],
)
def test_the_annotation_of_the_result_is_the_answer(annotation, wanted):
    async def it(self): ...

    it.__annotations__["return"] = annotation
    responses = operation_of(it)["responses"]
    assert {status: set(each.get("content", ())) for status, each in responses.items()} == wanted


def test_a_docstring_gives_the_texts():
    operation = PATHS["/cakes"]["get"]
    assert operation["summary"] == "List the cakes"
    assert operation["description"] == "Those that are left, page by page."
    assert operation["responses"]["200"]["description"] == "at most ten."
    assert PATHS["/cakes/{number}"]["get"]["responses"]["404"]["description"] == "it was eaten."


def test_what_the_framework_answers_is_there():
    assert set(PATHS["/ovens/{name}"]["put"]["responses"]) == {"200", "400", "404", "405", "413"}
    assert set(PATHS["/news"]["get"]["responses"]) == {"200", "405"}
    assert set(PATHS["/news"]["get"]["responses"]["200"]["content"]) == {"text/event-stream"}


async def test_an_error_has_the_media_type_that_the_document_says():
    answer = await Client(bakery).get("/cakes/many")
    bad = document_of(bakery)["components"]["responses"]["Invalid"]
    assert [answer.header("content-type").partition(";")[0]] == list(bad["content"])


def test_errors_may_have_a_model():
    class Problem(msgspec.Struct):
        title: str

    document = document_of(bakery, error_model=Problem, invalid_status=422)
    assert set(document["paths"]["/trays"]["put"]["responses"]) == {"200", "405", "413", "422"}
    content = document["components"]["responses"]["Invalid"]["content"]
    schema = content["application/problem+json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Problem"}


# What @describe adds.


def test_describe_says_what_annotations_can_not():
    @describe(
        summary="Short", description="Long", tags=["a", "b"], security=["session"],
        responses={402: "pay first", 200: (Cake, "a cake"), 409: Oven},
        deprecated=True, operation_id="its_id",
    )  # fmt: skip
    @allow("GET")
    async def it(self):
        """Another summary."""

    operation = operation_of(it)
    assert operation["summary"] == "Short"
    assert operation["description"] == "Long"
    assert operation["tags"] == ["a", "b"]
    assert operation["deprecated"] is True
    assert operation["operationId"] == "its_id"
    assert operation["security"] == [{"session": []}]
    assert operation["responses"]["402"]["description"] == "pay first"
    assert operation["responses"]["200"]["description"] == "a cake"
    assert operation["responses"]["409"]["description"] == "Conflict"


def test_describe_moves_parameters():
    @describe(sources={"name": "body", "number": "query"})
    @allow("POST")
    async def it(self, name, *, number: int = 1): ...

    operation = operation_of(it)
    assert operation["parameters"][0]["in"] == "query"
    fields = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert set(fields) == {"name"}


def test_a_partial_has_the_texts_of_its_function():
    async def greet(greeting: str, name: str):
        """Greet somebody.

        Args:
            name: whom.
        """

    app = App()
    app.greet = partial(partial(greet), "Hello")
    ((path, item),) = document_of(app)["paths"].items()
    assert path == "/greet/{name}"
    assert item["get"]["summary"] == "Greet somebody"
    assert item["get"]["parameters"][0]["description"] == "whom."


@pytest.mark.parametrize("annotation", [Answer, Literal["yes", None]])
def test_no_text_is_null(annotation):
    @route("/x", methods=["GET"])
    async def it(self, answer: annotation) -> annotation: ...

    operation = operation_of(it)
    (parameter,) = operation["parameters"]
    assert parameter["schema"] == {"enum": ["yes"]}
    content = operation["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"enum": ["yes", None]}


def test_describe_hides():
    assert not [path for path in PATHS if path.startswith("/files")]


def test_the_session_is_a_cookie():
    @describe(security=["session"])
    async def it(self): ...

    app = type("It", (App,), {"it": it})()
    scheme = document_of(app, session_cookie="sid")["components"]["securitySchemes"]["session"]
    assert scheme == {"type": "apiKey", "in": "cookie", "name": "sid"}
    assert "securitySchemes" not in document_of(bakery)["components"]


def test_schemes_of_all_handlers_give_way_to_those_of_one():
    @describe(security=[])
    async def public(self): ...

    @describe(security=["session"])
    async def mine(self): ...

    async def it(self): ...

    app = type("It", (App,), {"it": it, "mine": mine, "public": public})()
    document = document_of(app, security=["key"], security_schemes={"key": KEY})
    validate(document)
    assert document["security"] == [{"key": []}]
    assert set(document["components"]["securitySchemes"]) == {"key", "session"}
    found = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert found == {"/it": None, "/mine": [{"session": []}], "/public": []}
    with pytest.raises(TypeError, match="security"):
        OpenAPI(security="key")


def test_an_unknown_scheme_is_an_error_that_names_it():
    @describe(security=["token"])
    async def it(self): ...

    app = type("It", (App,), {"it": it})()
    with pytest.raises(ValueError, match="token"):
        document_of(app)
    document_of(app, security_schemes={"token": {"type": "http", "scheme": "bearer"}})


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"tags": "cakes"}, TypeError),
        ({"security": "session"}, TypeError),
        ({"responses": {"404": "gone"}}, TypeError),
        ({"responses": {4040: "gone"}}, ValueError),
        ({"sources": {"x": "header"}}, TypeError),
    ],
)
def test_describe_refuses_what_it_can_not_mean(arguments, error):
    with pytest.raises(error, match=next(iter(arguments))):
        describe(**arguments)


def test_describe_refuses_a_class_which_it_would_do_nothing_for():
    with pytest.raises(TypeError, match="stands on a handler, and Admin is a class"):

        @describe(hidden=True)
        class Admin(App): ...


@pytest.mark.parametrize("name", ["title", "version", "description"])
def test_openapi_refuses_what_is_not_text(name):
    with pytest.raises(TypeError, match=name):
        OpenAPI(**{name: 2.0})
