"""Handlers that are assigned to the instance."""

import functools
from collections.abc import Callable

import pytest

from micropie import App
from support.asgi import Client
from support.sites import CallableObject, Site

pytestmark = pytest.mark.anyio


async def test_a_function_assigned_to_the_instance_is_a_handler_at_once():
    app = Site()
    assert (await Client(app).get("/extra")).status == 404

    async def extra(name="nobody"):
        return f"extra {name}"

    app.extra = extra
    assert (await Client(app).get("/extra/x")).text == "extra x"


async def test_methods_partials_and_lambdas_can_be_assigned():
    class Other:
        async def method(self, name):
            return f"method {name}"

    app = Site()
    app.method = Other().method
    app.partial = functools.partial(app.greet, "partial")
    app.short = lambda: "lambda"
    client = Client(app)
    assert (await client.get("/method/x")).text == "method x"
    assert (await client.get("/partial")).text == "Hello partial"
    assert (await client.get("/short")).text == "lambda"


async def test_an_assigned_handler_replaces_an_earlier_one():
    app = Site()

    async def first():
        return "first"

    async def second():
        return "second"

    app.greet = first
    assert (await Client(app).get("/greet")).text == "first"
    app.greet = second
    assert (await Client(app).get("/greet")).text == "second"
    assert (await Client(app).get("/")).text == "index"


async def test_an_assigned_index_serves_the_root():
    class Empty(App):
        pass

    app = Empty()

    async def index():
        return "assigned"

    app.index = index
    assert (await Client(app).get("/")).text == "assigned"
    assert (await Client(app).get("/index")).text == "assigned"
    del app.index
    assert (await Client(app).get("/")).status == 404


@pytest.mark.parametrize("value", [None, 5, CallableObject()])
async def test_a_handler_replaced_by_a_value_is_gone(value):
    app = Site()
    app.greet = app.index = value
    assert (await Client(app).get("/greet")).status == 404
    assert (await Client(app).get("/")).status == 404


async def test_deleting_an_assigned_handler_uncovers_the_classs():
    app = Site()

    async def assigned():
        return "assigned"

    app.greet = app.extra = assigned
    del app.greet
    del app.extra
    assert (await Client(app).get("/greet")).text == "Hello Guest"
    assert (await Client(app).get("/extra")).status == 404


@pytest.mark.parametrize("result", ["text", {"a": 1}])
async def test_a_handler_deleted_while_it_runs_answers_nevertheless(result):
    async def once():
        del app.once
        return result

    app = App()
    app.once = once
    client = Client(app)
    assert (await client.get("/once")).status == 200
    assert (await client.get("/once")).status == 404


async def test_handlers_can_be_assigned_before_and_after_app_is_initialised():
    class Late(App):
        def __init__(self):
            self.before = self.answer
            super().__init__()
            self.after = self.answer

        async def answer(self):
            return "answer"

    client = Client(Late())
    assert (await client.get("/before")).text == "answer"
    assert (await client.get("/after")).text == "answer"


async def test_an_assignment_that_fails_leaves_the_earlier_handler_in_place():
    app = Site()

    async def unservable(value: Callable[[], None]): ...

    with pytest.raises(TypeError, match="greet"):
        app.greet = unservable
    assert (await Client(app).get("/greet")).text == "Hello Guest"
