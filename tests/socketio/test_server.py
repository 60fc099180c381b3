"""A client of python-socketio against the chat, under real servers."""

import asyncio
from pathlib import Path

import pytest

import socketio
from support.servers import serve
from support.socketio_clients import next_event

pytestmark = [
    pytest.mark.anyio,
    # The client leaves a connection that is refused to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FOLDER = Path(__file__).parent
SERVERS = {
    "uvicorn": ("uvicorn", ()),
    "uvicorn-wsproto": ("uvicorn", ("--ws", "wsproto", "--http", "h11")),
    "hypercorn": ("hypercorn", ("--graceful-timeout", "1")),
    "daphne": ("daphne", ()),
    "granian": ("granian", ()),
}

BAD_REQUEST = '{"code":3,"message":"Bad request"}'


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    name, options = SERVERS[request.param]
    with serve(name, "chat_app:app", FOLDER, options=options) as running:
        yield running
        assert "Traceback" not in running.log()


async def test_events_go_both_ways(browser, transports):
    client = await browser.connect(transports=transports)
    await client.emit("echo", ("hi", 1, {"a": [None, True]}))
    assert await next_event(client) == ("echo", "hi", 1, {"a": [None, True]})


async def test_both_sides_acknowledge(browser, transports):
    client = await browser.connect(transports=transports)

    @client.on("question")
    async def answer(question):
        return f"{question} Yes!"

    assert await client.call("add", (1, 2)) == 3
    assert await client.call("ask", "Pie?") == "Pie? Yes!"


async def test_bytes_go_both_ways(browser, transports):
    client = await browser.connect(transports=transports)
    await client.emit("echo", (b"\0\xff", {"more": [b"pie", b"\1"]}))
    assert await next_event(client) == ("echo", b"\0\xff", {"more": [b"pie", b"\1"]})


async def test_polling_is_upgraded_to_a_websocket(browser):
    client = await browser.connect()
    assert await client.call("transport") == "websocket"
    assert client.transport() == "websocket"


async def test_a_handler_of_http_emits_to_a_room(browser, other):
    inside = await browser.connect(transports=["polling"])
    outside = await other.connect(transports=["websocket"])
    await inside.call("join", "kitchen")
    assert await browser.get("/announce/pie?room=kitchen") == (200, "said")
    assert await browser.get("/announce/for-all") == (200, "said")
    assert await next_event(inside) == ("announcement", "pie")
    assert await next_event(inside) == ("announcement", "for-all")
    assert await next_event(outside) == ("announcement", "for-all")


async def test_bytes_reach_clients_of_either_transport(browser, other):
    clients = [
        await browser.connect(transports=["websocket"]),
        await other.connect(transports=["polling"]),
        await other.connect(transports=["websocket"]),
    ]
    for _ in range(2):
        await browser.get("/blob/3")
        for client in clients:
            assert await next_event(client) == ("blob", b"\0\0\0")


async def test_a_burst_of_events_arrives_whole(browser, transports):
    client = await browser.connect(transports=transports)
    for number in range(100):
        await client.emit("echo", number)
    assert {await next_event(client) for _ in range(100)} == {("echo", n) for n in range(100)}


async def test_a_namespace_is_a_connection_of_its_own(browser, transports):
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports, namespaces=["/", "/room"])
    assert await client.call("name", namespace="/room") == "Ada"
    assert client.get_sid("/") != client.get_sid("/room")


async def test_an_unknown_namespace_is_refused(browser, transports):
    with pytest.raises(socketio.exceptions.ConnectionError, match="namespaces failed"):
        await browser.connect(transports=transports, namespaces=["/nowhere"])


async def test_the_connect_handler_refuses(browser, transports):
    with pytest.raises(socketio.exceptions.ConnectionError, match="namespaces failed"):
        await browser.connect(transports=transports, auth={"token": "wrong"})
    assert browser.refusals == [{"message": "wrong token"}]


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_hooks_refuse(browser, transport):
    with pytest.raises(socketio.exceptions.ConnectionError):
        await browser.connect("/?banned=1", transports=[transport])
    assert "Traceback" not in browser.server.log()


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_a_page_of_another_origin_is_refused(browser, transport):
    for origin in ("https://evil.example", "null", browser.url + "0"):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await browser.connect(transports=[transport], headers={"Origin": origin})
    for scheme in ("http", "https"):  # TLS may end at a proxy
        origin = browser.url.replace("http", scheme)
        client = await browser.connect(transports=[transport], headers={"Origin": origin})
        assert await client.call("add", (1, 1)) == 2


async def test_a_script_of_any_page_is_refused(browser):
    status, body = await browser.get("/socket.io/?EIO=4&transport=polling&j=0")
    assert (status, body) == (
        400,
        BAD_REQUEST,
    )  # and not ___eio[0](...), which that page might define


async def test_a_client_that_leaves_is_gone_at_once(browser, transports):
    client = await browser.connect(transports=transports)
    sid = client.get_sid()
    await client.disconnect()
    status, _ = await browser.get(f"/gone/{sid}")
    assert status == 204


async def test_the_server_disconnects_a_client(browser, transports):
    client = await browser.connect(transports=transports)
    gone = asyncio.Event()
    client.on("disconnect", lambda reason: gone.set())
    await client.emit("leave")
    await asyncio.wait_for(gone.wait(), 10)


async def test_the_connect_handler_is_told_the_address_of_the_client(browser):
    await browser.connect()
    status, _ = await browser.get("/log?line=connect%20127.0.0.1")
    assert status == 200


async def test_two_browsers_talk(browser, other, transports):
    ada, bob = await browser.connect(transports=transports), await other.connect()
    await ada.call("join", "pies")
    await bob.call("join", "pies")
    await other.get("/announce/hello?room=pies")
    assert await next_event(ada) == await next_event(bob) == ("announcement", "hello")
