"""Which handler a WebSocket reaches, and with which arguments."""

import functools
import uuid
from decimal import Decimal
from enum import Enum

import pytest

from micropie import App, WebSocket
from support.asgi import ABSENT, Client
from support.asgi_websocket import WebSocketClient
from support.websockets import Chat, refusal, with_origin

pytestmark = pytest.mark.anyio


async def told(url, app=None, **options):
    """Return what the handler that serves *url* says."""
    ending = await WebSocketClient(app or Chat()).run(url, **options)
    assert ending.closed == (1000, "")
    (text,) = ending.sent
    return text


# Routing.


@pytest.mark.parametrize("url", ["/", "", "/index"])
async def test_the_root_is_ws_index(url):
    assert await told(url) == "index"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/chat", "chat lobby Guest"),
        ("/chat/", "chat lobby Guest"),
        ("/chat/kitchen", "chat kitchen Guest"),
        ("/chat/kitchen/Ada", "chat kitchen Ada"),
        ("/chat/kitchen/Ada/surplus", "chat kitchen Ada"),
        ("/chat/a%2Fb", "chat a/b Guest"),
        ("/chat/Zo%C3%AB", "chat Zoë Guest"),
        ("/sign_up", "sign up"),
        ("/static/word", "static word"),
        ("/of_class/word", "class word"),
    ],
)
async def test_the_first_segment_names_the_handler(url, said):
    assert await told(url) == said


@pytest.mark.parametrize(
    "url",
    [
        "/nothing",
        "/page",
        "/ws_chat",
        "/ws-chat",
        "/sign-up",
        "//chat",
        "/chat//kitchen",
        "/chat/kitchen//",
        "/_private",
        "/-private",
        "/ws__private",
        "/_ws_hidden",
        "/hidden",
        "/accept",
        "/session",
        "/_serve_websocket",
        "/serve_websocket",
        "/Chat",
    ],
)
async def test_what_no_handler_serves_is_refused(url):
    assert await refusal(url) == (1008, "there is no such WebSocket")


@pytest.mark.parametrize("url", ["/chat", "/ws_chat", "/sign_up", "/static/word"])
async def test_http_reaches_no_websocket_handler(url):
    assert (await Client(Chat()).get(url)).status == 404


async def test_one_name_may_serve_http_and_websockets():
    class Both(Chat):
        async def chat(self):
            return "a page about chat"

    app = Both()
    assert (await Client(app).get("/chat")).text == "a page about chat"
    assert await told("/chat", app) == "chat lobby Guest"


async def test_an_unknown_path_goes_to_an_index_that_takes_segments():
    class Rooms(App):
        async def ws_index(self, ws, *rooms):
            await Chat._tell(ws, *rooms)

        async def ws_show(self, ws):
            await Chat._tell(ws, "show")

    assert await told("/a/b", Rooms()) == "a b"
    assert await told("/show", Rooms()) == "show"


async def test_an_app_without_websockets_refuses_all():
    assert await refusal("/", App()) == (1008, "there is no such WebSocket")


async def test_a_name_of_nothing_but_the_prefix_serves_nothing():
    class Nameless(App):
        async def ws_(self, ws):
            await Chat._tell(ws, "nameless")

    assert await refusal("/", Nameless()) == (1008, "there is no such WebSocket")
    assert (await Client(Nameless()).get("/")).status == 404


async def test_root_path_is_no_part_of_the_handlers_path():
    assert await told("/pie/chat/kitchen", root_path="/pie") == "chat kitchen Guest"
    assert await told("/chat/kitchen", root_path="/pie") == "chat kitchen Guest"


async def test_a_handler_may_be_assigned_and_replaced_and_deleted():
    async def first(ws):
        await Chat._tell(ws, "first")

    async def second(ws, word):
        await Chat._tell(ws, "second", word)

    app = Chat()
    app.ws_new = first
    assert await told("/new", app) == "first"
    app.ws_new = second
    assert await told("/new/word", app) == "second word"
    del app.ws_new
    assert await refusal("/new", app) == (1008, "there is no such WebSocket")
    app.ws_chat = first
    assert await told("/chat", app) == "first"
    del app.ws_chat
    assert await told("/chat", app) == "chat lobby Guest"
    app.ws_chat = None
    assert await refusal("/chat", app) == (1008, "there is no such WebSocket")


async def test_an_assigned_partial_is_a_handler():
    async def say(word, ws, name):
        await Chat._tell(ws, word, name)

    app = App()
    app.ws_hello = functools.partial(say, "Hello")
    assert await told("/hello/Ada", app) == "Hello Ada"


def test_a_sync_handler_is_refused_when_the_app_is_made():
    class Sync(App):
        def ws_chat(self, ws):
            pass

    with pytest.raises(TypeError, match=r"'ws_chat'.*must be an async function"):
        Sync()


def test_a_generator_is_refused_when_the_app_is_made():
    class Stream(App):
        async def ws_chat(self, ws):
            yield "message"

    with pytest.raises(TypeError, match="'ws_chat'"):
        Stream()


async def test_a_sync_handler_can_not_be_assigned_and_leaves_the_old_one():
    app = Chat()
    with pytest.raises(TypeError, match="'ws_chat'"):
        app.ws_chat = lambda ws: None
    assert await told("/chat", app) == "chat lobby Guest"


def test_a_handler_that_takes_no_websocket_is_refused_when_the_app_is_made():
    class Nothing(App):
        async def ws_chat(self):
            pass

    class KeywordOnly(App):
        async def ws_chat(self, *, ws):
            pass

    for app in (Nothing, KeywordOnly):
        with pytest.raises(TypeError, match=r"'ws_chat'.*first parameter"):
            app()


def test_an_annotation_that_nothing_converts_to_is_refused_when_the_class_is_defined():
    with pytest.raises(TypeError, match="'thing'"):

        class Wrong(App):
            async def ws_chat(self, ws, thing: object()):
                pass


# Binding.


class Colour(Enum):
    RED = "red"


class Typed(App):
    async def ws_typed(
        self,
        ws: WebSocket,
        number: int,
        ratio: float = 0.5,
        *,
        key: uuid.UUID | None = None,
        tag: list[str] = (),
        colour: Colour = Colour.RED,
        price: Decimal = Decimal(1),
        flag: bool = False,
    ):
        await Chat._tell(ws, repr((number, ratio, key, list(tag), colour.name, price, flag)))

    async def ws_rest(self, ws, first, *others: int, **named):
        await Chat._tell(ws, first, others, named)

    async def ws_ws(self, ws, session="none"):
        await Chat._tell(ws, session)


@pytest.mark.parametrize(
    ("url", "values"),
    [
        ("/typed/7", (7, 0.5, None, [], "RED", Decimal(1), False)),
        ("/typed?number=7", (7, 0.5, None, [], "RED", Decimal(1), False)),
        ("/typed/7/1.5?tag=a&tag=b", (7, 1.5, None, ["a", "b"], "RED", Decimal(1), False)),
        ("/typed/7?ratio=2&flag=true&price=0.1", (7, 2.0, None, [], "RED", Decimal("0.1"), True)),
        (
            "/typed/7?key=12345678-1234-5678-1234-567812345678&colour=red",
            (7, 0.5, uuid.UUID("12345678123456781234567812345678"), [], "RED", Decimal(1), False),
        ),
    ],
)
async def test_path_and_query_are_converted(url, values):
    assert await told(url, Typed()) == repr(values)


async def test_the_rest_of_path_and_query_is_given_to_those_who_ask():
    assert await told("/rest/a/1/2?x=y&first=no", Typed()) == "a (1, 2) {'x': 'y'}"


async def test_a_query_can_stand_in_neither_for_the_websocket_nor_for_a_session():
    assert await told("/ws?ws=fake", Typed()) == "none"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("/typed", "400 Bad Request: Missing required parameter 'number'"),
        ("/typed/x", "400 Bad Request: 'number' must be an integer"),
        ("/typed?number=", "400 Bad Request: 'number' must be an integer"),
        ("/typed/7/x", "400 Bad Request: 'ratio' must be a number"),
        ("/typed/7?key=x", "400 Bad Request: 'key' must be a UUID"),
        ("/rest/a/1/x", "400 Bad Request: 'others' must be an integer"),
    ],
)
async def test_a_bad_parameter_is_refused_with_the_reason(url, reason):
    assert await refusal(url, Typed()) == (1008, reason)


async def test_no_parameter_repeats_what_the_client_sent():
    _, reason = await refusal("/typed/%3Cscript%3E", Typed())
    assert "script" not in reason


# Other scopes.


async def test_an_unknown_scope_type_is_an_error():
    ending = await WebSocketClient(Chat()).run("/chat", type="telepathy")
    assert isinstance(ending.error, ValueError)
    assert "telepathy" in str(ending.error)


@pytest.mark.parametrize("missing", ["root_path", "raw_path", "subprotocols", "client", "state"])
async def test_what_a_server_may_leave_out_of_the_scope_is_not_missed(missing):
    client = WebSocketClient(Chat(), **{missing: ABSENT})
    assert (await client.run("/chat/kitchen")).sent == ["chat kitchen Guest"]


async def test_daphnes_scope_without_a_scheme_is_enough():
    client = WebSocketClient(Chat(), scheme=ABSENT)
    ending = await client.run("/chat", **with_origin("http://pie.example"))
    assert ending.sent == ["chat lobby Guest"]


UNDECODABLE = [
    {"path": "/\ufffd", "raw_path": b"/%ff"},
    {"path": "/a/\ufffd", "raw_path": b"/a%2f%ff"},
    {"path": "/\udcff", "raw_path": b"/\xff"},
    {"path": "/\ud800/%2f", "raw_path": b"/%ed%a0%80/%252f"},
    {"path": "/\0", "raw_path": b"/%00"},
    {"path": "/%2f", "raw_path": b"/%2f%"},
    {"path": "", "raw_path": b""},
    {"path": "*", "raw_path": b"*"},
]


@pytest.mark.parametrize("target", UNDECODABLE, ids=range(len(UNDECODABLE)))
async def test_a_path_that_is_no_text_is_refused_like_any_unknown_one(target, logged):
    app = App()
    app.ws_test = Chat().ws_chat
    assert (await refusal("/", app, **target))[0] == 1008
    assert logged == []


async def test_an_error_on_the_way_to_the_route_is_logged_and_refuses(logged):
    class Forgetful(App):
        def __init__(self):
            pass  # without super().__init__()

        async def ws_chat(self, ws):
            await ws.accept()

    for url in ("/chat", "/nothing"):
        assert await refusal(url, Forgetful()) == (1011, "")
    assert ["super().__init__()" in str(record.exc_info[1]) for record in logged] == [True, True]
