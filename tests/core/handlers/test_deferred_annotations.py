"""Annotations that are evaluated when somebody asks: PEP 649, since Python 3.14."""

import sys
from dataclasses import dataclass
from typing import Annotated

import annotated_types as at
import pytest

from micropie import App
from support.asgi import Client
from support.binding import send_json

pytestmark = pytest.mark.anyio

deferred = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="this Python evaluates annotations at once"
)


@deferred
async def test_an_annotation_may_name_what_is_defined_later():
    class Early(App):
        async def index(self, number: Number):  # noqa: F821 - Ruff knows Python 3.11
            return number + 1

    Number = int  # noqa: F841, N806 - stands for a class
    assert (await Client(Early()).get("/5")).json == 6


@deferred
async def test_the_type_of_a_result_may_be_for_type_checkers_alone():
    class Typed(App):
        async def index(self, number: int) -> Nowhere:  # noqa: F821
            return number + 1

    assert (await Client(Typed()).get("/5")).json == 6


@deferred
@pytest.mark.parametrize("depth", range(3))
def test_a_name_that_is_never_defined_is_refused_when_the_app_is_made(depth):
    class Lost(App):
        if depth == 0:

            async def index(self, number: Nowhere): ...  # noqa: F821

        elif depth == 1:

            async def index(self, number: list[Nowhere]): ...  # noqa: F821

        else:

            async def index(self, number: Nowhere | None): ...  # noqa: F821

    with pytest.raises(TypeError, match=r"^handler 'index', .*'number'.*Nowhere"):
        Lost()


@deferred
def test_a_name_that_a_model_never_defines_is_refused_when_the_app_is_made():
    @dataclass
    class Model:
        field: Nowhere  # noqa: F821

    class Lost(App):
        async def index(self, model: Model): ...

    with pytest.raises(TypeError, match=r"^handler 'index', parameter 'model': .*Nowhere"):
        Lost()


@deferred
def test_what_can_be_evaluated_is_refused_with_its_class():
    with pytest.raises(TypeError, match=r"^handler 'index', parameter 'numbers': .*set"):

        class Wrong(App):
            async def index(self, numbers: set[int]): ...


@deferred
async def test_a_constraint_may_name_what_is_defined_later():
    class Early(App):
        async def index(self, number: Annotated[int, at.Lt(LIMIT)]):  # noqa: F821
            return number

        async def items(self, items: list[Item]):  # noqa: F821
            return items

    LIMIT = 10  # noqa: N806

    @dataclass
    class Item:
        price: Annotated[int, at.Lt(LIMIT)]

    app = Early()
    assert (await Client(app).get("/9")).json == 9
    assert (await Client(app).get("/10")).text == ("400 Bad Request: 'number' must be less than 10")
    assert (await send_json(app, "/items", [{"price": 9}])).json == [{"price": 9}]
    assert (await send_json(app, "/items", [{"price": 10}])).status == 400
