"""Explicit routes: `@route` and its short forms, and which of them serves a path."""

import functools
import itertools

import pytest

from micropie import App, HttpMiddleware, UploadFile, limit, route
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.mounts import named

pytestmark = pytest.mark.anyio


class Site(App):
    @route("/users/{user_id}/posts/{post_id}")
    async def post(self, post_id: int, user_id: str, *, style="plain"):
        return [user_id, post_id, style]

    @route.get("/tasks/{task_id}")
    async def show(self, task_id: int):
        return f"show {task_id}"

    @route.delete("/tasks/{number}/")
    async def remove(self, number: int):
        return f"remove {number}"

    @route("/tasks/{task_id}", methods=["put", "Patch"])
    def change(self, task_id, title="untitled"):
        return f"{self.request.method} {task_id} {title}"

    @route.post("/tasks")
    async def add(self, title):
        return f"add {title}"

    @route("/robots.txt")
    async def robots(self):
        return "User-agent: *"

    @route("/files/{rest:path}")
    async def files(self, rest):
        return rest

    async def about(self, *more):
        return ["about", *more]


async def test_segments_bind_by_name_and_convert_by_annotation():
    client = Client(Site())
    assert (await client.get("/users/ada/posts/7")).json == ["ada", 7, "plain"]
    assert (await client.get("/users/ada/posts/7?style=bold")).json == ["ada", 7, "bold"]
    assert (await client.get("/users/ada/posts/x")).text == (
        "400 Bad Request: 'post_id' must be an integer"
    )


async def test_no_query_value_stands_in_for_a_segment():
    url = "/users/ada/posts/7?user_id=eve&post_id=8"
    assert (await Client(Site()).get(url)).json == ["ada", 7, "plain"]


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("GET", "show 3"),
        ("DELETE", "remove 3"),
        ("PUT", "PUT 3 untitled"),
        ("PATCH", "PATCH 3 untitled"),
    ],
)
async def test_each_method_of_a_path_has_its_handler(method, text):
    assert (await Client(Site()).request(method, "/tasks/3")).text == text


async def test_what_is_not_in_the_path_comes_from_query_and_body():
    client = Client(Site())
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "10"}
    assert (await client.post("/tasks", headers=form, body=b"title=Bake")).text == "add Bake"
    assert (await client.request("PUT", "/tasks/3?title=Eat")).text == "PUT 3 Eat"
    assert (await client.post("/tasks")).status == 400


@pytest.mark.parametrize("method", ["POST", "PROPFIND", "get", "NONSENSE", ""])
async def test_other_methods_are_405_with_those_of_all_handlers(method):
    answer = await Client(Site()).request(method, "/tasks/3")
    assert (answer.status, answer.text) == (405, "405 Method Not Allowed")
    assert answer.header("allow") == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


async def test_options_is_answered_for_all_handlers_of_a_path():
    answer = await Client(Site()).options("/tasks/3")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("allow") == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"
    assert (await Client(Site()).options("/tasks")).header("allow") == "OPTIONS, POST"


async def test_head_goes_with_get():
    answer = await Client(Site()).head("/tasks/3")
    assert (answer.status, answer.body, answer.header("content-length")) == (200, b"", "6")
    assert (await Client(Site()).head("/tasks")).status == 405


@pytest.mark.parametrize("is_first", [True, False])
async def test_head_and_options_go_to_a_handler_that_names_them(is_first):
    async def page(self):
        return (200, "page", {"X-Served": "page"})

    async def own(self):
        return (200, None, {"X-Served": "own"})

    handlers = {
        "own": route("/x", methods=["HEAD", "OPTIONS"])(own),
        "page": route("/x")(page),
    }
    order = ["own", "page"] if is_first else ["page", "own"]
    client = Client(type("Site", (App,), {name: handlers[name] for name in order})())
    for method, served in {"HEAD": "own", "OPTIONS": "own", "GET": "page"}.items():
        assert (await client.request(method, "/x")).header("x-served") == served
    assert (await client.post("/x")).header("allow") == "GET, HEAD, OPTIONS"


async def test_a_handler_with_a_route_is_not_reached_by_its_name():
    for url in ("/robots", "/post/ada/7", "/show/3", "/files"):
        assert (await Client(Site()).get(url)).status == 404


@pytest.mark.parametrize("url", ["/robots.txt", "/robots.txt/", "/%72obots.txt", "/robots%2Etxt"])
async def test_a_fixed_path_may_have_dots(url):
    assert (await Client(Site()).get(url)).text == "User-agent: *"


@pytest.mark.parametrize(
    "url",
    [
        *("/robots.txt/x", "//robots.txt", "/Robots.txt", "/robotsxtxt", "/robots.txt//"),
        *("/users/ada/posts", "/users/ada/posts/7/x", "/users//posts/7", "/users/ada%2Fposts/7"),
        *("/users%2Fada/posts/7", "/files", "/files/", "/files//a", "/files/a//b", "/tasks//3"),
    ],
)
async def test_what_no_pattern_matches_is_a_404(url):
    assert (await Client(Site()).get(url)).status == 404


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("/files/a", "a"),
        ("/files/a/b.txt", "a/b.txt"),
        ("/files/a/b/", "a/b"),
        ("/files/a%2Fb/c", "a/b/c"),
        ("/files/%C3%A9", "é"),
        ("/files/.well-known", ".well-known"),
    ],
)
async def test_the_rest_of_a_path_is_one_argument(url, rest):
    assert (await Client(Site()).get(url)).text == rest


async def test_an_encoded_slash_stays_in_its_segment():
    assert (await Client(Site()).get("/users/a%2Fb/posts/7")).json == ["a/b", 7, "plain"]


async def test_below_a_root_path():
    client = Client(Site(), root_path="/api")
    for prefix in ("/api", ""):
        assert (await client.get(f"{prefix}/tasks/3")).text == "show 3"
        assert (await client.get(f"{prefix}/users/a%2Fb/posts/7")).json == ["a/b", 7, "plain"]


# Which pattern serves.

PATTERNS = ["/a/b", "/a/{x}", "/{x}/b", "/{x}/{y}", "/a/{rest:path}", "/{rest:path}", "/a/{x}/c"]


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("/a/b", "/a/b"),
        ("/a/c", "/a/{x}"),
        ("/c/b", "/{x}/b"),
        ("/c/d", "/{x}/{y}"),
        ("/a/b/c", "/a/{x}/c"),
        ("/a/b/d", "/a/{rest:path}"),
        ("/c/b/d", "/{rest:path}"),
        ("/a", "/{rest:path}"),
        ("/b", "/{rest:path}"),
        ("/{}/b", "/{x}/b"),
    ],
)
async def test_a_fixed_segment_goes_before_a_parameter_whatever_the_order(url, pattern):
    for order in itertools.islice(itertools.permutations(PATTERNS), 0, None, 97):
        handlers = {}
        for number, path in enumerate(order):

            async def page(self, x="", y="", rest=""):
                return self.request.route.path

            handlers[f"page_{number}"] = route(path)(page)
        client = Client(type("Site", (App,), handlers)())
        assert (await client.get(url)).text == pattern


async def test_segments_tried_for_one_pattern_are_not_left_to_another():
    class Tried(App):
        @route("/{a}/{b}/x/y")
        async def long(self, a, b): ...

        @route("/{first}/{rest:path}")
        async def short(self, first, rest):
            return [first, rest, self.request.path_params]

    answer = await Client(Tried()).get("/1/2/x/z")
    assert answer.json == ["1", "2/x/z", ["1", "2/x/z"]]


async def test_the_most_specific_pattern_decides_about_the_method():
    class Tasks(App):
        @route("/tasks/new")
        async def form(self):
            return "form"

        @route.delete("/tasks/{task_id}")
        async def remove(self, task_id):
            return "removed"

    answer = await Client(Tasks()).request("DELETE", "/tasks/new")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD, OPTIONS")


class Mixed(App):
    async def index(self, *path):
        return ["index", *path]

    async def about(self, *path):
        return ["about", *path]

    @route.post("/about")
    async def write(self):
        return "written"

    @route("/news/{number}")
    async def one(self, number):
        return "explicit"

    async def news(self, *path):
        return ["news", *path]


async def test_explicit_routes_come_before_names():
    client = Client(Mixed())
    assert (await client.get("/about")).status == 405
    assert (await client.post("/about")).text == "written"
    assert (await client.get("/about/us")).json == ["about", "us"]
    assert (await client.get("/news/1")).text == "explicit"
    assert (await client.get("/news")).json == ["news"]
    assert (await client.get("/news/1/2")).json == ["news", "1", "2"]
    assert (await client.get("/other")).json == ["index", "other"]


async def test_a_pattern_covers_what_it_matches_also_where_one_look_up_would_do():
    class Pages(Mixed):
        @route("/{slug}")
        async def page(self, slug):
            return f"page {slug}"

    client = Client(Pages())
    assert (await client.get("/news")).text == "page news"
    assert (await client.get("/index")).text == "page index"
    assert (await client.get("/")).json == ["index"]
    assert (await client.get("/news/1/2")).json == ["news", "1", "2"]


async def test_a_route_at_the_root_covers_index():
    class Root(App):
        @route("/")
        async def home(self):
            return "home"

        async def index(self):
            return "index"

    client = Client(Root())
    for url in ("/", ""):
        assert (await client.get(url)).text == "home"
        assert (await client.post(url)).status == 405
    assert (await client.get("/index")).text == "index"


async def test_mounts_come_before_explicit_routes_and_a_mount_at_the_root_after_all():
    class Root(App):
        @route("/static/page")
        async def covered(self): ...

        @route("/page")
        async def page(self):
            return "page"

    root = Root()
    root.mount("/static", named("static"))
    root.mount("/", named("rest"))
    client = Client(root)
    assert (await client.get("/static/page")).text == "static"
    assert (await client.get("/page")).text == "page"
    assert (await client.post("/page")).status == 405
    assert (await client.get("/page/x")).text == "rest"


# Where `@route` may stand.


async def test_routes_may_be_stacked():
    class Stacked(App):
        @route("/")
        @route("/page/{number}")
        @route.post("/page/{number}")
        async def page(self, number=1):
            return f"{self.request.method} {number}"

    client = Client(Stacked())
    assert (await client.get("/")).text == "GET 1"
    assert (await client.get("/page/2")).text == "GET 2"
    assert (await client.post("/page/2")).text == "POST 2"
    assert (await client.post("/")).status == 405


async def test_private_functions_may_have_routes():
    class Private(App):
        @route("/open")
        async def _hidden(self):
            return "reached"

    client = Client(Private())
    assert (await client.get("/open")).text == "reached"
    assert (await client.get("/_hidden")).status == 404


URLS = {"inside": "HO", "outside": "HO", "static": "ho", "class": "ho", "own": "HO"}


async def test_route_holds_around_and_inside_of_other_decorators():
    def loud(function):
        @functools.wraps(function)
        async def wrapper(*args, **kwargs):
            return (await function(*args, **kwargs)).upper()

        return wrapper

    class Decorated(App):
        @loud
        @route("/inside/{word}")
        async def inside(self, word):
            return word

        @route("/outside/{word}")
        @loud
        async def outside(self, word):
            return word

        @route("/static/{word}")
        @staticmethod
        async def static(word):
            return word

        @classmethod
        @route("/class/{word}")
        async def of_class(cls, word):
            return word

        part = functools.partialmethod(inside, "hey")
        own = route("/own/{word}")(functools.partialmethod(inside))

    client = Client(Decorated())
    for url, text in URLS.items():
        assert (await client.get(f"/{url}/ho")).text == text
    assert (await client.get("/part")).text == "HEY"


def test_what_a_partial_has_settled_is_in_no_path():
    class Settled(App):
        async def say(self, word): ...

        part = route("/part/{word}")(functools.partialmethod(say, word="x"))

    with pytest.raises(TypeError, match=r"'part'.*word"):
        Settled()


async def test_handlers_assigned_to_the_instance_may_have_routes():
    app = Site()

    @route("/extra/{word}")
    async def extra(word):
        return word

    app.extra = extra
    app._private = route("/private")(functools.partial(extra, "from a partial"))
    client = Client(app)
    assert (await client.get("/extra/ho")).text == "ho"
    assert (await client.get("/extra")).status == 404
    assert (await client.get("/private")).text == "from a partial"
    app.extra = lambda: "by name"
    assert (await client.get("/extra")).text == "by name"
    assert (await client.get("/extra/ho")).text == "by name"
    del app.extra, app._private
    for url in ("/extra", "/extra/ho", "/private"):
        assert (await client.get(url)).status == 404


async def test_an_assigned_handler_takes_the_place_of_one_with_a_route_and_back():
    app = Site()
    app.show = lambda: "another"
    client = Client(app)
    assert (await client.get("/show")).text == "another"
    assert (await client.get("/tasks/3")).header("allow") == "DELETE, OPTIONS, PATCH, PUT"
    del app.show
    assert (await client.get("/show")).status == 404
    assert (await client.get("/tasks/3")).text == "show 3"


async def test_assigning_a_pattern_uncovers_and_covers_names():
    app = Site()
    app._any = route("/{word}")(lambda word: f"any {word}")
    client = Client(app)
    assert (await client.get("/about")).text == "any about"
    del app._any
    assert (await client.get("/about")).json == ["about"]


async def test_an_override_without_a_route_removes_it():
    class Plain(Site):
        async def show(self, task_id):
            return "by name"

    client = Client(Plain())
    assert (await client.get("/show/3")).text == "by name"
    assert (await client.get("/tasks/3")).status == 405


async def test_an_override_may_move_a_route():
    class Moved(Site):
        @route("/chores/{task_id}")
        async def show(self, task_id):
            return f"chore {task_id}"

    client = Client(Moved())
    assert (await client.get("/chores/3")).text == "chore 3"
    assert (await client.get("/tasks/3")).status == 405


async def test_a_mixins_routes_are_served():
    class Mixin:
        @route("/mixed/{word}")
        async def mixed(self, word):
            return word

    class Both(Mixin, App):
        pass

    assert (await Client(Both()).get("/mixed/ho")).text == "ho"


async def test_keywords_left_over_have_no_segment_among_them():
    class Open(App):
        @route("/open/{word}")
        async def page(self, word, **others):
            return [word, others]

    answer = await Client(Open()).get("/open/ho?word=hi&more=yes")
    assert answer.json == ["ho", {"more": "yes"}]


async def test_streams_and_synchronous_handlers_have_routes_too():
    class Kinds(App):
        @route("/stream/{word}")
        async def stream(self, word):
            yield word
            yield "!"

        @route("/blocking/{word}")
        def blocking(self, word):
            return word

    client = Client(Kinds())
    assert (await client.get("/stream/ho")).text == "ho!"
    assert (await client.get("/blocking/ho")).text == "ho"


async def test_a_route_stands_above_and_below_a_limit():
    class Limited(App):
        @route.post("/above/{word}")
        @limit(body=10)
        async def above(self, word):
            return await self.request.read()

        @limit(body=10)
        @route.post("/below/{word}")
        async def below(self, word):
            return await self.request.read()

    client = Client(Limited())
    for url in ("/above/x", "/below/x"):
        for size, status in {10: 200, 11: 413}.items():
            headers = {"Content-Length": str(size)}
            assert (await client.post(url, headers=headers, body=b"x" * size)).status == status


# Routing by hand.


def choosing(app, **chosen):
    class Router(HttpMiddleware):
        async def before_request(self, request):
            for name, value in chosen.items():
                setattr(request, name, value)

    app.middlewares.append(Router())
    return Client(app)


async def test_a_hook_may_choose_a_handler_that_has_a_route():
    client = choosing(Site(), handler="post", path_params=["ada", "7"])
    assert (await client.get("/nowhere")).json == ["ada", 7, "plain"]
    assert (await client.post("/nowhere")).status == 405
    assert (await choosing(Site(), handler="robots").get("/nowhere")).text == "User-agent: *"


async def test_of_a_chosen_handlers_routes_the_one_for_the_method_counts():
    class Stacked(App):
        @route("/a/{x}")
        @route.post("/b/{y}")
        async def page(self, x="-", y="-"):
            return f"{x}{y}"

    client = choosing(Stacked(), handler="page", path_params=["1"])
    assert (await client.get("/")).text == "1-"
    assert (await client.post("/")).text == "-1"
    app = Stacked()
    assert (await choosing(app, handler=app.page, path_params=["1"]).post("/")).text == "-1"


async def test_a_chosen_handler_takes_what_no_segment_gives_from_the_query():
    client = choosing(Site(), handler="post", path_params=["ada"])
    assert (await client.get("/nowhere?post_id=8")).json == ["ada", 8, "plain"]
    assert (await client.get("/nowhere")).status == 400


# WebSockets.


class Chat(App):
    @route("/rooms/{room}/live")
    async def ws_live(self, ws, room, name="Guest"):
        await ws.accept()
        await ws.send_text(f"{room} {name} {ws.request.route.path}")

    @route("/rooms/{room}/live")
    async def page(self, room):
        return f"page of {room}"

    @route("/files/{rest:path}")
    async def ws_files(self, ws, rest):
        await ws.accept()
        await ws.send_text(rest)


async def test_websockets_have_routes_of_their_own():
    client = WebSocketClient(Chat())
    assert (await client.run("/rooms/a%2Fb/live?name=Ada")).sent == ["a/b Ada /rooms/{room}/live"]
    assert (await client.run("/files/a/b/")).sent == ["a/b"]
    assert (await Client(Chat()).get("/rooms/kitchen/live")).text == "page of kitchen"
    for url in ("/live/kitchen", "/rooms/kitchen/live/x", "//rooms/kitchen/live", "/files"):
        assert (await client.run(url)).refused == (1008, "there is no such WebSocket")


# What is refused when it is written.


@pytest.mark.parametrize(
    "path",
    [
        *("users", "", "/a//b", "//a", "/a//", "/a/../b", "/./a", "/a/{b", "/a/b}", "/{a}.json"),
        *("/{}", "/{a b}", "/{a:int}", "/{a:path}/b", "/{a}/{a}", "/a/{b}{c}", "/a?b={c}"),
        *("/a#b", "/%41", "/{a:path}/", "/{self.x}", "/{a!r}", "/a/<b>", "/<int:a>"),
    ],
)
def test_a_malformed_pattern_is_refused(path):
    if path == "/{a:path}/":
        route(path)  # the slash at the end means nothing
        return
    with pytest.raises(ValueError, match="route '"):
        route(path)


@pytest.mark.parametrize(
    "methods", [["PSOT"], ["GET", ""], ["GET "], "GET", [], [1], None, 5, ["GET,POST"]]
)
def test_a_method_that_http_does_not_have_is_refused(methods):
    with pytest.raises(TypeError):
        route("/x", methods=methods)


@pytest.mark.parametrize("path", [None, 5, b"/x", lambda self: None])
def test_route_takes_a_path(path):
    with pytest.raises(TypeError, match=r"as in @route\("):
        route(path)


@pytest.mark.parametrize("method", ["get", "Get", "M-SEARCH", "VERSION-CONTROL", "PROPFIND"])
def test_methods_are_those_of_the_registry_in_any_case(method):
    if method == "M-SEARCH":
        with pytest.raises(TypeError, match="M-SEARCH"):
            route("/x", methods=[method])
    else:
        assert route("/x", methods=[method]).methods == {method.upper()}


async def page(self): ...


async def other(self): ...


async def with_x(self, x): ...


async def with_y(self, y): ...


SAME_PATHS = [
    ("/x", page, "/x", other),
    ("/x", page, "/x/", other),
    ("/{x}", with_x, "/{y}", with_y),
    ("/a/{x:path}", with_x, "/a/{y:path}", with_y),
    ("/", page, "/", other),
]


@pytest.mark.parametrize(("first", "one", "second", "two"), SAME_PATHS)
def test_two_handlers_of_one_method_and_path_are_refused(first, one, second, two):
    handlers = {"one": route(first)(_copy(one)), "two": route(second)(_copy(two))}
    with pytest.raises(TypeError, match="handlers 'one' and 'two' both serve GET /"):
        type("Site", (App,), handlers)
    handlers = {"one": route(first)(_copy(one)), "two": route.post(second)(_copy(two))}
    assert type("Site", (App,), handlers)
    base = type("Base", (App,), {"one": route(first)(_copy(one))})
    with pytest.raises(TypeError, match="both serve"):
        type("Derived", (base,), {"two": route(second)(_copy(two))})


def _copy(function):
    """Return a function of its own, for decorators note on functions what they say."""

    @functools.wraps(function)
    async def copy(*args, **kwargs):
        return await function(*args, **kwargs)

    return copy


def test_a_name_that_no_parameter_has_is_refused():
    with pytest.raises(TypeError, match=r"handler 'page' has no parameter for \{number\}"):

        class Misspelt(App):
            @route("/page/{number}")
            async def page(self, nubmer): ...

    with pytest.raises(TypeError, match=r"\{rest\}"):

        class Starred(App):
            @route("/page/{rest:path}")
            async def page(self, *rest): ...

    with pytest.raises(TypeError, match=r"\{word\}"):

        class Open(App):
            @route("/page/{word}")
            async def page(self, **others): ...


@pytest.mark.parametrize("annotation", [UploadFile, list[UploadFile]])
def test_a_parameter_for_a_body_can_not_be_in_the_path(annotation):
    async def page(self, item): ...

    page.__annotations__["item"] = annotation
    with pytest.raises(TypeError, match="'item' is in the path"):
        type("Site", (App,), {"page": route("/{item}")(page)})()


def test_a_websocket_begins_with_a_get():
    with pytest.raises(TypeError, match="'ws_chat' serves a WebSocket"):

        class Site(App):
            @route.post("/chat")
            async def ws_chat(self, ws): ...


@pytest.mark.parametrize("value", [len, Site().about])
def test_what_takes_no_attributes_is_refused(value):
    with pytest.raises(TypeError, match="can't be decorated"):
        route("/x")(value)


def test_an_assigned_handler_is_checked_at_once_and_changes_nothing_if_it_is_refused():
    app = Site()
    before = [info.path for info in app.routes]
    for path in ("/tasks/{task_id}", "/tasks/{other}"):
        with pytest.raises(TypeError):
            app.second = route(path)(_copy(with_x))
    with pytest.raises(TypeError, match="both serve GET"):
        app.second = route("/tasks/{x}")(_copy(with_x.__get__(app)))
    assert [info.path for info in app.routes] == before


# Their number.


def test_a_look_up_takes_the_same_steps_with_one_route_and_with_a_thousand():
    import sys

    def calls(count):
        async def page(self, x): ...

        handlers = {
            f"page_{number}": route(f"/section/page_{number}/{{x}}")(_copy(page))
            for number in range(count)
        }
        client = Client(type("Site", (App,), handlers)())
        scope = client.scope("GET", "/section/page_0/1")
        taken = 0

        async def send(message): ...

        def trace(frame, event, argument):
            nonlocal taken
            taken += 1
            return trace

        before = sys.gettrace()  # that of coverage
        sys.settrace(trace)
        try:
            client.app(scope, None, send).send(None)
        except StopIteration:
            pass
        finally:
            sys.settrace(before)
        return taken

    assert calls(1000) == calls(1) > 0
