"""Clients that lie, stall, leave or flood: each is answered, and gone, and nobody else notices."""

import asyncio
import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.memory import memory_growth
from support.raw_http import chunk, head, talk
from support.servers import CLIENT_TIMEOUT, HOST, serve

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent
PATH = "/socket.io/?EIO=4&transport="
LIMIT = 100_000  # max_http_buffer_size of the app


@pytest.fixture(scope="module")
def server():
    # No client is found out by a ping: for that a test would have to wait for minutes.
    environment = {"CHAT_PING": "600"}
    with serve("uvicorn", "chat_app:app", FOLDER, environment=environment) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_bad_is_left(server):
    """After each test: no session, and nothing in the log but what uvicorn says of requests."""
    yield
    deadline = time.monotonic() + CLIENT_TIMEOUT
    while (state := json.loads(server.get("/state").text)) != {
        "sessions": 0,
        "environs": 0,
        "rooms": {},
    }:
        assert time.monotonic() < deadline, state
        time.sleep(0.05)
    log = server.log()
    assert "Traceback" not in log
    assert "ERROR" not in log
    assert "never retrieved" not in log


class Poller:
    """A client that polls by hand."""

    def __init__(self, server):
        self.server = server
        answer = server.get(PATH + "polling")
        assert answer.status == 200
        self.sid = json.loads(answer.text[1:])["sid"]
        self._sent = 0

    @property
    def target(self):
        return f"{PATH}polling&sid={self.sid}"

    def post(self, body, **headers):
        self._sent += 1
        return self.server.request("POST", self.target, body=body, headers=headers)

    def get(self):
        self._sent += 1
        return self.server.get(self.target)

    def wait_for_another(self):
        """Wait until a request that the test sends by itself is being served."""
        self._sent += 1
        assert self.server.get(f"/arrived/{self.sid}/{self._sent}").status == 204

    def join(self):
        """Connect to the default namespace."""
        assert self.post("40").text == "ok"
        assert self.get().text.startswith("40{")

    @property
    def is_gone(self):
        return self.get().status == 400


def websocket(server, sid=None):
    target = PATH + "websocket" + (f"&sid={sid}" if sid else "")
    return connect(f"ws://{HOST}:{server.port}{target}", open_timeout=CLIENT_TIMEOUT)


async def joined(socket):
    assert (await socket.recv()).startswith("0{")
    await socket.send("40")
    assert (await socket.recv()).startswith("40{")


def read_until(connection, text):
    """Return what has come when *text* has."""
    received = b""
    while text not in received:
        chunk = connection.recv(1000)
        assert chunk, received
        received += chunk
    return received


async def ended(socket):
    """Return the code with which the server closes."""
    async with asyncio.timeout(CLIENT_TIMEOUT):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code


# Bodies


def test_a_post_over_the_limit_is_a_413(server):
    poller = Poller(server)
    answer = poller.post("4" + "2" * LIMIT)
    assert answer.status == 413
    assert poller.is_gone


def test_a_chunked_post_over_the_limit_is_a_413(server):
    poller = Poller(server)
    # Not a byte more: what a server has not read when it closes may cost the client the answer.
    too_much = [chunk(b"2" * 10_000)] * (LIMIT // 10_000) + [chunk(b"2")]
    reply = talk(server, head(poller.target, "Transfer-Encoding: chunked"), *too_much)
    assert reply.status == 413
    assert poller.is_gone


def test_a_chunked_post_is_not_lost(server):
    poller = Poller(server)
    answer = poller.post(iter([b"4", b"0"]))
    assert answer.text == "ok"
    assert poller.get().text.startswith("40{")
    poller.post("1")


def test_a_post_at_the_limit_is_taken(server):
    poller = Poller(server)
    poller.join()
    text = "x" * (LIMIT - len('42["echo",""]'))
    assert poller.post(f'42["echo","{text}"]').text == "ok"
    assert poller.get().text == f'42["echo","{text}"]'
    poller.post("1")


def test_more_packets_in_a_post_than_the_library_takes_are_taken(server):
    poller = Poller(server)
    poller.join()
    assert poller.post("\x1e".join('420["add",1,2]' for _ in range(500))).text == "ok"
    packets = []
    while len(packets) < 500:
        packets += poller.get().text.split("\x1e")
    assert packets == ["430[3]"] * 500
    poller.post("1")


def test_a_post_that_is_cut_short_ends_the_session(server):
    poller = Poller(server)
    with server.connect() as connection:
        head = f"POST {poller.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n42"
        connection.sendall(head.encode())
        poller.wait_for_another()


GARBAGE = [
    b"",
    b"\x1e",
    b"40\x1e",
    b"garbage",
    b"\xff\xfe",
    b"\0",
    b"0{}",
    b"2",
    b"5",
    b"6",
    b"9",
    b"4",
    b"4garbage",
    b"47",
    b"44{}",
    b"4[" + b"[" * 50_000,
    b"3[" + b"[" * 50_000,
    b"40[" + b"[" * 50_000,
    b"42" + b'["echo",' + b"[" * 50_000,
    b"42",
    b"42{}",
    b"42[]",
    b"42[1]",
    b"42[{}]",
    b'42["connect",{}]',
    b'42["disconnect","x"]',
    b'42["*"]',
    b'42["echo"',
    rb'42["echo","\ud800"]',
    b'42["echo",1e999999]',
    b'42["echo",NaN]',
    b'42["echo"' + b",1" * 20_000 + b"]",
    b'42/room,["name"]garbage',
    b"42" + b"9" * 200 + b'["echo"]',
    b"43[]",
    b"430[]",
    b"4312{}",
    b'40"token"',
    b"41{}",
    b'451-["echo",{"_placeholder":true,"num":7}]\x1ebAAA=',
    b'451-["echo",{"_placeholder":true,"num":0}]\x1e42["echo"]',
    b'451-[{"_placeholder":true,"num":0}]\x1ebAAA=',
    b'459999999999-["echo"]',
    b'4599999999999999-["echo"]',
    b'421-["echo"]',
    b"bgarbage!",
    b"b====",
    b"bAAA=",
    b"d=40",
    "4\u0662".encode(),
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda body: repr(body[:40]))
@pytest.mark.parametrize("is_joined", [False, True])
def test_garbage_in_a_post_ends_the_session(server, garbage, is_joined):
    poller = Poller(server)
    if is_joined:
        poller.join()
    assert poller.post(garbage).status in (200, 400)
    ending = poller.get()
    assert ending.status == 400 or ending.text.endswith("1")


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda body: repr(body[:40]))
async def test_garbage_in_a_websocket_ends_it(server, garbage):
    if b"\x1e" in garbage:
        garbage = garbage.split(b"\x1e")[0] + b"?"
    async with websocket(server) as socket:
        await joined(socket)
        try:
            await socket.send(garbage.decode())
        except UnicodeDecodeError:
            await socket.send(garbage)
        assert await ended(socket) in (1000, 1008)


async def test_attachments_are_limited_together(server):
    async with websocket(server) as socket:
        await joined(socket)
        placeholders = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(900))
        await socket.send(f'45900-["echo",{placeholders}]')
        for _ in range(3):
            await socket.send(b"x" * 50_000)
        assert await ended(socket) == 1000


async def test_a_websocket_message_over_the_limit_ends_it(server):
    async with websocket(server) as socket:
        await joined(socket)
        await socket.send("2" * (LIMIT + 1))
        assert await ended(socket) == 1009


# Requests that do not fit the session


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "EIO=3&transport=polling",
        "EIO=4&transport=carrier-pigeon",
        "EIO=4&transport=polling&sid=unknown",
        "EIO=4&transport=polling&sid=" + quote("\r\nforged line"),
        "EIO=4&transport=websocket&sid=unknown",
        "EIO=4&transport=websocket",
        "EIO=4&transport=polling&sid=unknown&j=x",
        "EIO=%ff&transport=%ff&sid=%ff",
        "&".join(["a=b"] * 5000),
    ],
)
def test_a_request_that_fits_nothing_is_refused(server, method, query):
    target = f"/socket.io/?{query}"
    assert server.request(method, target).status in (200 if method == "OPTIONS" else 405, 400)
    assert "\nforged" not in server.log()


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
@pytest.mark.parametrize("lines", [["a: b"] * 2000, ["a: " + "b" * 70_000]], ids=["many", "long"])
def test_large_headers_are_a_431(server, method, lines):
    reply = talk(server, head(PATH + "polling", *lines, method=method))
    assert (reply.status, reply.json) == (431, {"code": 3, "message": "Bad request"})


def test_an_upgrade_that_is_none_is_refused(server):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    poller = Poller(server)
    for target in (poller.target, PATH + "websocket", f"{PATH}websocket&sid={poller.sid}"):
        assert server.request("POST", target, headers=headers).status in (200, 400, 405)
    assert server.request("GET", PATH + "websocket", headers={"Upgrade": "websocket"}).status == 400
    poller.post("1")


async def test_a_websocket_that_says_polling_is_refused(server):
    for target in (PATH + "polling", "/socket.io/", "/socket.io/?EIO=3&transport=websocket"):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{HOST}:{server.port}{target}", open_timeout=CLIENT_TIMEOUT)
    with pytest.raises(InvalidStatus):
        await websocket(server, "unknown")


def test_a_second_poll_ends_the_session(server):
    poller = Poller(server)
    poller.join()
    with server.http() as connection:
        connection.request("GET", poller.target)
        poller.wait_for_another()
        assert poller.is_gone
        assert connection.getresponse().read() == b"1"


def test_a_client_that_leaves_its_poll_is_gone(server):
    poller = Poller(server)
    poller.join()
    with server.connect() as connection:
        connection.sendall(f"GET {poller.target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        poller.wait_for_another()


def test_a_client_that_says_goodbye_may_not_go_on(server):
    poller = Poller(server)
    poller.join()
    poller.post('1\x1e40\x1e42["echo",1]\x1e3')
    assert poller.is_gone


async def test_a_websocket_that_says_goodbye_is_closed_at_once(server):
    async with websocket(server) as socket:
        await joined(socket)
        await socket.send("1")
        await socket.send('42["echo",1]')
        assert await ended(socket) == 1000


# Half an upgrade


@pytest.mark.parametrize(
    "messages", [[], ["2probe"], ["garbage"], ["2probe", "6"], [b"\xff"], [""]]
)
async def test_half_an_upgrade_leaves_polling_as_it_was(server, messages):
    poller = await asyncio.to_thread(Poller, server)
    async with websocket(server, poller.sid) as socket:
        for message in messages:
            await socket.send(message)
        if len(messages) != 0 and messages != ["2probe"]:
            assert await ended(socket) == 1008
    assert (await asyncio.to_thread(poller.post, "40")).text == "ok"
    text = ""
    while "40{" not in text:
        text = (await asyncio.to_thread(poller.get)).text
        assert text.startswith(("6", "40{"))
    await asyncio.to_thread(poller.post, "1")


async def test_two_upgrades_at_once_are_one(server):
    poller = await asyncio.to_thread(Poller, server)
    async with websocket(server, poller.sid) as socket:
        await socket.send("2probe")
        assert await socket.recv() == "3probe"
        async with websocket(server, poller.sid) as second:
            assert await ended(second) == 1008
        await socket.send("5")
        async with websocket(server, poller.sid) as third:
            assert await ended(third) == 1008
        await socket.send("40")
        while not (await socket.recv()).startswith("40{"):
            pass


# Floods


def test_a_client_that_reads_nothing_is_given_up(server):
    head = (
        f"GET {PATH}websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n"
    )
    join = b"\x81\x82\0\0\0\x0040"  # a masked frame of text
    with server.connect() as connection:
        connection.sendall(head.encode())
        assert read_until(connection, b'0{"sid"').startswith(b"HTTP/1.1 101 ")
        connection.sendall(join)
        read_until(connection, b"40{")
        with memory_growth(server.pid) as growth:
            for _ in range(100):
                assert server.get("/blob/1000000").status == 204
        assert json.loads(server.get("/state").text)["sessions"] == 0
    assert growth.mib < 50


async def test_others_are_served_during_a_flood(server):
    async with websocket(server) as socket:
        await joined(socket)
        for _ in range(3000):
            await socket.send('42["sleep",1]')
        # One after the other they would take an hour, and the client would have given up.
        assert (await asyncio.to_thread(server.get, "/whoami")).status == 200


async def test_arguments_that_do_not_fit_are_no_error_of_the_server(server):
    async with websocket(server) as socket:
        await joined(socket)
        for packet in ('42["add"]', '42["add",1,2,3]', '42["nobody-handles-this",1]'):
            await socket.send(packet)
        await socket.send('421["add",1,2]')
        assert await socket.recv() == "431[3]"
    assert "Socket.IO event 'add'" in server.log()


def test_a_stalled_connection_holds_nobody_up(server):
    stalled, poller = Poller(server), Poller(server)
    poller.join()
    with server.connect() as connection:
        head = f"POST {stalled.target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4"
        connection.sendall(head.encode())
        stalled.wait_for_another()
        assert poller.post('421["add",1,2]').text == "ok"
        assert poller.get().text == "431[3]"
    poller.post("1")
