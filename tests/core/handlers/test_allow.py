"""Methods that a handler allows, and the answers to others."""

import functools

import pytest

from micropie import App, allow, route
from support.asgi import Client
from support.sites import Restricted

pytestmark = pytest.mark.anyio


async def test_an_allowed_method_reaches_the_handler():
    client = Client(Restricted())
    assert (await client.get("/read")).text == "GET"
    assert (await client.post("/write")).text == "POST"
    assert (await client.request("PUT", "/write/a")).text == "PUT"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/read", "GET, HEAD, OPTIONS"),
        ("DELETE", "/read", "GET, HEAD, OPTIONS"),
        ("GET", "/write", "OPTIONS, POST, PUT"),
        ("HEAD", "/write", "OPTIONS, POST, PUT"),
        ("get", "/read", "GET, HEAD, OPTIONS"),  # methods are case-sensitive (RFC 9110, 9.1)
    ],
)
async def test_other_methods_get_405_with_allow(method, path, allowed):
    answer = await Client(Restricted()).request(method, path)
    assert answer.status == 405
    assert answer.header("allow") == allowed
    if method != "HEAD":
        assert answer.text == "405 Method Not Allowed"


async def test_head_goes_with_get():
    answer = await Client(Restricted()).head("/read")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("content-length") == "4"


async def test_options_is_answered_with_allow():
    answer = await Client(Restricted()).options("/write")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("allow") == "OPTIONS, POST, PUT"


async def test_options_goes_to_a_handler_that_names_it():
    assert (await Client(Restricted()).options("/own")).text == "own OPTIONS"


async def test_allow_refuses_before_arguments_are_bound():
    class Strict(App):
        @allow("POST")
        async def item(self, number: int): ...

    assert (await Client(Strict()).get("/item/nonsense")).status == 405


@pytest.mark.parametrize("method", ["PSOT", "GETS", "", " GET", "GET, POST", "*"])
def test_allow_refuses_what_is_no_method_of_http(method):
    with pytest.raises(TypeError, match="HTTP has no method"):
        allow("GET", method)


@pytest.mark.parametrize(
    "decorate",
    [
        lambda function: allow("POST")(route("/x")(function)),
        lambda function: route("/x")(allow("POST")(function)),
        lambda function: route("/x")(staticmethod(allow("POST")(function))),
        lambda function: route("/x")(functools.partial(allow("POST")(function))),
    ],
    ids=["allow last", "route last", "around a static method", "around a partial"],
)
def test_a_handler_has_allow_or_a_route_and_not_both(decorate):
    async def handler(self): ...

    with pytest.raises(TypeError, match="either @allow or @route"):
        decorate(handler)


@pytest.mark.parametrize("methods", [(), (5,), (len,)])
def test_allow_wants_the_names_of_methods(methods):
    with pytest.raises(TypeError, match="names of methods"):
        allow(*methods)


def test_allow_without_parentheses_is_refused():
    with pytest.raises(TypeError, match=r"@allow\("):

        @allow
        async def handler(self): ...


class Outside(App):
    """@allow above a decorator that wraps the function."""

    @allow("POST")
    @staticmethod
    async def static():
        return "reached"

    @allow("POST")
    @classmethod
    async def klass(cls):
        return "reached"

    @staticmethod
    @allow("POST")
    async def inside():
        return "reached"

    part = functools.partialmethod(inside)


@pytest.mark.parametrize("name", ["static", "klass", "inside", "part", "assigned"])
async def test_allow_holds_around_and_inside_of_decorators(name):
    app = Outside()
    app.assigned = functools.partial(app.inside)
    client = Client(app)
    assert (await client.get(f"/{name}")).status == 405
    assert (await client.post(f"/{name}")).text == "reached"


async def test_allow_survives_functools_wraps():
    def twice(function):
        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            return 2 * await function(*args, **kwargs)

        return wrapper

    class Decorated(App):
        @twice
        @allow("POST")
        async def word(self, text):
            return text

    client = Client(Decorated())
    assert (await client.get("/word/ho")).status == 405
    assert (await client.post("/word/ho")).text == "hoho"


def test_a_websocket_begins_with_a_get():
    class Chat(App):
        @allow("POST")
        async def ws_chat(self, ws): ...

    with pytest.raises(TypeError, match="handler 'ws_chat' serves a WebSocket, which begins with"):
        Chat()
