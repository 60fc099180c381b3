"""Which handler serves a path."""

import pytest

from micropie import App, HttpMiddleware
from support.asgi import ABSENT, Client
from support.sites import Segments, Site

pytestmark = pytest.mark.anyio

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


@pytest.mark.parametrize("url", ["/sign-up", "/sign%2Dup", "/sign.up", "/signup", "/Sign_up"])
async def test_a_handler_has_one_spelling(url):
    assert (await Client(Site()).get("/sign_up")).text == "sign up"
    assert (await Client(Site()).get(url)).status == 404


async def test_hyphens_in_arguments_stay():
    assert (await Client(Site()).get("/greet/Anne-Marie")).text == "Hello Anne-Marie"


@pytest.mark.parametrize("name", ["sign-up", "robots.txt", "a b", "ä"])
async def test_any_name_that_can_be_a_segment_can_be_assigned_to_the_instance(name):
    app = Site()

    async def assigned():
        return "assigned"

    setattr(app, name, assigned)
    client = Client(app)
    assert (await client.get(app._url_for(name))).text == "assigned"
    assert (await client.get("/sign_up")).text == "sign up"


async def test_a_name_with_a_slash_is_no_segment_and_no_route():
    app = Site()
    setattr(app, "a/b", lambda: "reached")
    for url in ("/a/b", "/a%2Fb"):
        assert (await Client(app).get(url)).status == 404


async def test_names_are_case_sensitive():
    assert (await Client(Site()).get("/Greet")).status == 404


@pytest.mark.parametrize(
    ("url", "text"),
    [("/greet/", "Hello Guest"), ("/greet/Alice/", "Hello Alice"), ("/sign_up/", "sign up")],
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


EMPTY_SEGMENTS = [
    *("//", "///", "//show/a", "/show//", "/show//a", "/show/a//b", "/show/a//", "/a//", "//a%2Fb"),
    *("/show//a%2Fb", "/show/a%2Fb//", "//%73how", "/show/%2F//a", "//index"),
]


@pytest.mark.parametrize("url", EMPTY_SEGMENTS)
async def test_an_empty_segment_leads_nowhere(url):
    assert (await Client(Segments()).get(url)).status == 404


@pytest.mark.parametrize("url", EMPTY_SEGMENTS)
async def test_an_empty_segment_leads_nowhere_below_a_root_path(url):
    for prefix in ("", "/api"):
        client = Client(Segments(), root_path="/api")
        assert (await client.get(prefix + url)).status == 404
    assert (await client.get("//api/show/a")).status == 404


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


DOTS = [
    "/..",
    "/.",
    "/show/..",
    "/show/../x",
    "/./show",
    "/x/../show",
    "/show/%2e%2E",
    "/show/..%2Fx",
]


@pytest.mark.parametrize("url", [*DOTS, "/show/x%2F..", "/show/a%2F.%2Fb", "/show/%2E/"])
async def test_a_path_with_dots_leads_nowhere(url):
    for root_path in ("", "/api"):
        client = Client(Segments(), root_path=root_path)
        assert (await client.get(root_path + url)).status == 404


@pytest.mark.parametrize("segment", ["...", "..x", ".well-known", "a..", ".%20", "a.b", ".x%2F.y"])
async def test_dots_with_other_characters_are_a_segment(segment):
    told = (await Client(Segments()).get(f"/show/{segment}")).json["show"]
    assert told == [segment.replace("%2F", "/").replace("%20", " ")]


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
    assert (await client.get("/sign_up")).text == "sign up"


async def test_root_path_ends_at_a_slash():
    client = Client(Segments(), root_path="/sh")
    assert (await client.get("/show/a")).json == {"show": ["a"]}
    assert (await client.get("/shx/a%2Fb")).json == ["shx", "a/b"]


async def test_a_root_path_like_a_handlers_name_is_stripped_once():
    client = Client(Site(), root_path="/greet")
    assert (await client.get("/greet/greet/Bob")).text == "Hello Bob"
    assert (await client.get("/greet")).text == "index"
    assert (await client.get("/greet/sign_up")).text == "sign up"
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


SAME = [
    ("/", "/"),
    ("", "/"),
    ("/a", "/a"),
    ("/a/", "/a"),
    ("/%61/b%20c/", "/a/b c"),
    ("/a%2Fb/c", "/a%2Fb/c"),
    ("/a%2fb/", "/a%2Fb"),
    ("/%2F", "/%2F"),
    ("/a/%2F/", "/a/%2F"),
    ("/caf%C3%A9", "/café"),
]


@pytest.mark.parametrize(("url", "path"), SAME)
@pytest.mark.parametrize("root_path", ["", "/api", "/my api"])
async def test_the_path_of_a_request_has_the_segments_that_are_routed(url, path, root_path):
    class Where(App):
        async def index(self, *segments):
            return [self.request.path, *segments]

    prefix = root_path.replace(" ", "%20")
    told, *segments = (await Client(Where(), root_path=root_path).get(prefix + url)).json
    assert told == path
    assert "/" + "/".join(segment.replace("/", "%2F") for segment in segments) == path


@pytest.mark.parametrize("url", EMPTY_SEGMENTS)
async def test_the_path_of_a_request_that_leads_nowhere_shows_its_empty_segments(url):
    seen = []

    class Hook(HttpMiddleware):
        async def before_request(self, request):
            seen.append((request.path, request.route))

    app = Segments()
    app.middlewares.append(Hook())
    await Client(app).get(url)
    ((path, route),) = seen
    assert "//" in path
    assert route is None


async def test_the_request_tells_the_path_below_root_path():
    class Where(App):
        async def index(self, *segments):
            return self.request.path

    client = Client(Where(), root_path="/api")
    assert (await client.get("/api/a/b")).text == "/a/b"
    assert (await client.get("/api")).text == "/"
