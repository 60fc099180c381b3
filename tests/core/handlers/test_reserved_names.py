"""Names of App's own, which no handler may hide."""

import pytest

from micropie import App, InMemorySessionBackend
from support.asgi import Client
from support.sites import Site

pytestmark = pytest.mark.anyio

RESERVED = sorted({name for name in {*dir(App), *vars(App())} if not name.startswith(("_", "ws_"))})


def test_the_names_that_the_framework_needs_are_known():
    assert {"request", "env", "debug", "middlewares"} <= set(RESERVED)


@pytest.mark.parametrize("name", RESERVED)
def test_a_handler_of_a_reserved_name_is_refused_when_the_class_is_defined(name):
    async def handler(self): ...

    with pytest.raises(TypeError, match=rf"^'{name}' would hide App\.{name}.*rename it"):
        type("Hiding", (App,), {name: handler})


@pytest.mark.parametrize("value", [None, 1, property(lambda self: 1)])
def test_a_value_of_a_reserved_name_is_refused_too(value):
    with pytest.raises(TypeError, match="'request' would hide"):
        type("Hiding", (App,), {"request": value})


def test_a_mixin_can_not_bring_in_a_reserved_name():
    class Bad:
        async def request(self): ...

    with pytest.raises(TypeError, match="'request' would hide"):

        class Mixed(Bad, App):
            pass


@pytest.mark.parametrize("name", RESERVED)
def test_a_handler_of_a_reserved_name_can_not_be_assigned(name):
    app = Site()
    with pytest.raises(TypeError, match=rf"'{name}' would hide App\.{name}"):
        setattr(app, name, app.greet)


def test_an_app_may_be_initialised_by_several_bases():
    class Left(App):
        def __init__(self):
            App.__init__(self)

    class Right(App):
        def __init__(self):
            App.__init__(self, InMemorySessionBackend(), debug=True)

    class Both(Left, Right):
        def __init__(self):
            Left.__init__(self)
            Right.__init__(self)

    assert Both().debug


async def test_private_helpers_of_app_can_be_overridden():
    class Redirecting(App):
        def _redirect(self, location, extra_headers=None):
            return super()._redirect(f"/moved{location}", extra_headers)

        async def index(self):
            return self._redirect("/here")

    assert (await Client(Redirecting()).get("/")).header("location") == "/moved/here"
