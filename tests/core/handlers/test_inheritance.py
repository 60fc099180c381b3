"""Handlers of base classes and mixins."""

import functools

import pytest

from micropie import App
from support.asgi import Client
from support.sites import CallableObject, Site

pytestmark = pytest.mark.anyio


async def test_handlers_are_inherited_and_overridden():
    class Shop(Site):
        async def greet(self, name="Guest"):
            return "Welcome, " + await super().greet(name)

    client = Client(Shop())
    assert (await client.get("/greet/Bob")).text == "Welcome, Hello Bob"
    assert (await client.get("/sign_up")).text == "sign up"


class Mixin:
    async def mixed(self):
        return "mixin"


async def test_a_mixin_before_app_adds_handlers():
    class Mixed(Mixin, App):
        pass

    assert (await Client(Mixed()).get("/mixed")).text == "mixin"


async def test_a_mixin_after_app_adds_handlers():
    class Mixed(App, Mixin):
        pass

    assert (await Client(Mixed()).get("/mixed")).text == "mixin"


async def test_the_nearest_class_wins():
    class Other:
        async def mixed(self):
            return "other"

    class First(Mixin, Other, App):
        pass

    class Second(App, Other, Mixin):
        pass

    assert (await Client(First()).get("/mixed")).text == "mixin"
    assert (await Client(Second()).get("/mixed")).text == "other"


@pytest.mark.parametrize("value", [None, 0, "text", CallableObject()])
async def test_a_handler_overridden_by_a_value_is_gone(value):
    class Closed(Site):
        greet = value

    assert (await Client(Closed()).get("/greet")).status == 404


async def test_a_handler_overridden_by_a_property_is_gone():
    class Closed(Site):
        @property
        def greet(self):
            return "a value"

    assert (await Client(Closed()).get("/greet")).status == 404


async def test_static_and_class_methods_are_handlers():
    class Methods(App):
        @staticmethod
        async def static(name):
            return f"static {name}"

        @classmethod
        async def klass(cls, name):
            return f"{cls.__name__} {name}"

        @staticmethod
        def blocking(name):
            return f"blocking {name}"

    client = Client(Methods())
    assert (await client.get("/static/a")).text == "static a"
    assert (await client.get("/klass/b")).text == "Methods b"
    assert (await client.get("/blocking/c")).text == "blocking c"


async def test_lambdas_and_partial_methods_are_handlers():
    class Short(App):
        ping = lambda self: "pong"  # noqa: E731

        async def greet(self, greeting, name):
            return f"{greeting} {name}"

        hello = functools.partialmethod(greet, "Hello")

    client = Client(Short())
    assert (await client.get("/ping")).text == "pong"
    assert (await client.get("/hello/Bob")).text == "Hello Bob"


async def test_apps_of_one_class_do_not_share_handlers():
    one, other = Site(), Site()

    async def extra():
        return "extra"

    one.extra = extra
    assert (await Client(one).get("/extra")).text == "extra"
    assert (await Client(other).get("/extra")).status == 404


async def test_private_helpers_may_be_annotated_with_anything():
    class Connection: ...

    class Helped(App):
        async def index(self):
            return self._answer(Connection())

        def _answer(self, connection: Connection, *more: "no such name") -> str:  # noqa: F722
            return "helped"

        def __own(self, connection: Connection): ...

    assert (await Client(Helped()).get("/")).text == "helped"
