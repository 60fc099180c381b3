"""What can never be a route."""

import functools

import pytest

from micropie import App
from support.asgi import Client
from support.sites import CallableObject, Segments, Site, every_name

pytestmark = pytest.mark.anyio


def spellings(name: str) -> set[str]:
    hyphened = name.replace("_", "-")
    return {
        name,
        hyphened,
        hyphened.strip("-"),
        name.strip("_"),
        f"{name}/x",
        f"{name}/",
        f"/{name}",
    }


async def test_nothing_of_app_is_reachable():
    class Bare(App):
        pass

    client = Client(Bare())
    for name in every_name(client.app):
        for spelling in spellings(name):
            for method in ("GET", "POST"):
                answer = await client.request(method, f"/{spelling}")
                assert (answer.status, answer.text) == (404, "404 Not Found"), spelling


async def test_every_attribute_of_app_is_an_argument_of_an_index_that_takes_the_path():
    client = Client(Segments())
    for name in every_name(client.app) - {"index", "show"}:
        for path in (name, name.replace("_", "-")):
            answer = await client.get(f"/{path}/x")
            assert answer.json == [path, "x"]


async def test_of_a_users_class_the_public_functions_alone_are_reachable():
    client = Client(Site())
    for name in every_name(client.app) - {"index", "greet", "sign_up"}:
        for path in (name, name.replace("_", "-")):
            assert (await client.get(f"/{path}")).status == 404, path


@pytest.mark.parametrize(
    "path",
    [
        "_private",
        "-private",
        "__secret",
        "_Site__secret",
        "-Site--secret",
        "__call_me__",
        "--call-me--",
        "ws_chat",
        "ws-chat",
        "index/../_private",
        "_private/x",
    ],
)
async def test_a_private_name_is_not_reachable(path):
    answer = await Client(Site()).get(f"/{path}")
    assert answer.text in ("404 Not Found", "index")


async def test_what_is_no_function_is_not_reachable():
    class Things(App):
        number = 1
        text = "text"
        thing = CallableObject()
        builtin = len
        nested = None

        class Nested:
            pass

        @property
        def computed(self):
            raise AssertionError("computed on a request's behalf")

        @functools.cached_property
        def kept(self):
            raise AssertionError("computed on a request's behalf")

    client = Client(Things())
    for name in ("number", "text", "thing", "builtin", "nested", "Nested", "computed", "kept"):
        assert (await client.get(f"/{name}")).status == 404, name


async def test_a_callable_object_on_the_instance_is_not_reachable():
    app = Site()
    app.client = CallableObject()
    app.factory = CallableObject
    app.measure = len
    for name in ("client", "factory", "measure"):
        assert (await Client(app).get(f"/{name}")).status == 404


async def test_private_names_on_the_instance_are_not_reachable():
    app = Site()

    async def hidden(ws=None):
        return "hidden"

    async def ws_hidden(ws):
        await ws.accept()

    app._hidden = app.__hidden = hidden
    app.ws_hidden = ws_hidden
    for name in ("_hidden", "__hidden", "ws_hidden", "-hidden", "ws-hidden"):
        assert (await Client(app).get(f"/{name}")).status == 404
