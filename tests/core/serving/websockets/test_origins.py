"""Which pages may open a WebSocket."""

import pytest

from micropie import App
from support.asgi_websocket import WebSocketClient
from support.websockets import Chat, hooked, noting, with_origin

pytestmark = pytest.mark.anyio


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


async def accepting(scope, receive, send):
    """An ASGI app that lets everybody in."""
    await receive()
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})


class CheckingItself:
    checks_origin = True

    async def __call__(self, scope, receive, send):
        await accepting(scope, receive, send)


async def is_let_into_mount(mounted, path, origin, websocket_origins=None):
    app = App(websocket_origins=websocket_origins)
    app.mount("/deep", inner := App(websocket_origins=websocket_origins))
    for outer in (app, inner):
        outer.mount("/part", mounted)
    ending = await WebSocketClient(app).run(path, **with_origin(origin))
    assert ending.error is None
    return ending.accepted


@pytest.mark.parametrize("path", ["/part", "/part/any/where", "/deep/part"])
async def test_an_asgi_app_that_is_mounted_is_held_to_the_origins(path):
    assert await is_let_into_mount(accepting, path, "http://pie.example")
    assert not await is_let_into_mount(accepting, path, "http://evil.example")
    assert await is_let_into_mount(accepting, path, "http://a.example", ["http://a.example"])
    assert not await is_let_into_mount(accepting, path, "http://pie.example", ["http://a.example"])
    assert await is_let_into_mount(accepting, path, "http://evil.example", "*")


async def test_a_mounted_app_that_looks_at_origins_itself_is_left_to_do_so():
    assert await is_let_into_mount(CheckingItself(), "/part", "http://evil.example")


async def test_a_client_that_is_no_browser_reaches_a_mounted_app():
    app = App()
    app.mount("/part", accepting)
    assert (await WebSocketClient(app).run("/part")).accepted
