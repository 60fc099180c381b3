"""Socket.IO, protocol 5: each rule of its specification that a client can see, on the wire."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from support.servers import CLIENT_TIMEOUT, HOST, serve

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def server():
    with serve("uvicorn", "protocol_app:app", FOLDER) as running:
        yield running
        assert "Traceback" not in running.log()


class Client:
    """A client that writes packets by hand, and answers no ping unless told to."""

    def __init__(self, socket):
        self._socket = socket

    async def send(self, *packets):
        for packet in packets:
            await self._socket.send(packet)

    async def next(self, *, pings=False):
        """Return the next message; pings only if they are asked for."""
        async with asyncio.timeout(CLIENT_TIMEOUT):
            while (message := await self._socket.recv()) == "2" and not pings:
                await self._socket.send("3")
        return message

    async def closed(self):
        try:
            while True:
                await self.next(pings=True)
        except ConnectionClosed:
            return


@asynccontextmanager
async def opened(server):
    url = f"ws://{HOST}:{server.port}/socket.io/?EIO=4&transport=websocket"
    async with connect(url, open_timeout=CLIENT_TIMEOUT) as socket:
        client = Client(socket)
        assert (await client.next()).startswith("0{")
        yield client


@pytest.fixture
async def client(server):
    async with opened(server) as one:
        yield one


@pytest.fixture
async def joined(client):
    await client.send("40")
    assert (await client.next()).startswith("40{")
    assert await client.next() == '42["auth",{}]'
    return client


# Connection to a namespace

CONNECTS = {
    "40": ("40", '42["auth",{}]'),
    '40{"token":"123"}': ("40", '42["auth",{"token":"123"}]'),
    "40/custom,": ("40/custom,", '42/custom,["auth",{}]'),
    "40/custom": ("40/custom,", '42/custom,["auth",{}]'),
    '40/custom,{"token":"abc"}': ("40/custom,", '42/custom,["auth",{"token":"abc"}]'),
}


@pytest.mark.parametrize("packet", CONNECTS)
async def test_connect_is_answered_with_the_sid(client, packet):
    start, event = CONNECTS[packet]
    await client.send(packet)
    answer = await client.next()
    assert answer.startswith(start)
    values = json.loads(answer.removeprefix(start))
    assert set(values) == {"sid"}
    assert isinstance(values["sid"], str)
    assert await client.next() == event


@pytest.mark.parametrize("packet", ["40/random", "40/random,", '40/random,{"token":"123"}'])
async def test_an_unknown_namespace_is_refused_with_an_object(client, packet):
    await client.send(packet)
    assert await client.next() == '44/random,{"message":"Invalid namespace"}'


async def test_a_namespace_that_is_refused_leaves_the_others(client):
    await client.send("40/random")
    assert (await client.next()).startswith("44/random,")
    await client.send("40")
    assert (await client.next()).startswith("40{")


BEFORE_CONNECT = ["4abc", '42["message"]', '42/custom,["message"]', "430[]", "41", b"\1"]


@pytest.mark.parametrize("packet", [*BEFORE_CONNECT, "40[]", '40"token"', "44{}"])
async def test_what_is_not_connect_closes_the_connection_at_first(client, packet):
    await client.send(packet)
    await client.closed()


async def test_a_client_that_sends_nothing_is_closed(client):
    await client.closed()


# Disconnection from a namespace


async def test_leaving_the_namespace_leaves_the_connection(joined):
    await joined.send("41")
    assert await joined.next(pings=True) == "2"


async def test_leaving_one_namespace_leaves_the_others(joined):
    assert await joined.next(pings=True) == "2"
    await joined.send("40/custom")
    assert (await joined.next()).startswith("40/custom,")
    assert await joined.next() == '42/custom,["auth",{}]'
    await joined.send("41/custom", '42["message","message to main namespace"]')
    assert await joined.next() == '42["message-back","message to main namespace"]'


# Events and acknowledgements


async def test_an_event_has_text_numbers_and_objects(joined):
    await joined.send('42["message",1,"2",{"3":[true]}]')
    assert await joined.next() == '42["message-back",1,"2",{"3":[true]}]'


PLACEHOLDERS = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
ATTACHMENTS = b"\1\2\3", b"\4\5\6"


async def test_an_event_has_attachments(joined):
    await joined.send(f'452-["message",{PLACEHOLDERS}]', *ATTACHMENTS)
    assert await joined.next() == f'452-["message-back",{PLACEHOLDERS}]'
    assert (await joined.next(), await joined.next()) == ATTACHMENTS


@pytest.mark.parametrize("number", [1, 456, 10**20])
async def test_an_event_is_acknowledged_under_its_id(joined, number):
    await joined.send(f'42{number}["message-with-ack",1,"2",{{"3":[false]}}]')
    assert await joined.next() == f'43{number}[1,"2",{{"3":[false]}}]'


async def test_an_acknowledgement_may_be_empty(joined):
    await joined.send('420["message-with-ack"]')
    assert await joined.next() == "430[]"


async def test_an_acknowledgement_has_attachments(joined):
    await joined.send(f'452-789["message-with-ack",{PLACEHOLDERS}]', *ATTACHMENTS)
    assert await joined.next() == f"462-789[{PLACEHOLDERS}]"
    assert (await joined.next(), await joined.next()) == ATTACHMENTS


INVALID = {
    "an unknown type": ["4abc"],
    "a type beyond the last": ['47["message"]'],
    "no array": ["42{}"],
    "an empty array": ["42[]"],
    "nothing": ["42"],
    "an id that is none": ['42abc["message-with-ack",1,"2",{"3":[false]}]'],
    "an event without a name": ["42[1]"],
    "an acknowledgement without an array": ["431{}"],
    "what only a server sends": ['44{"message":"no"}'],
    "bytes that nothing announced": [b"\1\2\3"],
    "text in place of an attachment": [f'452-["message",{PLACEHOLDERS}]', '42["message"]'],
    "a binary event without attachments": ['450-["message"]', b"\1"],
    "a placeholder for nothing": ['451-["message",{"_placeholder":true,"num":5}]', b"\1"],
}


@pytest.mark.parametrize("packets", INVALID.values(), ids=INVALID)
async def test_an_invalid_packet_closes_the_connection(joined, packets):
    await joined.send(*packets)
    await joined.closed()
