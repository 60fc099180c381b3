"""What is refused when a class of handlers is defined, rather than answered with a surprise."""

import functools
import types

import pytest

from micropie import App, route
from support.asgi import Client

pytestmark = pytest.mark.anyio


class Logged:
    """A decorator that is an object, and binds as a function does."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.function = function

    def __get__(self, instance, owner=None):
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args, **kwargs):
        return self.function(*args, **kwargs)


class Unbound:
    """One that does not bind, so that nobody would give it the App."""

    def __init__(self, function):
        functools.update_wrapper(self, function)

    def __call__(self): ...


# self.


async def no_self(name): ...


async def nothing(): ...


async def keywords_alone(*, self): ...


async def any_keywords(**self): ...


@pytest.mark.parametrize("function", [no_self, nothing, keywords_alone, any_keywords])
@pytest.mark.parametrize(
    "wrap", [route("/x"), functools.wraps(no_self), Logged, functools.lru_cache, lambda f: f]
)
def test_a_handler_without_self_is_refused(function, wrap):
    function = wrap(types.FunctionType(function.__code__, {}))  # decorators write on it
    with pytest.raises(TypeError, match="'page' must take self as its first parameter"):
        type("Site", (App,), {"page": function})


def test_a_websocket_handler_without_self_is_refused():
    with pytest.raises(TypeError, match="'ws_chat' must take self"):

        class Site(App):
            async def ws_chat(ws): ...  # noqa: N805


def test_a_handler_of_a_mixin_without_self_is_refused():
    class Mixin:
        async def page(name): ...  # noqa: N805

    with pytest.raises(TypeError, match="'page' must take self"):
        type("Site", (Mixin, App), {})


async def test_who_takes_the_app_by_another_way_is_served():
    def wrapper(*args):
        return f"wrapper {len(args)}"

    class Site(App):
        async def underscore(_):  # noqa: N805
            return "underscore"

        async def named(_self, word="-"):  # noqa: N805
            return f"named {word}"

        anything = wrapper

        @staticmethod
        async def static(word="-"):
            return f"static {word}"

        @classmethod
        async def klass(cls, word="-"):
            return f"class {word}"

        part = functools.partial(lambda word: f"partial {word}", "x")

        def _helper(word): ...  # noqa: N805

    client = Client(Site())
    answers = {
        "underscore": "underscore",
        "named/x": "named x",
        "anything": "wrapper 1",
        "static/x": "static x",
        "klass/x": "class x",
        "part": "partial x",
    }
    for url, text in answers.items():
        assert (await client.get(f"/{url}")).text == text


# What decorators make of a handler.


async def test_an_object_that_binds_is_a_handler():
    class Site(App):
        @Logged
        def page(self, number: int):
            return {"number": number}

        @Logged
        async def coroutine(self, number: int):
            return {"number": number}

        @functools.lru_cache  # noqa: B019 - a test
        def cached(self, number: int):
            return {"number": number}

        @route("/rooms/{number}")
        @Logged
        @functools.lru_cache  # noqa: B019
        def room(self, number: int):
            return {"number": number}

        @Logged
        def _private(self): ...

    client = Client(Site())
    for url in ("/page/3", "/coroutine/3", "/cached/3", "/cached/3", "/rooms/3"):
        assert (await client.get(url)).json == {"number": 3}
    assert (await client.get("/page/x")).status == 400
    assert (await client.get("/room/3")).status == 404
    assert (await client.get("/_private")).status == 404


@pytest.mark.parametrize("name", ["page", "ws_page"])
def test_an_object_that_does_not_bind_is_refused(name):
    async def page(self): ...

    with pytest.raises(TypeError, match=f"'{name}' can't be a route: .* Unbound"):
        type("Site", (App,), {name: Unbound(page)})
    with pytest.raises(TypeError, match="can't be a route"):
        type("Site", (App,), {"_page": route("/x")(Unbound(page))})
    assert type("Site", (App,), {"_page": Unbound(page)})


async def test_a_callable_that_wraps_no_function_is_an_attribute():
    from unittest import mock

    class Proxy:
        def __init__(self, wrapped):
            self.__wrapped__ = wrapped

        def __call__(self): ...

    class Site(App):
        proxy = Proxy([1, 2])
        mocked = mock.Mock()
        call = mock.call
        maker = dict

        class Nested:
            def __call__(self): ...

        nested = Nested()

    for name in ("proxy", "mocked", "call", "maker", "nested", "Nested"):
        assert (await Client(Site()).get(f"/{name}")).status == 404


async def test_a_cache_that_is_kept_on_the_instance_is_no_route():
    class Site(App):
        def __init__(self):
            super().__init__()
            self.look_up = functools.lru_cache(self._look_up)

        def _look_up(self, word="x"):
            return "secret"

    assert (await Client(Site()).get("/look_up")).status == 404
