"""Arguments out of the fields of a form, and out of the keys of JSON as much as of a form."""

import pytest

from micropie import App
from support.asgi import Client
from support.binding import (
    SECRET,
    Handlers,
    missing,
    refused,
    send,
    send_form,
    send_json,
    send_parts,
)
from support.bodies import text_part

pytestmark = pytest.mark.anyio

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
        await send_parts(MyApp(), "/submit_catch_all", text_part("username", "Ada")),
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
    assert (await send_parts(app, "/number", text_part("number", "5"), method=method)).json == 5


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
        await send_parts(Handlers(), "/number", text_part("Number", "5")),
    ):
        assert (answer.status, answer.text) == (400, missing("number"))


# Lists, keyword-only parameters and the rest.


async def test_a_list_takes_all_fields_of_its_name():
    app = Handlers()
    assert (await send_form(app, "/lists", "tags=a&x=y&tags=b&tags=")).json == ["a", "b", ""]
    assert (await send_form(app, "/numbers", "numbers=1&numbers=2")).json == [1, 2]
    assert (await send_form(app, "/numbers", "x=1")).json == []
    parts = [text_part("numbers", "1"), text_part("numbers", "2")]
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
