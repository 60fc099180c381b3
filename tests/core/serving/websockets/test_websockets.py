"""WebSockets: routing, binding, messages, closing, hooks, origins."""

import asyncio
import functools
import gc
import json
import uuid
from decimal import Decimal
from enum import Enum

import pytest

from micropie import (
    App,
    ConnectionClosed,
    HTTPError,
    InvalidMessage,
    WebSocket,
    WebSocketMiddleware,
    WebSocketRequest,
)
from support.asgi import ABSENT, PATIENCE, Client
from support.asgi_websocket import WebSocketClient

pytestmark = pytest.mark.anyio

OLD = {"version": "3.0", "spec_version": "2.3"}
NEW = {"version": "3.0", "spec_version": "2.4"}


def app_of(handler, **options):
    """Return an App that serves *handler* at /test."""
    app = App(**options)
    app.ws_test = handler
    return app


def client_of(handler, **options):
    return WebSocketClient(app_of(handler, **options))


async def accept(ws):
    await ws.accept()


async def talk(handler, *messages, **options):
    """Let *handler* have text *messages*, after which the client leaves; return the ending."""
    async with client_of(handler, **options).open("/test") as socket:
        for message in messages:
            socket.send_text(message)
        socket.leave()
        return await socket.ended()


class Chat(App):
    """Every handler says who it is, and what it was given."""

    async def ws_index(self, ws):
        await self._tell(ws, "index")

    async def ws_chat(self, ws, room="lobby", name="Guest"):
        await self._tell(ws, "chat", room, name)

    async def ws_sign_up(self, ws):
        await self._tell(ws, "sign up")

    async def ws__private(self, ws):
        await self._tell(ws, "private")

    async def _ws_hidden(self, ws):
        await self._tell(ws, "hidden")

    async def page(self):
        return "page"

    @staticmethod
    async def ws_static(ws, word):
        await Chat._tell(ws, "static", word)

    @classmethod
    async def ws_of_class(cls, ws, word):
        await cls._tell(ws, "class", word)

    @staticmethod
    async def _tell(ws, *words):
        await ws.accept()
        await ws.send_text(" ".join(map(str, words)))


async def told(url, app=None, **options):
    """Return what the handler that serves *url* says."""
    ending = await WebSocketClient(app or Chat()).run(url, **options)
    assert ending.closed == (1000, "")
    (text,) = ending.sent
    return text


async def refusal(url, app=None, **options):
    """Return the code and reason with which *url* is refused."""
    ending = await WebSocketClient(app or Chat()).run(url, **options)
    assert ending.error is None
    assert [message["type"] for message in ending.messages] == ["websocket.close"]
    return ending.refused


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
        ("/sign-up", "sign up"),
        ("/sign_up", "sign up"),
        ("/static/word", "static word"),
        ("/of-class/word", "class word"),
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


@pytest.mark.parametrize("url", ["/chat", "/ws_chat", "/sign-up", "/static/word"])
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


def test_an_annotation_that_nothing_converts_to_is_refused_when_the_app_is_made():
    class Wrong(App):
        async def ws_chat(self, ws, thing: object()):
            pass

    with pytest.raises(TypeError, match="'thing'"):
        Wrong()


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


# The handshake.


async def test_a_handler_learns_all_about_the_handshake():
    seen = {}

    class Site(App):
        async def ws_test(self, ws):
            request = ws.request
            seen.update(
                kind=type(request),
                path=request.path,
                client=request.client,
                header=request.headers["x-one"],
                cookie=request.cookies["a"],
                query=request.query("q"),
                queries=request.query_params,
                params=request.path_params,
                scope=request.scope["type"],
                current=self.request is request,
                session=self.session is ws.session is request.session,
            )
            await ws.accept()

    headers = {"X-One": "1", "Cookie": "a=b"}
    await WebSocketClient(Site()).run("/test/more?q=1&q=2", headers=headers)
    assert seen == {
        "kind": WebSocketRequest,
        "path": "/test/more",
        "client": ("192.0.2.7", 51234),
        "header": "1",
        "cookie": "b",
        "query": "1",
        "queries": {"q": ["1", "2"]},
        "params": ["more"],
        "scope": "websocket",
        "current": True,
        "session": True,
    }


async def test_accepted_and_closed_tell_where_the_connection_is():
    states = []

    async def handler(ws):
        states.append((ws.accepted, ws.closed))
        await ws.accept()
        states.append((ws.accepted, ws.closed))
        await ws.close()
        states.append((ws.accepted, ws.closed))

    await client_of(handler).run("/test")
    assert states == [(False, False), (True, False), (True, True)]


@pytest.mark.parametrize("offered", [["a", "b"], ["b"]])
async def test_a_subprotocol_that_was_offered_is_accepted(offered):
    async def handler(ws):
        assert ws.subprotocols == offered
        await ws.accept("b")

    ending = await client_of(handler).run("/test", subprotocols=offered)
    assert ending.messages[0]["subprotocol"] == "b"


async def test_no_subprotocol_is_accepted_unasked():
    async def handler(ws):
        await ws.accept()

    ending = await client_of(handler).run("/test", subprotocols=["a"])
    assert ending.messages[0]["subprotocol"] is None


@pytest.mark.parametrize("offered", [["a"], [], ABSENT])
async def test_a_subprotocol_that_was_not_offered_is_an_error(offered):
    async def handler(ws):
        with pytest.raises(ValueError, match="did not offer the subprotocol 'b'"):
            await ws.accept("b")
        assert not ws.accepted
        await ws.accept()

    client = client_of(handler)
    scope = {"subprotocols": offered} if offered else {}
    if offered is ABSENT:
        client = WebSocketClient(client.app, subprotocols=ABSENT)
        scope = {}
    ending = await client.run("/test", **scope)
    assert ending.closed == (1000, "")


async def test_changing_the_offered_subprotocols_changes_nothing():
    async def handler(ws):
        ws.subprotocols.append("b")
        with pytest.raises(ValueError, match="'b'"):
            await ws.accept("b")

    await client_of(handler).run("/test", subprotocols=["a"])


@pytest.mark.parametrize("headers", [[("X-Pie", "apple")], {"X-Pie": "apple"}])
async def test_headers_go_out_with_the_handshake(headers):
    async def handler(ws):
        await ws.accept(headers=headers)

    ending = await client_of(handler).run("/test")
    assert ending.messages[0]["headers"] == [(b"x-pie", b"apple")]


@pytest.mark.parametrize("headers", [None, (), [], {}])
async def test_no_headers_are_sent_unasked(headers):
    async def handler(ws):
        await ws.accept(headers=headers)

    ending = await client_of(handler).run("/test")
    assert ending.messages[0]["headers"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Pie": "a\r\nSet-Cookie: stolen=1"},
        {"X-Pie": "a\nb"},
        {"X-Pie": "a\0b"},
        {"X-Pie": "€"},
        {"X-Pie\r\nEvil": "1"},
        {"X Pie": "1"},
        {"": "1"},
        {"X-Pie": 1},
        ["X-Pie"],
        [("X-Pie",)],
        [(b"x-pie", b"1")],
    ],
    ids=repr,
)
async def test_a_header_that_may_not_be_sent_refuses_the_handshake(headers, logged):
    async def handler(ws):
        ws.session["stored"] = False
        await ws.accept(headers=headers)

    assert await refusal("/test", app_of(handler)) == (1011, "")
    (record,) = logged
    assert record.exc_info


async def test_accepting_twice_is_an_error():
    async def handler(ws):
        await ws.accept()
        with pytest.raises(RuntimeError, match="accepted already"):
            await ws.accept()

    assert (await client_of(handler).run("/test")).closed == (1000, "")


async def test_accepting_after_a_refusal_raises_connection_closed():
    async def handler(ws):
        await ws.close(4000, "no")
        with pytest.raises(ConnectionClosed) as caught:
            await ws.accept()
        assert (caught.value.code, caught.value.reason) == (4000, "no")

    assert await refusal("/test", app_of(handler)) == (4000, "no")


async def test_a_client_that_left_before_accept_ends_the_handler_quietly():
    async with client_of(accept).open("/test") as socket:
        socket.break_sending(OSError("gone"))
        ending = await socket.ended()
    assert ending.error is None
    assert ending.messages == []


@pytest.mark.parametrize("use", ["receive_text", "receive_bytes", "receive_json", "iterate"])
async def test_receiving_before_accept_is_an_error_that_says_so(use):
    async def handler(ws):
        with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
            await (anext(aiter(ws)) if use == "iterate" else getattr(ws, use)())

    assert await refusal("/test", app_of(handler)) == (1000, "")


@pytest.mark.parametrize(
    ("use", "value"), [("send_text", "a"), ("send_bytes", b"a"), ("send_json", 1)]
)
async def test_sending_before_accept_is_an_error_that_says_so(use, value):
    async def handler(ws):
        with pytest.raises(RuntimeError, match=r"await ws\.accept\(\)"):
            await getattr(ws, use)(value)

    assert await refusal("/test", app_of(handler)) == (1000, "")


async def test_a_mistake_before_accept_refuses_the_handshake_and_is_logged(logged):
    async def handler(ws):
        await ws.receive_text()

    assert await refusal("/test", app_of(handler)) == (1011, "")
    (record,) = logged
    assert "await ws.accept()" in str(record.exc_info[1])


async def test_a_handler_that_never_accepts_refuses():
    async def handler(ws):
        pass

    assert await refusal("/test", app_of(handler)) == (1000, "")


# Messages.


async def test_text_bytes_and_json_go_both_ways():
    async def handler(ws):
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())
        await ws.send_json(await ws.receive_json())
        await ws.send_json(await ws.receive_json())

    async with client_of(handler).connect("/test") as socket:
        socket.send_text("Zoë 🥧 \0")
        assert await socket.receive() == "Zoë 🥧 \0"
        socket.send_bytes(b"\0\xff")
        assert await socket.receive() == b"\0\xff"
        socket.send_json({"a": [1, None, 1.5, "é"]})
        assert json.loads(await socket.receive()) == {"a": [1, None, 1.5, "é"]}
        socket.send_bytes(b"[1]")  # JSON may come as binary
        assert await socket.receive() == "[1]"
        assert (await socket.ended()).closed == (1000, "")


async def test_an_empty_message_is_a_message():
    async def handler(ws):
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", "text": "", "bytes": None})
        assert await socket.receive() == ""
        socket.put({"type": "websocket.receive", "text": None, "bytes": b""})
        assert await socket.receive() == b""


@pytest.mark.parametrize("data", [b"ab", bytearray(b"ab"), memoryview(b"ab")], ids=range(3))
async def test_anything_that_is_bytes_can_be_sent(data):
    async def handler(ws):
        await ws.accept()
        await ws.send_bytes(data)

    assert (await client_of(handler).run("/test")).sent == [b"ab"]


@pytest.mark.parametrize(
    ("use", "value", "message"),
    [
        ("send_text", b"a", r"send_text\(\) takes a str, not bytes"),
        ("send_text", None, r"send_text\(\) takes a str, not NoneType"),
        ("send_text", 1, r"send_text\(\) takes a str, not int"),
        ("send_bytes", "a", r"send_bytes\(\) takes bytes, not str"),
        ("send_bytes", 3, r"send_bytes\(\) takes bytes, not int"),
        ("send_bytes", [1], r"send_bytes\(\) takes bytes, not list"),
        ("send_json", object(), "object"),
        ("send_json", {1, 2}, "set"),
    ],
)
async def test_sending_the_wrong_type_is_an_error_that_says_so(use, value, message):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(TypeError, match=message):
            await getattr(ws, use)(value)
        await ws.send_text("still open")

    assert (await client_of(handler).run("/test")).sent == ["still open"]


async def test_text_that_is_no_unicode_is_an_error():
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match="surrogates"):
            await ws.send_text("a\ud800")
        await ws.send_json("a\ud800")  # JSON can escape it

    (text,) = (await client_of(handler).run("/test")).sent
    assert text == r'"a\ud800"'


async def test_json_messages_are_written_as_json_responses_are():
    async def handler(ws):
        await ws.accept()
        await ws.send_json({"id": uuid.UUID(int=1), "n": float("nan"), "big": 2**70})

    (text,) = (await client_of(handler).run("/test")).sent
    assert text == (
        '{"id":"00000000-0000-0000-0000-000000000001","n":null,"big":1180591620717411303424}'
    )


WRONG = [
    ("receive_text", {"bytes": b"a"}, 1003, "expected a text message"),
    ("receive_bytes", {"text": "a"}, 1003, "expected a binary message"),
    ("receive_json", {"text": "{"}, 1007, "expected JSON"),
    ("receive_json", {"text": ""}, 1007, "expected JSON"),
    ("receive_json", {"text": "NaN"}, 1007, "expected JSON"),
    ("receive_json", {"text": '"\ud800"'}, 1007, "expected JSON"),
    ("receive_json", {"text": r'"\ud800"'}, 1007, "expected JSON"),
    ("receive_json", {"text": "[" * 100_000}, 1007, "expected JSON"),
    ("receive_json", {"bytes": b"\xff"}, 1007, "expected JSON"),
    ("receive_json", {"bytes": b""}, 1007, "expected JSON"),
]


@pytest.mark.parametrize(("use", "message", "code", "reason"), WRONG, ids=range(len(WRONG)))
async def test_another_kind_of_message_closes_with_its_code(use, message, code, reason):
    async def handler(ws):
        await ws.accept()
        await getattr(ws, use)()

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", **message})
        assert (await socket.ended()).closed == (code, reason)


@pytest.mark.parametrize(("use", "message", "code", "reason"), WRONG, ids=range(len(WRONG)))
async def test_a_handler_may_catch_another_kind_of_message_and_go_on(use, message, code, reason):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match=reason) as caught:
            await getattr(ws, use)()
        assert isinstance(caught.value, InvalidMessage)
        assert (caught.value.code, caught.value.reason) == (code, reason)
        assert not ws.closed
        await ws.send_text(await ws.receive_text())

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.receive", **message})
        socket.send_text("again")
        assert await socket.receive() == "again"


async def test_iteration_gives_text_and_bytes_and_ends_when_the_client_leaves():
    async def handler(ws):
        await ws.accept()
        messages = [message async for message in ws]
        assert messages == ["a", b"b", ""]
        assert ws.closed

    async with client_of(handler).connect("/test") as socket:
        socket.send_text("a")
        socket.send_bytes(b"b")
        socket.send_text("")
        socket.leave()
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed is None


async def test_iteration_may_be_broken_off_and_begun_again():
    async def handler(ws):
        await ws.accept()
        for _ in range(2):
            async for message in ws:
                await ws.send_text(message)
                break
        await ws.send_text(await ws.receive_text())

    async with client_of(handler).connect("/test") as socket:
        for text in "abc":
            socket.send_text(text)
        assert (await socket.ended()).sent == ["a", "b", "c"]


async def test_iteration_over_a_closed_websocket_is_empty():
    async def handler(ws):
        await ws.accept()
        await ws.close()
        assert [message async for message in ws] == []

    assert (await client_of(handler).run("/test")).error is None


async def test_connection_closed_inside_a_loop_is_not_taken_for_its_end():
    async def fail(ws):
        async for _ in ws:
            raise ConnectionClosed(4000)

    async def handler(ws):
        await ws.accept()
        with pytest.raises(ConnectionClosed, match="4000"):
            await fail(ws)

    await talk(handler, "a")


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_a_receive_that_timed_out_loses_no_message(asgi):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await ws.receive_text()
        await ws.send_text("waiting")
        for _ in range(2):
            await ws.send_text(await ws.receive_text())

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        assert await socket.receive() == "waiting"
        socket.send_text("a")
        socket.send_text("b")
        assert [await socket.receive(), await socket.receive()] == ["a", "b"]


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_two_tasks_may_send_and_receive_at_once(asgi):
    async def handler(ws):
        async def count():
            for number in range(50):
                await ws.send_text(str(number))
                await asyncio.sleep(0)

        await ws.accept()
        counting = asyncio.create_task(count())
        received = [await ws.receive_text() for _ in range(50)]
        await counting
        await ws.send_json(received)

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        for number in range(50):
            socket.send_text(str(number))
        expected = [str(number) for number in range(50)]
        ending = await socket.ended()
    assert ending.sent[:-1] == expected
    assert json.loads(ending.sent[-1]) == expected


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_of_two_tasks_that_receive_one_gets_each_message(asgi):
    async def handler(ws):
        async def receive():
            received.append(await ws.receive_text())

        await ws.accept()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(receive())

    received = []
    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        for number in range(10):
            socket.send_text(str(number))
        ending = await socket.ended()
    assert ending.closed == (1000, "")
    assert sorted(received) == [str(number) for number in range(10)]


# The client leaves.


@pytest.mark.parametrize("use", ["receive_text", "receive_bytes", "receive_json"])
@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        ({"code": 1001}, 1001, ""),
        ({"code": 4000, "reason": "bye"}, 4000, "bye"),
        ({"code": 1006, "reason": None}, 1006, ""),
        ({"code": None}, 1005, ""),
        ({}, 1005, ""),
    ],
)
async def test_receiving_from_a_client_that_left_raises_connection_closed(
    use, message, code, reason
):
    async def handler(ws):
        await ws.accept()
        for _ in range(2):  # and goes on to do so
            with pytest.raises(ConnectionClosed) as caught:
                await getattr(ws, use)()
            assert (caught.value.code, caught.value.reason) == (code, reason)
        assert ws.closed

    async with client_of(handler).connect("/test") as socket:
        socket.put({"type": "websocket.disconnect", **message})
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed is None


async def test_sending_after_the_client_was_seen_to_leave_raises_connection_closed():
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        for send, value in ((ws.send_text, ""), (ws.send_bytes, b""), (ws.send_json, 1)):
            with pytest.raises(ConnectionClosed) as caught:
                await send(value)
            assert caught.value.code == 1001

    assert (await talk(handler)).error is None


@pytest.mark.parametrize("error", [OSError(), ConnectionResetError(), BrokenPipeError()], ids=repr)
async def test_a_send_that_finds_the_client_gone_raises_connection_closed(error):
    gone = asyncio.Event()

    async def handler(ws):
        await ws.accept()
        await gone.wait()
        with pytest.raises(ConnectionClosed) as caught:
            await ws.send_text("a")
        assert (caught.value.code, caught.value.reason) == (1006, "")
        assert ws.closed
        with pytest.raises(ConnectionClosed):
            await ws.receive_text()

    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(error)
        gone.set()
        assert (await socket.ended()).error is None


@pytest.mark.parametrize("asgi", [OLD, {"version": "3.0"}, ABSENT], ids=["2.3", "none", "no asgi"])
async def test_a_handler_that_only_sends_learns_that_its_client_has_left(asgi):
    # Servers older than ASGI 2.4 drop what is sent to a client that has left, and say nothing.
    codes = []

    async def handler(ws):
        await ws.accept()
        try:
            while True:
                await ws.send_text("tick")
                await asyncio.sleep(0)
        except ConnectionClosed as error:
            codes.append(error.code)
            raise

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        assert await socket.receive() == "tick"
        socket.leave(1001)
        assert (await socket.ended()).error is None
    assert codes == [1001]


async def test_looking_out_for_the_client_loses_no_message():
    async def handler(ws):
        await ws.accept()
        for number in range(3):
            await ws.send_text(str(number))
            await asyncio.sleep(0)
        await ws.send_json([await ws.receive_text(), await ws.receive_text()])
        assert [message async for message in ws] == ["c"]

    async with WebSocketClient(app_of(handler), asgi=OLD).connect("/test") as socket:
        for text in "abc":
            socket.send_text(text)
        for number in range(3):
            assert await socket.receive() == str(number)
        assert await socket.receive() == '["a","b"]'
        socket.leave()
        assert (await socket.ended()).error is None


async def test_looking_out_for_the_client_leaves_no_task_behind():
    async def handler(ws):
        await ws.accept()
        await ws.send_text("a")

    async def endless(ws):
        await handler(ws)
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    await WebSocketClient(app_of(handler), asgi=OLD).run("/test")
    async with WebSocketClient(app_of(endless), asgi=OLD).connect("/test") as socket:
        await socket.receive()
        socket.cancel()
        await socket.ended()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_letting_connection_closed_out_ends_quietly():
    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_letting_connection_closed_out_of_a_task_group_ends_quietly():
    async def handler(ws):
        await ws.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(ws.receive_text())
            group.create_task(asyncio.Event().wait())

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_another_error_beside_connection_closed_in_a_task_group_is_logged(logged):
    async def fail(ws):
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("a bug")

    async def handler(ws):
        await ws.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(ws))
            group.create_task(ws.receive_text())

    assert (await talk(handler)).error is None
    (record,) = logged
    assert isinstance(record.exc_info[1], ExceptionGroup)


async def test_a_handler_that_returns_after_its_client_left_ends_quietly():
    left = asyncio.Event()

    async def handler(ws):
        await ws.accept()
        await left.wait()

    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(OSError("gone"))
        left.set()
        assert (await socket.ended()).error is None


async def test_a_handler_that_fails_after_its_client_left_is_still_logged(logged):
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        raise RuntimeError("in the clean-up")

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None
    assert len(logged) == 1


async def test_a_handler_that_is_cancelled_stays_cancelled():
    cleaned = []

    async def handler(ws):
        await ws.accept()
        try:
            await ws.receive_text()
        finally:
            cleaned.append(True)

    async with client_of(handler).connect("/test") as socket:
        socket.cancel()
        ending = await socket.ended()
    assert isinstance(ending.error, asyncio.CancelledError)
    assert cleaned == [True]


async def test_what_a_handler_awaits_being_cancelled_is_an_error_like_any(logged):
    async def handler(ws):
        await ws.accept()
        task = asyncio.create_task(asyncio.sleep(PATIENCE))
        task.cancel()
        await task

    ending = await client_of(handler).run("/test")
    assert ending.error is None
    assert ending.closed == (1011, "")
    assert len(logged) == 1


# Closing.


async def test_returning_closes_with_1000():
    assert (await client_of(accept).run("/test")).closed == (1000, "")


async def test_what_a_handler_returns_is_ignored():
    async def handler(ws):
        await ws.accept()
        return "nothing"

    ending = await client_of(handler).run("/test")
    assert (ending.closed, ending.sent) == ((1000, ""), [])


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1008, 1011, 1013, 3000, 4000, 4999])
async def test_a_handler_closes_with_its_own_code_and_reason(code):
    async def handler(ws):
        await ws.accept()
        await ws.close(code, "bye")

    assert (await client_of(handler).run("/test")).closed == (code, "bye")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, -1, True])
async def test_a_code_that_may_not_be_sent_is_refused_and_leaves_the_connection_open(code):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(ValueError, match="close code"):
            await ws.close(code)
        assert not ws.closed
        await ws.send_text("still open")

    ending = await client_of(handler).run("/test")
    assert (ending.sent, ending.closed) == (["still open"], (1000, ""))


@pytest.mark.parametrize("arguments", [("1000",), (None,), (1000.0,), (1000, None), (1000, b"")])
async def test_a_code_or_reason_of_another_type_is_refused(arguments):
    async def handler(ws):
        await ws.accept()
        with pytest.raises(TypeError, match="close"):
            await ws.close(*arguments)
        assert not ws.closed

    assert (await client_of(handler).run("/test")).closed == (1000, "")


async def test_closing_before_accept_refuses():
    async def handler(ws):
        await ws.close(4403, "not you")
        assert ws.closed
        assert not ws.accepted

    assert await refusal("/test", app_of(handler)) == (4403, "not you")


async def test_closing_twice_closes_once():
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, "first")
        await ws.close(4001, "second")

    assert (await client_of(handler).run("/test")).closed == (4000, "first")


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("x" * 123, "x" * 123),
        ("x" * 124, "x" * 123),
        ("x" * 5000, "x" * 123),
        ("é" * 62, "é" * 61),
        ("🥧" * 31, "🥧" * 30),
    ],
)
async def test_a_reason_too_long_is_cut_between_characters(reason, sent):
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, reason)

    assert (await client_of(handler).run("/test")).closed == (4000, sent)


async def test_using_a_websocket_that_the_handler_closed_raises_connection_closed():
    async def handler(ws):
        await ws.accept()
        await ws.close(4000, "enough")
        for use in (ws.receive_text(), ws.send_text("a"), ws.send_json(1)):
            with pytest.raises(ConnectionClosed) as caught:
                await use
            assert (caught.value.code, caught.value.reason) == (4000, "enough")

    assert (await client_of(handler).run("/test")).closed == (4000, "enough")


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_closing_from_another_task_ends_one_that_receives(asgi):
    async def handler(ws):
        await ws.accept()
        await ws.send_text("ready")
        receiving = asyncio.create_task(ws.receive_text())
        await asyncio.sleep(0)
        await ws.close(4000, "kicked")
        with pytest.raises(ConnectionClosed) as caught:
            await receiving
        assert caught.value.code == 4000

    async with WebSocketClient(app_of(handler), asgi=asgi).connect("/test") as socket:
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed == (4000, "kicked")


async def test_closing_a_connection_that_the_client_has_closed_does_nothing():
    async def handler(ws):
        await ws.accept()
        async for _ in ws:
            pass
        await ws.close(4000)

    ending = await talk(handler)
    assert ending.error is None
    assert ending.closed is None


async def test_a_websocket_is_closed_once_its_handler_has_ended():
    kept = []

    async def handler(ws):
        kept.append(ws)
        await ws.accept()

    await client_of(handler).run("/test")
    with pytest.raises(ConnectionClosed):
        await kept[0].send_text("too late")


async def test_connection_closed_tells_code_and_reason():
    error = ConnectionClosed(1001)
    assert (error.code, error.reason) == (1001, "")
    assert "1001" in str(error)
    assert "bye" in str(ConnectionClosed(1001, "bye"))


@pytest.mark.parametrize("accept", [True, False])
@pytest.mark.parametrize(
    "error",
    [RuntimeError("secret detail"), OSError("disk"), KeyError("x")],
    ids=repr,
)
async def test_an_exception_is_logged_once_and_closes_with_1011_and_no_detail(
    error, accept, logged
):
    async def handler(ws):
        if accept:
            await ws.accept()
        raise error

    ending = await client_of(handler, debug=True).run("/test")
    assert ending.error is None
    assert ending.accepted == accept
    assert ending.closed == (1011, "")
    (record,) = logged
    assert record.exc_info[1] is error
    assert record.getMessage() == "WebSocket '/test': ws_test failed"


@pytest.mark.parametrize(
    ("error", "closed"),
    [
        (HTTPError(403, "not you"), (1008, "")),
        (HTTPError(404), (1008, "")),
        (HTTPError(302, headers={"Location": "/"}), (1008, "")),
        (HTTPError(500), (1011, "")),
        (HTTPError(503, "later"), (1011, "")),
    ],
    ids=str,
)
@pytest.mark.parametrize("accept", [True, False])
async def test_an_http_error_in_a_handler_closes_without_a_log(error, closed, accept):
    async def handler(ws):
        if accept:
            await ws.accept()
        raise error

    ending = await client_of(handler).run("/test")
    assert (ending.closed, ending.accepted) == (closed, accept)


async def test_what_only_the_system_should_catch_goes_through():
    class Stop(BaseException):
        pass

    async def handler(ws):
        await ws.accept()
        raise Stop

    ending = await client_of(handler).run("/test")
    assert isinstance(ending.error, Stop)
    assert ending.closed is None


async def test_a_server_that_fails_to_close_is_told_so():
    async def handler(ws):
        await ws.accept()
        await done.wait()

    done = asyncio.Event()
    async with client_of(handler).connect("/test") as socket:
        socket.break_sending(RuntimeError("the server's bug"))
        done.set()
        ending = await socket.ended()
    assert isinstance(ending.error, RuntimeError)


# The current request.


async def test_each_of_many_connections_has_its_own_request():
    class Site(App):
        async def ws_test(self, ws, number):
            await ws.accept()
            await ws.receive_text()
            await ws.send_text(self.request.path_params[0])
            assert self.request is ws.request

    client = WebSocketClient(Site())

    async def one(number):
        async with client.connect(f"/test/{number}") as socket:
            await asyncio.sleep(0)
            socket.send_text("go")
            return await socket.receive()

    assert await asyncio.gather(*map(one, range(100))) == [str(n) for n in range(100)]


async def test_a_task_that_a_handler_starts_has_its_request():
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()

            async def current():
                return self.request

            assert await asyncio.create_task(current()) is ws.request

    assert (await WebSocketClient(Site()).run("/test")).closed == (1000, "")


async def test_there_is_no_request_after_a_websocket():
    app = app_of(accept)
    client = WebSocketClient(app)
    incoming = [{"type": "websocket.connect"}]

    async def receive():
        return incoming.pop()

    async def send(message):
        pass

    await app(client.scope("/test"), receive, send)  # in this very task
    with pytest.raises(RuntimeError, match="no current request"):
        _ = app.request


async def test_a_connection_leaves_nothing_behind():
    class Site(App):
        async def ws_test(self, ws):
            await ws.accept()
            await ws.send_text("a")
            ws.request.query("q")

    client = WebSocketClient(Site())
    await client.run("/test")
    gc.collect()
    before = sum(isinstance(thing, WebSocket | WebSocketRequest) for thing in gc.get_objects())
    for _ in range(20):
        await client.run("/test")
    gc.collect()
    after = sum(isinstance(thing, WebSocket | WebSocketRequest) for thing in gc.get_objects())
    assert after == before


# Hooks.


class Recorder(WebSocketMiddleware):
    """Notes what it sees in a list that several may share."""

    def __init__(self, seen, name, answer=None, before=None, after=None):
        self.seen = seen
        self.name = name
        self.answer = answer
        self.before = before
        self.after = after

    async def before_websocket(self, request):
        self.seen.append(f"before {self.name}")
        if self.before is not None:
            raise self.before
        return self.answer

    async def after_websocket(self, request):
        self.seen.append(f"after {self.name}")
        if self.after is not None:
            raise self.after


def hooked(seen, handler, *recorders, **options):
    """Return a client of an App with *handler* at /test and one hook for each dict given."""
    app = app_of(handler, **options)
    app.ws_middlewares += [
        Recorder(seen, name, **more) for name, more in zip("abc", recorders, strict=False)
    ]
    return WebSocketClient(app)


def noting(seen, error=None):
    async def handler(ws):
        await ws.accept()
        seen.append("handler")
        if error is not None:
            raise error

    return handler


async def test_hooks_run_in_order_before_and_in_reverse_after():
    seen = []
    ending = await hooked(seen, noting(seen), {}, {}, {}).run("/test")
    assert ending.closed == (1000, "")
    assert seen == [
        *("before a", "before b", "before c", "handler", "after c", "after b", "after a")
    ]


async def test_hooks_see_the_handlers_request():
    requests = []

    class Hook(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.user = "Ada"
            requests.append(request)

        async def after_websocket(self, request):
            requests.append(request)

    async def handler(ws):
        requests.append(ws.request)
        await ws.accept()
        await ws.send_text(ws.request.user)

    app = app_of(handler)
    app.ws_middlewares.append(Hook())
    assert (await WebSocketClient(app).run("/test")).sent == ["Ada"]
    assert requests[0] is requests[1] is requests[2]
    assert type(requests[0]) is WebSocketRequest


async def test_a_hook_may_leave_either_method_out():
    seen = []
    app = app_of(noting(seen))
    app.ws_middlewares.append(WebSocketMiddleware())
    assert (await WebSocketClient(app).run("/test")).closed == (1000, "")
    assert seen == ["handler"]


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ({"code": 4401, "reason": "sign in"}, (4401, "sign in")),
        ({"code": 4401}, (4401, "")),
        ({"reason": "sign in"}, (1008, "sign in")),
        ({}, (1008, "")),
        ({"code": 4401, "reason": "é" * 100}, (4401, "é" * 61)),
    ],
)
async def test_a_hook_refuses_with_its_code_and_reason(answer, refused):
    seen = []
    client = hooked(seen, noting(seen), {}, {"answer": answer}, {})
    assert (await client.run("/test")).refused == refused
    assert seen == ["before a", "before b", "after b", "after a"]


@pytest.mark.parametrize(
    "answer",
    [
        False,
        True,
        4401,
        "no",
        (4401, "no"),
        ["code"],
        {"status_code": 403},
        {"code": 4401, "body": "no"},
        {"code": "4401"},
        {"code": None},
        {"code": 1005},
        {"code": 403},
        {"code": 4401, "reason": None},
        {"code": 4401, "reason": b"no"},
    ],
    ids=repr,
)
async def test_a_hook_that_returns_something_else_refuses_and_is_logged(answer, logged):
    seen = []
    client = hooked(seen, noting(seen), {}, {"answer": answer}, {})
    ending = await client.run("/test")
    assert ending.error is None
    assert ending.refused == (1011, "")
    assert seen == ["before a", "before b", "after b", "after a"]
    (record,) = logged
    assert isinstance(record.exc_info[1], TypeError | ValueError)


@pytest.mark.parametrize("error", [RuntimeError("secret"), OSError("disk")], ids=repr)
async def test_an_exception_in_a_hook_refuses_with_1011_and_is_logged_once(error, logged):
    seen = []
    ending = await hooked(seen, noting(seen), {}, {"before": error}, {}).run("/test")
    assert ending.error is None
    assert ending.refused == (1011, "")
    assert seen == ["before a", "before b", "after a"]
    (record,) = logged
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    ("error", "refused"),
    [(HTTPError(403, "no"), (1008, "")), (HTTPError(503), (1011, ""))],
    ids=str,
)
async def test_an_http_error_in_a_hook_refuses_without_a_log(error, refused):
    seen = []
    ending = await hooked(seen, noting(seen), {"before": error}).run("/test")
    assert ending.refused == refused
    assert seen == ["before a"]


async def test_connection_closed_in_a_hook_refuses():
    ending = await hooked([], noting([]), {"before": ConnectionClosed(4000)}).run("/test")
    assert ending.error is None
    assert ending.refused is not None


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), HTTPError(403), ConnectionClosed(1001)], ids=repr
)
async def test_hooks_after_run_however_the_handler_ended(error, logged):
    seen = []
    await hooked(seen, noting(seen, error), {}, {}).run("/test")
    assert seen == ["before a", "before b", "handler", "after b", "after a"]


async def test_hooks_after_run_when_the_client_left():
    seen = []

    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    async with hooked(seen, handler, {}).connect("/test") as socket:
        socket.leave()
        await socket.ended()
    assert seen == ["before a", "after a"]


async def test_hooks_after_run_when_the_handler_is_cancelled():
    seen = []

    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    async with hooked(seen, handler, {}).connect("/test") as socket:
        socket.cancel()
        await socket.ended()
    assert seen == ["before a", "after a"]


@pytest.mark.parametrize("url", ["/nothing", "/test?number=x", "/test"])
async def test_hooks_run_for_what_is_refused_afterwards(url):
    seen = []

    async def handler(ws, number: int):
        raise AssertionError

    ending = await hooked(seen, handler, {}).run(url)
    assert ending.refused[0] == 1008
    assert seen == ["before a", "after a"]


async def test_an_exception_after_is_logged_and_stops_no_other(logged):
    seen = []
    error, other = RuntimeError("x"), HTTPError(403)
    client = hooked(seen, noting(seen), {}, {"after": error}, {"after": other})
    ending = await client.run("/test")
    assert ending.error is None
    assert ending.closed == (1000, "")
    assert seen[-3:] == ["after c", "after b", "after a"]
    assert [record.exc_info[1] for record in logged] == [other, error]


async def test_a_hook_added_while_another_runs_counts_from_the_next_connection():
    seen = []

    class Adding(WebSocketMiddleware):
        async def before_websocket(self, request):
            app.ws_middlewares.append(Recorder(seen, "new"))

    app = app_of(noting(seen))
    app.ws_middlewares.append(Adding())
    await WebSocketClient(app).run("/test")
    assert seen == ["handler"]
    await WebSocketClient(app).run("/test")
    assert seen == ["handler", "before new", "handler", "after new"]


async def test_http_hooks_do_not_run_for_websockets():
    seen = []
    app = app_of(noting(seen))
    app.middlewares.append(Recorder(seen, "http"))
    assert (await WebSocketClient(app).run("/test")).closed == (1000, "")
    assert seen == ["handler"]


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_a_client_that_left_before_it_is_refused_is_no_error(asgi):
    client = WebSocketClient(Chat(), asgi=asgi)
    async with client.open("/nothing") as socket:
        socket.break_sending(OSError("gone"))
        ending = await socket.ended()
    assert ending.error is None


# Origins.


def with_origin(origin, host="pie.example", **more):
    headers = [("Origin", origin)] if isinstance(origin, str) else list(origin)
    if host is not None:
        headers.append(("Host", host))
    return {"headers": headers, **more}


async def is_let_in(origins=None, **handshake):
    app = Chat(websocket_origins=origins)
    ending = await WebSocketClient(app).run("/chat", **handshake)
    if ending.accepted:
        return True
    assert ending.refused == (1008, "this origin is not allowed")
    return False


SAME = [
    ("http://pie.example", "pie.example"),
    ("http://pie.example", "pie.example:80"),
    ("http://pie.example:80", "pie.example"),
    ("http://pie.example:8000", "pie.example:8000"),
    ("https://pie.example", "pie.example"),  # TLS ends at a proxy
    ("https://pie.example", "pie.example:443"),
    ("https://pie.example:8443", "pie.example:8443"),
    ("HTTP://Pie.Example", "pie.example"),
    ("http://pie.example", "PIE.EXAMPLE"),
    ("http://127.0.0.1:8000", "127.0.0.1:8000"),
    ("http://[::1]:8000", "[::1]:8000"),
]

OTHER = [
    ("http://evil.example", "pie.example"),
    ("http://pie.example:8001", "pie.example:8000"),
    ("http://pie.example", "pie.example:8000"),
    ("http://pie.example:8000", "pie.example"),
    ("http://pie.example", "pie.example:443"),
    ("http://sub.pie.example", "pie.example"),
    ("http://pie.example.evil.example", "pie.example"),
    ("http://evilpie.example", "pie.example"),
    ("http://evil.example/pie.example", "pie.example"),
    ("http://pie.example@evil.example", "pie.example"),
    ("http://pie.example/", "pie.example"),
    ("pie.example", "pie.example"),
    ("//pie.example", "pie.example"),
    ("ftp://pie.example", "pie.example"),
    ("file://", ""),
    ("file://", None),
    ("null", "pie.example"),
    ("null", "null"),
    ("null", None),
    ("", ""),
    ("", "pie.example"),
    ("http://pie.example", None),
    ("http://", None),
    ("https://", ""),
    ("http://pie.example, http://pie.example", "pie.example"),
    ("http://pie.example http://evil.example", "pie.example"),
]


@pytest.mark.parametrize(("origin", "host"), SAME)
async def test_a_page_of_the_same_origin_is_let_in(origin, host):
    assert await is_let_in(**with_origin(origin, host))


@pytest.mark.parametrize(("origin", "host"), OTHER)
async def test_a_page_of_another_origin_is_refused(origin, host):
    assert not await is_let_in(**with_origin(origin, host))


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_an_extension_may_ask_whether_the_origin_of_a_scope_is_allowed(kind):
    def scope(origin, scheme):
        headers = [(b"host", b"pie.example"), (b"origin", origin.encode())]
        if kind == "websocket":
            scheme = scheme.replace("http", "ws")
        return {"type": kind, "scheme": scheme, "headers": headers}

    app = Chat()
    assert app.allows_origin(scope("https://pie.example", "https"))
    assert app.allows_origin(scope("https://pie.example", "http"))
    assert app.allows_origin(scope("http://pie.example", "http"))
    assert not app.allows_origin(scope("http://pie.example", "https"))
    assert not app.allows_origin(scope("https://evil.example", "https"))
    assert app.allows_origin({"type": kind, "headers": [(b"host", b"pie.example")]})
    assert Chat(websocket_origins="*").allows_origin(scope("https://evil.example", "https"))


async def test_a_client_without_origin_is_let_in():
    assert await is_let_in(headers={"Host": "pie.example"})
    assert await is_let_in(["https://pie.example"], headers={"Host": "pie.example"})


async def test_two_origins_are_none():
    handshake = with_origin([("Origin", "http://pie.example"), ("Origin", "http://pie.example")])
    assert not await is_let_in(**handshake)


async def test_an_insecure_page_is_another_origin_where_the_server_knows_that_it_is_secure():
    # Whoever can change an http page on its way must not get hold of the https one's sockets.
    assert not await is_let_in(**with_origin("http://pie.example", scheme="wss"))
    assert await is_let_in(**with_origin("https://pie.example", scheme="wss"))


@pytest.mark.parametrize(
    "origins",
    [
        ["https://app.example"],
        ("https://APP.example/",),
        {"https://app.example", "http://x.example"},
        iter(["https://app.example"]),
    ],
    ids=["list", "tuple", "set", "iterator"],
)
async def test_listed_origins_are_let_in_and_no_others(origins):
    app = Chat(websocket_origins=origins)

    async def tried(origin):
        ending = await WebSocketClient(app).run("/chat", **with_origin(origin))
        return ending.accepted

    assert await tried("https://app.example")
    assert await tried("https://App.Example")
    assert not await tried("http://app.example")
    assert not await tried("https://app.example:444")
    assert not await tried("https://app.example.evil.example")
    assert not await tried("https://pie.example")  # its own: the list is all
    assert not await tried("null")


async def test_an_empty_list_lets_no_page_in():
    assert not await is_let_in([], **with_origin("http://pie.example"))


@pytest.mark.parametrize("origins", ["*", ["*"], ["https://app.example", "*"]])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://"])
async def test_a_star_lets_every_page_in(origins, origin):
    assert await is_let_in(origins, **with_origin(origin))


@pytest.mark.parametrize(
    "origins",
    [
        "https://app.example",
        "",
        ["app.example"],
        ["null"],
        [""],
        ["https://"],
        ["https://app.example/path"],
        ["https://*.app.example"],
        [None],
        [5],
        5,
        b"*",
        [b"https://app.example"],
    ],
    ids=repr,
)
def test_origins_that_can_match_nothing_are_refused_when_the_app_is_made(origins):
    with pytest.raises((TypeError, ValueError), match="websocket_origins"):
        App(websocket_origins=origins)


async def test_a_default_port_in_the_list_is_no_other_origin():
    for origins in (["https://app.example:443"], ["http://app.example:80"]):
        page = origins[0].rpartition(":")[0]
        assert await is_let_in(origins, **with_origin(page))


async def test_no_hook_and_no_handler_runs_for_another_origin():
    seen = []
    client = hooked(seen, noting(seen), {})
    ending = await client.run("/test", **with_origin("http://evil.example"))
    assert ending.refused == (1008, "this origin is not allowed")
    assert seen == []


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


# Many at once.


async def test_a_broadcast_reaches_a_hundred_clients():
    class Room(App):
        def __init__(self):
            super().__init__()
            self.members = set()

        async def ws_room(self, ws):
            await ws.accept()
            self.members.add(ws)
            await ws.send_text("in")
            try:
                async for message in ws:
                    for member in tuple(self.members):
                        await member.send_text(message)
            finally:
                self.members.discard(ws)

    app = Room()
    client = WebSocketClient(app)

    async def member(index, ready, heard):
        async with client.connect("/room") as socket:
            assert await socket.receive() == "in"
            await ready.wait()
            if index == 0:
                socket.send_text("hello all")
            assert await socket.receive() == "hello all"
            await heard.wait()

    async with asyncio.timeout(PATIENCE):
        ready, heard = asyncio.Barrier(100), asyncio.Barrier(100)
        await asyncio.gather(*(member(index, ready, heard) for index in range(100)))
    assert app.members == set()
