"""Which handler serves a request, and what can never be one."""

import asyncio
import functools
import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from micropie import App, HttpMiddleware, InMemorySessionBackend, Request, allow
from support.asgi import ABSENT, PATIENCE, Client

pytestmark = pytest.mark.anyio


class Site(App):
    async def index(self):
        return "index"

    async def greet(self, name="Guest"):
        return f"Hello {name}"

    async def sign_up(self):
        return "sign up"

    async def _private(self):
        return "private"

    async def __secret(self):
        return "secret"

    async def __call_me__(self):
        return "dunder"

    async def ws_chat(self, ws):
        return "websocket"


class Segments(App):
    """Every path that no other handler has goes to index."""

    async def index(self, *segments):
        return list(segments)

    async def show(self, *segments):
        return {"show": list(segments)}


# The first segment names a handler.


async def test_the_root_is_index():
    assert (await Client(Site()).get("/")).text == "index"


async def test_an_empty_path_is_index():
    assert (await Client(Site()).get("")).text == "index"


async def test_index_answers_to_its_name_too():
    assert (await Client(Site()).get("/index")).text == "index"


async def test_the_root_is_404_without_index():
    class NoIndex(App):
        async def hello(self):
            return "hello"

    answer = await Client(NoIndex()).get("/")
    assert (answer.status, answer.text) == (404, "404 Not Found")


async def test_the_first_segment_names_the_handler_and_the_next_is_its_argument():
    assert (await Client(Site()).get("/greet/Alice")).text == "Hello Alice"


async def test_the_same_argument_comes_from_the_query():
    assert (await Client(Site()).get("/greet?name=Alice")).text == "Hello Alice"


async def test_surplus_segments_are_ignored():
    assert (await Client(Site()).get("/sign_up/a/b/c")).text == "sign up"


async def test_a_hyphen_in_the_url_reaches_an_underscore():
    assert (await Client(Site()).get("/sign-up")).text == "sign up"
    assert (await Client(Site()).get("/sign_up")).text == "sign up"


async def test_hyphens_in_arguments_stay():
    assert (await Client(Site()).get("/greet/Anne-Marie")).text == "Hello Anne-Marie"


async def test_a_hyphenated_name_assigned_to_the_instance_wins_over_an_underscore():
    app = Site()

    async def hyphenated():
        return "hyphen"

    setattr(app, "sign-up", hyphenated)
    assert (await Client(app).get("/sign-up")).text == "hyphen"
    assert (await Client(app).get("/sign_up")).text == "sign up"


async def test_names_are_case_sensitive():
    assert (await Client(Site()).get("/Greet")).status == 404


@pytest.mark.parametrize(
    ("url", "text"),
    [("/greet/", "Hello Guest"), ("/greet/Alice/", "Hello Alice"), ("/sign-up/", "sign up")],
)
async def test_a_trailing_slash_changes_nothing(url, text):
    assert (await Client(Site()).get(url)).text == text


async def test_a_name_that_is_percent_encoded_is_the_name():
    assert (await Client(Site()).get("/%67reet/Bob")).text == "Hello Bob"


async def test_names_beyond_ascii_work():
    class Cafe(App):
        async def café(self, drink):
            return drink

    assert (await Client(Cafe()).get("/caf%C3%A9/th%C3%A9")).text == "thé"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE"])
async def test_a_handler_gets_every_method(method):
    class Echo(App):
        async def index(self):
            return self.request.method

    assert (await Client(Echo()).request(method, "/")).text == method


# Unknown paths.


async def test_an_unknown_path_is_404_when_index_takes_no_path():
    answer = await Client(Site()).get("/nothing/here")
    assert (answer.status, answer.text) == (404, "404 Not Found")
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_an_unknown_path_goes_to_index_with_all_its_segments():
    assert (await Client(Segments()).get("/un-known/a%20b/c")).json == ["un-known", "a b", "c"]


async def test_an_index_with_one_parameter_takes_unknown_paths():
    class Page(App):
        async def index(self, slug="home"):
            return slug

    client = Client(Page())
    assert (await client.get("/")).text == "home"
    assert (await client.get("/about")).text == "about"
    assert (await client.get("/about/more")).text == "about"


async def test_an_index_with_keywords_alone_takes_no_path():
    class Keywords(App):
        async def index(self, *, page="1", **others):
            return page

    client = Client(Keywords())
    assert (await client.get("/?page=2")).text == "2"
    assert (await client.get("/two")).status == 404


# Slashes.


@pytest.mark.parametrize(
    ("url", "segments"),
    [
        ("/show/a%2Fb", ["a/b"]),
        ("/show/a%2fb/c", ["a/b", "c"]),
        ("/show/%2F", ["/"]),
        ("/show/%2Fetc%2Fpasswd", ["/etc/passwd"]),
        ("/show/a%252Fb", ["a%2Fb"]),
        ("/show/a%2Fb%20c%C3%A9", ["a/b cé"]),
        ("/show/a%2Fb/", ["a/b"]),
        ("/show/%ff%2Fb", ["�/b"]),
    ],
)
async def test_an_encoded_slash_stays_inside_its_segment(url, segments):
    assert (await Client(Segments()).get(url)).json == {"show": segments}


@pytest.mark.parametrize("url", ["/show%2Fa", "/%2Fshow", "/%2F%2Fshow", "/show%2F"])
async def test_an_encoded_slash_does_not_end_a_handlers_name(url):
    assert isinstance((await Client(Segments()).get(url)).json, list)


async def test_an_encoded_slash_alone_is_no_root():
    assert (await Client(Site()).get("/%2F")).status == 404
    assert (await Client(Segments()).get("/%2F")).json == ["/"]


@pytest.mark.parametrize(
    ("url", "segments"),
    [
        ("//show/a", ["a"]),
        ("/show//a", ["", "a"]),
        ("/show/a//b", ["a", "", "b"]),
        ("/show/a//", ["a"]),
        ("//show//a%2Fb", ["", "a/b"]),
    ],
)
async def test_an_empty_segment_inside_the_path_is_an_argument(url, segments):
    assert (await Client(Segments()).get(url)).json == {"show": segments}


async def test_slashes_alone_are_the_root():
    assert (await Client(Site()).get("///")).text == "index"


async def test_without_raw_path_the_decoded_path_is_split():
    client = Client(Segments(), raw_path=ABSENT)
    assert (await client.get("/show/a%20b/c")).json == {"show": ["a b", "c"]}
    assert (await client.get("/show/a%2Fb")).json == {"show": ["a", "b"]}


async def test_an_empty_raw_path_is_a_missing_one():
    assert (await Client(Segments(), raw_path=None).get("/show/a")).json == {"show": ["a"]}


@pytest.mark.parametrize("url", ["/show/%ff%fe", "/show/%E2%82", "/show/%F0%9F"])
async def test_broken_utf_8_becomes_the_replacement_character(url):
    answer = await Client(Segments()).get(url)
    assert answer.status == 200
    assert "�" in answer.json["show"][0]


@pytest.mark.parametrize("url", ["/%ff", "/%00", "/greet%00", "/%0d%0aX: y", "/..", "/./greet"])
async def test_odd_bytes_in_a_path_reach_no_handler(url):
    assert (await Client(Site()).get(url)).status == 404


async def test_dots_are_segments_like_others():
    assert (await Client(Segments()).get("/show/../_private")).json == {"show": ["..", "_private"]}


# root_path.


@pytest.mark.parametrize("root_path", ["/api", "/api/", "/deep/api"])
async def test_root_path_is_stripped(root_path):
    client = Client(Site(), root_path=root_path)
    prefix = root_path.rstrip("/")
    assert (await client.get(prefix + "/greet/Bob")).text == "Hello Bob"
    assert (await client.get(prefix + "/")).text == "index"
    assert (await client.get(prefix)).text == "index"
    assert (await client.get(prefix + "/nothing")).status == 404


async def test_a_path_without_the_root_path_is_taken_whole():
    client = Client(Site(), root_path="/api")
    assert (await client.get("/greet/Bob")).text == "Hello Bob"
    assert (await client.get("/sign-up")).text == "sign up"


async def test_root_path_ends_at_a_slash():
    client = Client(Segments(), root_path="/sh")
    assert (await client.get("/show/a")).json == {"show": ["a"]}
    assert (await client.get("/shx/a%2Fb")).json == ["shx", "a/b"]


async def test_a_root_path_like_a_handlers_name_is_stripped_once():
    client = Client(Site(), root_path="/greet")
    assert (await client.get("/greet/greet/Bob")).text == "Hello Bob"
    assert (await client.get("/greet")).text == "index"
    assert (await client.get("/greet/sign-up")).text == "sign up"
    assert (await client.get("/greet/Bob")).status == 404


@pytest.mark.parametrize("root_path", ["/api", "/api/", "/my api", "/api/v1"])
async def test_root_path_is_stripped_where_a_slash_is_encoded(root_path):
    client = Client(Segments(), root_path=root_path)
    prefix = root_path.rstrip("/").replace(" ", "%20")
    assert (await client.get(prefix + "/show/a%2Fb")).json == {"show": ["a/b"]}
    assert (await client.get("/show/a%2Fb")).json == {"show": ["a/b"]}


async def test_an_encoded_slash_does_not_stand_in_for_the_root_path():
    client = Client(Segments(), root_path="/api/v1")
    assert (await client.get("/api%2Fv1/show")).json == ["api/v1", "show"]


async def test_a_scope_without_root_path_is_served():
    assert (await Client(Site(), root_path=ABSENT).get("/greet/Bob")).text == "Hello Bob"


async def test_the_request_tells_the_path_below_root_path():
    class Where(App):
        async def index(self, *segments):
            return self.request.path

    client = Client(Where(), root_path="/api")
    assert (await client.get("/api/a/b")).text == "/a/b"
    assert (await client.get("/api")).text == "/"


# What is never a route.


def every_name(app: App) -> set[str]:
    return {*dir(app), *vars(app), *dir(type(app)), "ws_chat", "ws_index", "__secret"}


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


class CallableObject:
    def __call__(self):
        return "called"


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


# Inheritance.


async def test_handlers_are_inherited_and_overridden():
    class Shop(Site):
        async def greet(self, name="Guest"):
            return "Welcome, " + await super().greet(name)

    client = Client(Shop())
    assert (await client.get("/greet/Bob")).text == "Welcome, Hello Bob"
    assert (await client.get("/sign-up")).text == "sign up"


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


# Handlers on the instance.


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


# Names that the framework needs.

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


# @allow.


class Restricted(App):
    @allow("get")
    async def read(self):
        return self.request.method

    @allow("POST", "PUT")
    async def write(self, name="x"):
        return self.request.method

    @allow("GET", "OPTIONS")
    async def own(self):
        return f"own {self.request.method}"


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


# Routing by middleware.


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
    assert (await client.get("/sign-up?name=Eve")).text == "Hello Eve"
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
