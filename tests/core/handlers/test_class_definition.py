"""What can't be bound is refused by the class statement; what is not defined yet, with the App."""

import functools
import sys
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from micropie import App, route
from support.asgi import Client
from support.binding import send_json

pytestmark = pytest.mark.anyio

REFUSED = r"^handler '{}', parameter 'value': no value of a request can be converted to set"


def decorated(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


async def method(self, value: set[int]): ...


async def websocket(self, ws, value: set[int]): ...


async def free(value: set[int]): ...


HANDLERS = {
    "a method": ("shown", method),
    "a WebSocket's": ("ws_shown", websocket),
    "a decorated one": ("shown", decorated(method)),
    "a static one": ("shown", staticmethod(free)),
    "a class's": ("shown", classmethod(method)),
}


@pytest.mark.parametrize("kind", HANDLERS)
def test_a_handler_is_refused_with_its_class(kind):
    name, handler = HANDLERS[kind]
    with pytest.raises(TypeError, match=REFUSED.format(name)):
        type("Site", (App,), {name: handler})


def test_a_private_function_with_a_route_is_refused_with_its_class():
    with pytest.raises(TypeError, match=REFUSED.format("_shown")):

        class Site(App):
            @route("/shown")
            async def _shown(self, value: set[int]): ...


def test_a_handler_of_a_mixin_is_refused_with_the_class_that_uses_it():
    class Mixin:
        async def shown(self, value: set[int]): ...

    with pytest.raises(TypeError, match=REFUSED.format("shown")):

        class Site(Mixin, App): ...


def test_an_assigned_handler_is_refused_as_it_is_assigned():
    async def shown(value: set[int]): ...

    app = App()
    with pytest.raises(TypeError, match=REFUSED.format("shown")):
        app.shown = shown


def test_what_is_no_handler_may_take_anything():
    class Site(App):
        async def _helper(self, value: set[int]): ...

        def __call_later__(self, value: set[int]): ...

        @property
        def numbers(self) -> set[int]: ...

        async def index(self, *, number: int = 0) -> set[int]: ...

    Site()


async def test_a_class_may_be_used_before_what_it_names_is_defined():
    class Early(App):
        async def index(self, later: "Later"):  # noqa: F821 - that is the point
            return {"later": later}

        async def model(self, model: "Outer"):  # noqa: F821
            return model

        async def several(self, numbers: list["Later"] | None = None):  # noqa: F821
            return numbers

    with pytest.raises(TypeError, match=r"^handler 'index', the annotation .*'later'.*Later"):
        Early()
    names = globals()
    names["Later"] = int
    names["Outer"] = dataclass(type("Outer", (), {"__annotations__": {"inner": "Inner"}}))
    try:
        with pytest.raises(TypeError, match=r"^handler 'model', parameter 'model': .*Inner"):
            Early()
        names["Inner"] = int
        assert (await Client(Early()).get("/5")).json == {"later": 5}
        assert (await Client(Early()).get("/several?numbers=5&numbers=6")).json == [5, 6]
        assert (await Client(Early()).get("/several?numbers=x")).status == 400
        assert (await send_json(Early(), "/model", {"inner": 5})).json == {"inner": 5}
    finally:
        for name in ("Later", "Outer", "Inner"):
            names.pop(name, None)


class Undefined(pydantic.BaseModel):
    inner: "NowhereAtAll"  # noqa: F821


class Outside(pydantic.BaseModel):
    outer: Undefined


class UndefinedStruct(msgspec.Struct):
    inner: "NowhereAtAll"  # noqa: F821


@pytest.mark.parametrize(
    "annotation",
    [
        Undefined,
        Outside,
        UndefinedStruct,
        list[Undefined],
        Annotated[Undefined, pydantic.Field(title="x")],
        Annotated[list[Undefined], pydantic.Field(min_length=1)],
    ],
    ids=str,
)
def test_a_model_with_a_name_that_is_never_defined_is_refused_with_the_app(annotation):
    class Site(App):
        async def index(self, value: annotation): ...

    with pytest.raises(TypeError, match=r"^handler 'index', parameter 'value': .*not.* defined"):
        Site()


def test_a_type_that_contains_itself_without_a_class_is_refused():
    if sys.version_info < (3, 12):
        pytest.skip("Python 3.11 has no such types")
    words: dict[str, Any] = {}
    exec("type Endless = list[Endless]", words)
    endless = words["Endless"]
    with pytest.raises(TypeError, match=r"parameter 'value': "):

        class Site(App):
            async def index(self, value: endless): ...
