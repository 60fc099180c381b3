"""Engine.IO, protocol 4: each rule of its specification that a client can see, on the wire.

With the gate in front of a plain Engine.IO server, and in front of that of Socket.IO.
"""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from support.servers import CLIENT_TIMEOUT, HOST, serve

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent
INTERVAL, TIMEOUT = 0.3, 0.2  # seconds between pings, and for the answer
HANDSHAKE = {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}

# A message that each server sends back as it is, and what comes before it can.
ECHOES = {
    "engine.io": ([], lambda text: (f"4{text}", f"4{text}")),
    "socket.io": (
        ["40"],
        lambda text: (f'42["message","{text}"]', f'42["message-back","{text}"]'),
    ),
}


@pytest.fixture(scope="module")
def server():
    with serve("uvicorn", "protocol_app:app", FOLDER) as running:
        yield running
        assert "Traceback" not in running.log()


@pytest.fixture
async def http():
    """A browser that uses no connection twice, so that each request may overtake others."""
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


class Protocol:
    """A server of the protocol, at one path."""

    def __init__(self, server, http, name):
        self.http = http
        self.place = f"{HOST}:{server.port}/{name}/"
        self.preface, self.echo = ECHOES[name]

    async def request(self, method, query, **options):
        url = f"http://{self.place}?{query}"
        async with self.http.request(method, url, **options) as answer:
            return answer.status, await answer.text()

    async def open(self):
        """Return the sid of a session that polls."""
        status, body = await self.request("GET", "EIO=4&transport=polling")
        assert status == 200
        return json.loads(body[1:])["sid"]

    async def poll(self, sid, extra=""):
        return await self.request("GET", f"EIO=4&transport=polling&sid={sid}{extra}")

    async def post(self, sid, body):
        return await self.request("POST", f"EIO=4&transport=polling&sid={sid}", data=body)

    @asynccontextmanager
    async def websocket(self, query="EIO=4&transport=websocket"):
        async with connect(f"ws://{self.place}?{query}", open_timeout=CLIENT_TIMEOUT) as socket:
            yield socket

    def upgrade(self, sid):
        return self.websocket(f"EIO=4&transport=websocket&sid={sid}")

    async def converse(self, socket):
        """Have a message sent back through a WebSocket that is set up."""
        sent, expected = self.echo("hello")
        for packet in (*self.preface, sent):
            await socket.send(packet)
        self.preface = []
        received = await next_message(socket)
        # What the server says first, and on a slow machine a ping.
        while received.startswith(("40", '42["auth"', "2")) and received != expected:
            received = await next_message(socket)
        assert received == expected


@pytest.fixture(params=ECHOES)
def protocol(server, http, request):
    return Protocol(server, http, request.param)


@pytest.fixture
def plain(server, http):
    return Protocol(server, http, "engine.io")


async def next_message(socket):
    async with asyncio.timeout(CLIENT_TIMEOUT):
        return await socket.recv()


async def closed(socket):
    """Wait until the server closes the connection; return what it sent before."""
    messages = []
    async with asyncio.timeout(CLIENT_TIMEOUT):
        try:
            while True:
                messages.append(await socket.recv())
        except ConnectionClosed:
            return messages


def check_handshake(packet, upgrades):
    assert packet.startswith("0")
    values = json.loads(packet[1:])
    assert set(values) == HANDSHAKE
    assert isinstance(values["sid"], str)
    assert values["upgrades"] == upgrades
    assert (values["pingInterval"], values["pingTimeout"]) == (300, 200)
    assert values["maxPayload"] == 1_000_000


# Handshake


async def test_polling_opens_a_session(protocol):
    status, body = await protocol.request("GET", "EIO=4&transport=polling")
    assert status == 200
    check_handshake(body, ["websocket"])


async def test_a_websocket_opens_a_session(protocol):
    async with protocol.websocket() as socket:
        check_handshake(await next_message(socket), [])


BAD_QUERIES = [
    "transport=polling",
    "EIO=abc&transport=polling",
    "EIO=3&transport=polling",
    "EIO=4&EIO=4&transport=polling",
    "EIO=4",
    "EIO=4&transport=abc",
    "EIO=4&transport=polling&transport=abc",
    "EIO=4&transport=websocket",
    "EIO=4&transport=polling&sid=unknown",
    "",
]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("query", BAD_QUERIES)
async def test_a_query_without_its_mandatory_parts_is_a_400(protocol, method, query):
    status, body = await protocol.request(method, query)
    assert status == 400
    assert set(json.loads(body)) == {"code", "message"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_a_session_is_opened_by_get_alone(protocol, method):
    status, body = await protocol.request(method, "EIO=4&transport=polling")
    assert (status, json.loads(body)["code"]) == (400, 2)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_session_knows_get_and_post_alone(protocol, method):
    sid = await protocol.open()
    assert (await protocol.request(method, f"EIO=4&transport=polling&sid={sid}"))[0] == 400


@pytest.mark.parametrize("missing", ["EIO", "transport"])
async def test_both_are_mandatory_in_a_session_too(protocol, missing):
    sid = await protocol.open()
    kept = {"EIO": "transport=polling", "transport": "EIO=4"}[missing]
    for method in ("GET", "POST"):
        assert (await protocol.request(method, f"{kept}&sid={sid}"))[0] == 400


BAD_WEBSOCKET_QUERIES = [
    "transport=websocket",
    "EIO=abc&transport=websocket",
    "EIO=4",
    "EIO=4&transport=abc",
    "EIO=4&transport=polling",
    "EIO=4&transport=websocket&sid=unknown",
]


@pytest.mark.parametrize("query", BAD_WEBSOCKET_QUERIES)
async def test_a_websocket_without_its_mandatory_parts_is_closed(protocol, query):
    try:
        async with protocol.websocket(query) as socket:
            assert await closed(socket) == []
    except InvalidHandshake:
        pass  # before the handshake was answered


# Messages

PAYLOADS = {
    "one packet": "4hello",
    "several packets": "4test1\x1e4test2\x1e4test3",
    "more than a client in Python takes at once": "\x1e".join(["4x"] * 16),
    "text and bytes": "4hello\x1ebAQIDBA==",
    "separators in other encodings": "4\u001f4\u2028",
}


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_a_payload_comes_back_by_polling(plain, payload):
    sid = await plain.open()
    assert await plain.post(sid, PAYLOADS[payload]) == (200, "ok")
    assert await plain.poll(sid) == (200, PAYLOADS[payload])


@pytest.mark.parametrize("packet", ["4hello", "4", b"\1\2\3\4", b""])
async def test_a_packet_comes_back_by_websocket(plain, packet):
    async with plain.websocket() as socket:
        await next_message(socket)
        await socket.send(packet)
        assert await next_message(socket) == packet


@pytest.mark.parametrize("payload", ["abc", "", "4hello\x1eabc", "b?", "2", "0", "5", "6"])
async def test_an_invalid_packet_in_a_post_closes_the_session(protocol, payload):
    sid = await protocol.open()
    assert (await protocol.post(sid, payload))[0] == 400
    assert (await protocol.poll(sid))[0] == 400


@pytest.mark.parametrize("name", ["daphne", "granian", "hypercorn", "uvicorn"])
async def test_every_server_closes_what_breaks_the_protocol(name, http):
    """Daphne closes with no other code of the protocol's own than 1000."""
    with serve(name, "protocol_app:app", FOLDER) as running:
        for path in ECHOES:
            async with Protocol(running, http, path).websocket() as socket:
                await next_message(socket)
                await socket.send("abc")
                await closed(socket)
            assert socket.close_code == (1000 if name == "daphne" else 1008)


@pytest.mark.parametrize("packet", ["abc", "", "7", "0{}"])
async def test_an_invalid_packet_in_a_websocket_closes_it(protocol, packet):
    async with protocol.websocket() as socket:
        await next_message(socket)
        await socket.send(packet)
        await closed(socket)


async def test_two_polls_at_once_close_the_session(protocol):
    sid = await protocol.open()
    first = asyncio.create_task(protocol.poll(sid))
    await asyncio.sleep(0.005)  # the suite's; either of the two may be the first, and is told so
    answers = [await protocol.poll(sid, "&t=burst"), await first]
    assert sorted(status for status, _ in answers) == [200, 400]
    assert dict(answers)[200] == "1"
    assert (await protocol.poll(sid))[0] == 400


async def test_two_posts_at_once_close_the_session(protocol):
    sid = await protocol.open()
    release = asyncio.Event()

    async def body():
        yield b"4"
        await release.wait()

    first = asyncio.create_task(protocol.post(sid, body()))
    second = (200, "")
    async with asyncio.timeout(CLIENT_TIMEOUT):
        while second[0] == 200:  # until the first one is there
            second = await protocol.post(sid, "3")
    release.set()
    assert second[0] == (await first)[0] == 400
    assert (await protocol.poll(sid))[0] == 400


async def test_a_poll_that_is_cancelled_closes_the_session(protocol):
    sid = await protocol.open()
    poll = asyncio.create_task(protocol.poll(sid))
    await asyncio.sleep(0.005)
    poll.cancel()
    assert (await protocol.poll(sid))[0] == 400


# Heartbeat


async def test_polling_has_pings_and_pongs(protocol):
    sid = await protocol.open()
    for _ in range(3):
        assert await protocol.poll(sid) == (200, "2")
        assert await protocol.post(sid, "3") == (200, "ok")


async def test_a_websocket_has_pings_and_pongs(protocol):
    async with protocol.websocket() as socket:
        await next_message(socket)
        for _ in range(3):
            assert await next_message(socket) == "2"
            await socket.send("3")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_silent_session_is_closed(protocol, method):
    sid = await protocol.open()
    await asyncio.sleep(INTERVAL + TIMEOUT)
    query = f"EIO=4&transport=polling&sid={sid}"
    assert (await protocol.request(method, query, data="3" if method == "POST" else None))[0] == 400


async def test_a_silent_websocket_is_closed(protocol):
    async with protocol.websocket() as socket:
        messages = await closed(socket)
        assert messages[1:] in (["2"], ["2", "1"])


# Close


async def test_a_client_closes_its_session_while_it_polls(protocol):
    sid = await protocol.open()
    poll, post = await asyncio.gather(protocol.poll(sid), protocol.post(sid, "1"))
    assert (poll, post) == ((200, "6"), (200, "ok"))
    assert (await protocol.poll(sid))[0] == 400
    assert (await protocol.post(sid, "3"))[0] == 400


async def test_a_client_closes_its_websocket(protocol):
    async with protocol.websocket() as socket:
        await next_message(socket)
        await socket.send("1")
        assert await closed(socket) == []


# Upgrade


async def test_polling_is_upgraded(protocol):
    sid = await protocol.open()
    async with protocol.upgrade(sid) as socket:
        await socket.send("2probe")
        assert await next_message(socket) == "3probe"
        assert await protocol.poll(sid) == (200, "6")
        await socket.send("5")
        await protocol.converse(socket)


async def test_a_poll_that_is_held_ends_when_the_upgrade_begins(protocol):
    sid = await protocol.open()
    poll = asyncio.create_task(protocol.poll(sid))
    async with protocol.upgrade(sid) as socket:
        await socket.send("2probe")
        assert await next_message(socket) == "3probe"
        assert await poll == (200, "6")
        await socket.send("5")
        await protocol.converse(socket)


@pytest.mark.parametrize("waits", [True, False], ids=["after the probe", "at once"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_requests_of_an_upgraded_session_are_refused(protocol, waits, method):
    sid = await protocol.open()
    async with protocol.upgrade(sid) as socket:
        await socket.send("2probe")
        if waits or method == "POST":
            assert await next_message(socket) == "3probe"
        await socket.send("5")
        if method == "POST":
            await protocol.converse(socket)  # it has come through
        query = f"EIO=4&transport=polling&sid={sid}"
        assert (await protocol.request(method, query))[0] == 400
        if method == "GET" and not waits:
            assert await next_message(socket) == "3probe"
        await protocol.converse(socket)


@pytest.mark.parametrize("waits", [True, False], ids=["after the probe", "at once"])
async def test_a_second_websocket_of_a_session_is_closed(protocol, waits):
    sid = await protocol.open()
    async with protocol.upgrade(sid) as socket:
        await socket.send("2probe")
        if waits:
            assert await next_message(socket) == "3probe"
        await socket.send("5")
        # Not refused: the client of the suite takes only a handshake that is answered.
        async with protocol.upgrade(sid) as second:
            assert await closed(second) == []
        if not waits:
            assert await next_message(socket) == "3probe"
        await protocol.converse(socket)


async def test_a_session_that_began_by_websocket_has_one(protocol):
    async with protocol.websocket() as socket:
        sid = json.loads((await next_message(socket))[1:])["sid"]
        async with protocol.upgrade(sid) as second:
            assert await closed(second) == []
        assert (await protocol.poll(sid))[0] == 400
        await protocol.converse(socket)


async def test_an_upgrade_that_fails_leaves_polling(plain):
    sid = await plain.open()
    async with plain.upgrade(sid) as socket:
        await socket.send("4hello")
        await closed(socket)
    assert await plain.post(sid, "4hello") == (200, "ok")
    assert (await plain.poll(sid))[1].endswith("4hello")
