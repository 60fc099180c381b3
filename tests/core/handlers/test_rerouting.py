"""Hooks that route a request somewhere else."""

import asyncio
import functools
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from micropie import App, HttpMiddleware, Request
from support.asgi import PATIENCE, Client
from support.sites import Restricted, Site, every_name

pytestmark = pytest.mark.anyio


def routed(app: App, choose: Callable[[Request], Any]) -> Client:
    class Router(HttpMiddleware):
        async def before_request(self, request):
            choose(request)

    app.middlewares.append(Router())
    return Client(app)


@pytest.mark.parametrize("attribute", ["handler", "_route_handler"])
async def test_middleware_routes_by_name(attribute):
    client = routed(Site(), lambda request: setattr(request, attribute, "sign_up"))
    assert (await client.get("/nothing/of/the/kind")).text == "sign up"
    assert (await client.get("/greet/Bob")).text == "sign up"


@pytest.mark.parametrize("attribute", ["handler", "_route_handler"])
async def test_middleware_routes_by_bound_method(attribute):
    app = Site()
    client = routed(app, lambda request: setattr(request, attribute, app.greet))
    assert (await client.get("/sign_up?name=Eve")).text == "Hello Eve"
    assert (await client.get("/nothing?name=Eve")).text == "Hello nothing"


async def test_handler_wins_over_its_older_spelling():
    def choose(request):
        request.handler, request._route_handler = "sign_up", "greet"

    assert (await routed(Site(), choose).get("/")).text == "sign up"


async def test_middleware_sets_the_path_parameters():
    def choose(request):
        request.handler, request.path_params = "greet", ["Zoe", "more"]

    assert (await routed(Site(), choose).get("/x/y")).text == "Hello Zoe"


async def test_middleware_sees_and_changes_the_path_parameters_of_a_found_route():
    def choose(request):
        request.path_params = [name.upper() for name in request.path_params]

    assert (await routed(Site(), choose).get("/greet/zoe")).text == "Hello ZOE"


async def test_path_parameters_of_an_unknown_path_are_the_whole_path():
    def choose(request):
        assert request.path_params == ["users", "7"]
        request.handler, request.path_params = "greet", request.path_params[1:]

    assert (await routed(Site(), choose).get("/users/7")).text == "Hello 7"


async def test_middleware_may_choose_a_private_handler_by_name():
    client = routed(Site(), lambda request: setattr(request, "handler", "_private"))
    assert (await client.get("/")).text == "private"


async def test_middleware_may_choose_a_private_handler_of_the_instance():
    app = Site()

    async def hidden(name):
        return f"hidden {name}"

    app._hidden = hidden
    client = routed(app, lambda request: setattr(request, "handler", "_hidden"))
    assert (await client.get("/?name=x")).text == "hidden x"
    app._hidden = None
    assert (await client.get("/?name=x")).status == 404


@pytest.mark.parametrize(
    "name", ["nothing", "_redirect", "request", "__init__", "ws_chat", "__call_me__"]
)
async def test_a_name_that_is_no_handler_is_404(name):
    client = routed(Site(), lambda request: setattr(request, "handler", name))
    assert (await client.get("/greet")).status == 404


async def test_middleware_can_choose_no_name_of_apps_own():
    chosen = []
    client = routed(Site(), lambda request: setattr(request, "handler", chosen[-1]))
    for name in every_name(client.app) - {"index", "greet", "sign_up", "_private", "_Site__secret"}:
        chosen.append(name)
        assert (await client.get("/greet")).status == 404, name


async def test_middleware_may_choose_any_callable():
    async def foreign(number: int):
        return number + 1

    client = routed(Site(), lambda request: setattr(request, "handler", foreign))
    assert (await client.get("/?number=4")).json == 5
    assert (await client.get("/?number=x")).status == 400


async def test_middleware_may_choose_a_callable_that_has_no_hash():
    @dataclass
    class Page:
        text: str

        async def __call__(self):
            return self.text

    client = routed(Site(), lambda request: setattr(request, "handler", Page("a page")))
    assert (await client.get("/")).text == "a page"


async def test_a_handler_made_for_one_request_holds_on_to_nothing():
    kinds = {
        "closure": lambda request: lambda: request.path,
        "default": lambda request: lambda request=request: request.path,
        "method": lambda request: Held(request).page,
        "partial": lambda request: functools.partial(Held.page, Held(request)),
    }

    class Held:
        def __init__(self, request):
            self.request = request

        async def page(self):
            return self.request.path

    seen = weakref.WeakSet()

    def choose(request):
        seen.add(request)
        request.handler = kinds[request.path_params.pop()](request)

    client = routed(Site(), choose)
    for kind in kinds:
        assert (await client.get(f"/{kind}")).text == f"/{kind}"
    # The thread that ran a handler lets go of it a moment later.
    async with asyncio.timeout(PATIENCE):
        while seen:
            gc.collect()
            await asyncio.sleep(0.01)


async def test_a_namesake_of_a_handler_is_not_taken_for_it():
    async def greet():
        return "namesake"

    client = routed(Site(), lambda request: setattr(request, "handler", greet))
    assert (await client.get("/greet/Bob")).text == "namesake"


async def test_a_method_of_another_app_runs_on_that_app():
    class Named(App):
        def __init__(self, name):
            super().__init__()
            self.name = name

        async def who(self):
            return self.name

    here, there = Named("here"), Named("there")
    client = routed(here, lambda request: setattr(request, "handler", there.who))
    assert (await client.get("/who")).text == "there"


async def test_middleware_that_chooses_no_callable_is_a_500(logged):
    client = routed(Site(), lambda request: setattr(request, "handler", 5))
    assert (await client.get("/")).status == 500
    assert len(logged) == 1


async def test_allow_holds_for_a_handler_that_middleware_chose():
    client = routed(Restricted(), lambda request: setattr(request, "handler", "write"))
    assert (await client.get("/")).status == 405
    assert (await client.post("/")).text == "POST"
