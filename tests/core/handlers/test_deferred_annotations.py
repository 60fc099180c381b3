"""Annotations that are evaluated when somebody asks: PEP 649, since Python 3.14."""

import sys
from dataclasses import dataclass

import pytest

from micropie import App
from support.asgi import Client

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
