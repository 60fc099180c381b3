"""The same WebSockets answer the same under uvicorn, Hypercorn, Daphne and Granian.

Where a server can't do what ASGI asks, the test says what it does instead.
"""

import asyncio
import resource
import struct
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.servers import CLIENT_TIMEOUT, HOST, serve

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent
APP = "websocket_app:app"
# uvicorn speaks WebSocket through either of two libraries.
SERVERS = {
    "uvicorn": ("uvicorn", ()),
    "uvicorn-wsproto": ("uvicorn", ("--ws", "wsproto")),
    "hypercorn": ("hypercorn", ("--graceful-timeout", "1")),
    "daphne": ("daphne", ()),
    "granian": ("granian", ()),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request):
    name, options = SERVERS[request.param]
    with serve(name, APP, FOLDER, options=options) as running:
        yield running


@pytest.fixture
def key():
    """A name for what this test's handler leaves behind."""
    return uuid.uuid4().hex


def opened(server, path, **options):
    return connect(f"ws://{HOST}:{server.port}{path}", open_timeout=CLIENT_TIMEOUT, **options)


async def get(server, target, **options):
    return await asyncio.to_thread(server.request, "GET", target, **options)


async def ending(server, key):
    """Return what the handler with *key* recorded when it ended."""
    answer = await get(server, f"/ending/{key}")
    assert answer.status == 200
    return answer.text


async def closed(socket):
    """Return the code and reason with which the server closes *socket*."""
    async with asyncio.timeout(CLIENT_TIMEOUT):
        with suppress(ConnectionClosed):  # iteration ends quietly at 1000 and 1001 only
            async for _ in socket:
                pass
    return int(socket.close_code), socket.close_reason


def handshake(server, path):
    """Return the bytes that open a WebSocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ).encode()


def drop(socket):
    """Cut the connection of *socket*, as a cable that is pulled or a browser that is killed."""
    raw = socket.transport.get_extra_info("socket")
    raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    socket.transport.abort()


# Messages.


async def test_text_and_binary_messages_are_echoed(server):
    async with opened(server, "/echo") as socket:
        for message in ("Zoë 🥧", b"\0\xff", "a", b"b"):
            await socket.send(message)
            assert await socket.recv() == message


async def test_an_empty_message_is_echoed(server):
    async with opened(server, "/echo") as socket:
        for message in ("", b"", "end"):
            await socket.send(message)
        if server.name == "daphne":
            # It takes an empty message for none.
            assert await socket.recv() == "end"
        else:
            assert [await socket.recv() for _ in range(3)] == ["", b"", "end"]


async def test_json_goes_both_ways(server):
    async with opened(server, "/double") as socket:
        await socket.send('{"number": 21}')
        assert await socket.recv() == '{"double":42}'
        await socket.send(b'{"number": 0.5}')
        assert await socket.recv() == '{"double":1.0}'


@pytest.mark.parametrize("message", ["é" * 2**19, b"\xff" * 2**20], ids=["text", "binary"])
async def test_a_message_of_1_mib_is_echoed(server, message):
    async with opened(server, "/echo", max_size=None) as socket:
        await socket.send(message)
        assert await socket.recv() == message


async def test_a_message_in_fragments_is_one_message(server):
    async with opened(server, "/echo") as socket:
        await socket.send(["a", "b", "c"])
        assert await socket.recv() == "abc"


async def test_1000_messages_arrive_in_order(server):
    async with opened(server, "/count/1000") as socket:
        received = [await socket.recv() for _ in range(1000)]
        assert received == [str(number) for number in range(1000)]
        assert await closed(socket) == (1000, "")


async def test_1000_messages_sent_without_waiting_are_echoed_in_order(server):
    messages = [str(number) for number in range(1000)]
    async with opened(server, "/echo") as socket, asyncio.timeout(CLIENT_TIMEOUT):

        async def send():
            for message in messages:
                await socket.send(message)

        sending = asyncio.create_task(send())
        assert [await socket.recv() for _ in messages] == messages
        await sending


# The handshake.


async def test_a_subprotocol_is_agreed_on(server):
    async with opened(server, "/last_subprotocol", subprotocols=["a", "b"]) as socket:
        assert socket.subprotocol == "b"
        assert socket.response.headers.get("X-Pie") == sent_in_handshake(server, "apple")


def sent_in_handshake(server, value):
    """Return *value* if the server sends the headers that an app accepts with, else None.

    Daphne (its issue 326) and Granian send the subprotocol only.
    """
    return None if server.name in ("daphne", "granian") else value


REFUSALS = {
    "/nothing": 404,
    "/": 404,
    "/name": 404,
    "/ws_echo": 404,
    "/count/x": 400,
    "/count": 400,
    "/forbidden": 403,
    "/paid": 402,
}


@pytest.mark.parametrize(("path", "status"), REFUSALS.items(), ids=REFUSALS)
async def test_a_refusal_has_the_status_of_its_error(server, path, status):
    before = server.log().count("ERROR")
    with pytest.raises(InvalidStatus) as caught:
        await opened(server, path)
    response = caught.value.response
    if server.name == "daphne":  # it has no way to send another
        assert response.status_code == 403
    else:
        assert response.status_code == status
        assert response.body.startswith(str(status).encode())
    assert server.log().count("ERROR") == before


async def test_a_page_of_another_origin_is_refused(server):
    for origin in ("http://evil.example", "null", f"http://{HOST}:{server.port + 1}"):
        with pytest.raises(InvalidStatus) as caught:
            await opened(server, "/echo", origin=origin)
        assert caught.value.response.status_code == 403


async def test_a_page_of_the_same_origin_is_let_in(server):
    for scheme in ("http", "https"):  # https: as behind a proxy
        async with opened(server, "/echo", origin=f"{scheme}://{HOST}:{server.port}") as socket:
            await socket.send("a")
            assert await socket.recv() == "a"


async def test_a_session_begun_at_the_handshake_works_in_http_requests(server):
    async with opened(server, "/sign_in/Ada") as socket:
        cookie = socket.response.headers.get("Set-Cookie")
        if sent_in_handshake(server, cookie) is None:
            # Then a session can only be begun by an HTTP response.
            assert cookie is None
            return
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
        headers = {"Cookie": cookie.partition(";")[0]}
        assert (await get(server, "/name", headers=headers)).text == "Ada"


async def test_a_session_begun_by_http_is_read_and_changed_by_a_websocket(server):
    cookie = (await get(server, "/sign_up/Ada")).headers["Set-Cookie"].partition(";")[0]
    async with opened(server, "/rename/Eve", additional_headers={"Cookie": cookie}) as socket:
        assert await socket.recv() == "Ada"
        assert await closed(socket) == (1000, "")
    assert (await get(server, "/name", headers={"Cookie": cookie})).text == "Eve"


# Closing.


def as_closed_by(server, code, reason=""):
    """Return what a client of *server* sees when the App closes with *code* and *reason*.

    Daphne sends no reasons. Its library takes 1000 and 3000 to 4999 only, and raises for all
    else; then Daphne closes with 1011.
    """
    if server.name == "daphne":
        return (code if code == 1000 or code >= 3000 else 1011), ""
    return code, reason


async def test_a_handler_that_returns_closes_with_1000(server):
    async with opened(server, "/count/0") as socket:
        assert await closed(socket) == (1000, "")


async def test_a_handler_closes_with_its_own_code(server):
    async with opened(server, "/bye") as socket:
        assert await closed(socket) == as_closed_by(server, 4001, "bye")


async def test_an_exception_closes_with_1011_and_is_logged_once(server):
    before = server.log().count("RuntimeError: a detail that is nobody's business")
    async with opened(server, "/fail") as socket:
        assert await closed(socket) == (1011, "")
    assert server.log().count("RuntimeError: a detail that is nobody's business") == before + 1


async def test_another_kind_of_message_closes_with_1003(server):
    async with opened(server, "/text_only") as socket:
        await socket.send(b"binary")
        assert await closed(socket) == as_closed_by(server, 1003, "expected a text message")


async def test_broken_json_closes_with_1007(server):
    async with opened(server, "/json_only") as socket:
        await socket.send("{")
        assert await closed(socket) == as_closed_by(server, 1007, "expected JSON")


async def test_a_handler_that_catches_another_kind_of_message_goes_on(server):
    async with opened(server, "/patient") as socket:
        await socket.send(b"binary")
        assert await socket.recv() == "expected a text message"
        await socket.send("text")
        assert await socket.recv() == "text"


async def test_a_text_that_is_no_utf8_never_reaches_a_handler(server, key):
    async with opened(server, f"/waiting/{key}") as socket:
        assert await socket.recv() == "ready"
        await socket.send(b"\xff", text=True)
        code, _ = await closed(socket)
    # 1007 it should be, which only uvicorn's default says before it cuts the connection.
    assert code in (1005, 1006, 1007)
    assert (await ending(server, key)).split()[0] in ("1005", "1006", "1007")


async def test_a_handler_closes_a_connection_that_another_task_reads_from(server, key):
    async with opened(server, f"/kicked/{key}") as socket:
        assert await closed(socket) == as_closed_by(server, 4002, "kicked")
    assert await ending(server, key) == "ConnectionClosed 4002"


async def test_text_that_is_no_unicode_is_the_handlers_error(server):
    async with opened(server, "/surrogate") as socket:
        assert await closed(socket) == (1011, "")


# Clients that leave.


def code_of(server, code):
    """Return the close code that *server* hands on when the client sent *code*."""
    return "1006" if server.name == "hypercorn" else str(code)


async def test_a_client_that_closes_ends_its_handler_with_its_code(server, key):
    async with opened(server, f"/waiting/{key}") as socket:
        assert await socket.recv() == "ready"
        await socket.close(4005, "bye")
    found = await ending(server, key)
    # Only uvicorn hands on the reason.
    assert found == ("4005 bye" if server.name == "uvicorn" else code_of(server, 4005))


@pytest.mark.parametrize("how", ["text", "bytes", "json"])
async def test_a_handler_that_only_sends_is_told_the_code_of_its_client(server, how, key):
    if server.name == "daphne":
        pytest.skip("who sends while its client closes may get an error of Daphne's library")
    async with opened(server, f"/sending/{how}/{key}") as socket:
        await socket.recv()
        await socket.close(4005, "bye")
    found = await ending(server, key)
    assert found == ("4005 bye" if server.name == "uvicorn" else code_of(server, 4005))


async def test_tasks_that_read_and_send_are_told_the_same_code(server, key):
    if server.name == "daphne":
        pytest.skip("who sends while its client closes may get an error of Daphne's library")
    async with opened(server, f"/both/{key}") as socket:
        await socket.recv()
        await socket.close(4005)
    code = code_of(server, 4005)
    assert await ending(server, key) == f"{code} {code}"


@pytest.mark.parametrize("path", ["waiting", "ticking", "silent"])
async def test_a_client_that_drops_its_connection_ends_its_handler_at_once(server, path, key):
    socket = await opened(server, f"/{path}/{key}")
    assert await socket.recv() in ("ready", "tick")
    began = time.monotonic()
    drop(socket)
    # 1006 is the code for it, but uvicorn and Granian say 1005 when they were receiving.
    assert await ending(server, key) in ("1005", "1006")
    # That is milliseconds, where a server that finds out by pings takes 20 s or more.
    assert time.monotonic() - began < 10


async def test_a_client_that_drops_its_connection_ends_iteration(server, key):
    socket = await opened(server, f"/iterating/{key}")
    assert await socket.recv() == "ready"
    drop(socket)
    assert await ending(server, key) == "closed: True"


async def test_a_handler_that_returns_long_after_its_client_left_does_no_harm(server, key):
    before = server.log().count("Traceback")
    socket = await opened(server, f"/late/{key}")
    assert await socket.recv() == "ready"
    drop(socket)
    assert (await get(server, f"/release/{key}")).status == 204
    assert await ending(server, f"{key}-late") == "returned"
    assert server.log().count("Traceback") == before


async def test_a_client_that_leaves_before_it_is_accepted_does_no_harm(server, key):
    before = server.log().count("Traceback")
    with server.connect() as raw:
        raw.sendall(handshake(server, f"/slow/{key}"))
        assert await ending(server, f"{key}-begun") == "begun"
    assert (await get(server, f"/release/{key}")).status == 204
    assert await ending(server, f"{key}-slow") == "over"
    assert server.log().count("Traceback") == before


# Clients that do not keep to what can be expected.


@pytest.mark.parametrize(
    "message",
    ["x" * (2**20 + 1), b"x" * 2**21, "é" * (2**19 + 1)],
    ids=["text", "bytes", "two bytes a character"],
)
async def test_a_message_over_the_limit_closes_with_1009(server, message):
    async with opened(server, "/echo", max_size=None) as socket:
        await socket.send(message)
        code, reason = await closed(socket)
    if server.name == "daphne":  # it has a limit of its own, of a MiB, and cuts the connection
        assert code == 1006
    else:
        assert (code, reason) == (1009, "the message is too big")


@pytest.mark.parametrize("name", [name for name in SERVERS if name not in ("daphne", "granian")])
async def test_a_client_that_reads_nothing_ends_its_handler(name, key):
    # Not under Daphne and Granian, which keep all that is sent in memory, without a limit.
    server_name, options = SERVERS[name]
    with serve(server_name, "websocket_app:impatient", FOLDER, options=options) as server:
        with server.connect() as stuck:
            stuck.sendall(handshake(server, f"/flood/{key}"))
            assert await ending(server, key) == "1006 over"
        assert "Traceback" not in server.log()


# Load and shutdown.


@pytest.fixture
def many_files():
    """Let this process, and servers it starts, hold a few thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_1000_connections_at_once_echo_in_one_process(many_files):
    with serve("uvicorn", APP, FOLDER) as server:
        sockets = []
        connecting = asyncio.Semaphore(50)

        async def open_one():
            async with connecting:
                # Without the keepalive and compression, whose cost would be the client's.
                sockets.append(await opened(server, "/echo", ping_interval=None, compression=None))

        async def echo(number):
            await sockets[number].send(str(number))
            return await sockets[number].recv()

        try:
            await asyncio.gather(*(open_one() for _ in range(1000)))
            assert len(sockets) == 1000
            for _ in range(2):
                echoes = await asyncio.gather(*map(echo, range(1000)))
                assert echoes == [str(number) for number in range(1000)]
        finally:
            for socket in sockets:
                socket.transport.abort()
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_that_stops_ends_open_connections_without_a_traceback(name):
    if name == "hypercorn" and sys.version_info >= (3, 12):
        pytest.skip("Hypercorn 0.18 waits for open connections for ever, whatever app it runs")
    server_name, options = SERVERS[name]
    with serve(server_name, APP, FOLDER, options=options) as server:
        echoing = await opened(server, "/echo")
        waiting = await opened(server, "/waiting/unasked")
        ticking = await opened(server, "/ticking/unasked")
        await waiting.recv()
        await ticking.recv()
        await echoing.send("a")
        assert await echoing.recv() == "a"
        await asyncio.to_thread(server.stop)
        for socket in (echoing, waiting, ticking):
            code, _ = await closed(socket)
            assert code in CODES_AT_STOP[server_name]
        log = server.log()
        assert "WebSocket '/" not in log  # as MicroPie begins its lines
        assert "Task was destroyed" not in log
        if server_name != "hypercorn":  # it shows its own cancelled tasks
            assert "Traceback" not in log


# Daphne waits for nobody, and says nothing. Granian hears of the signal when the App does, and may
# have cut the connection before the App has closed it.
CODES_AT_STOP = {
    "uvicorn": {1012},
    "hypercorn": {1012},
    "daphne": {1006},
    "granian": {1012, 1006},
}
