"""Broadcast: every member gets what is sent, and a slow one holds up nobody."""

import asyncio
import gc
import json
import weakref

import pytest

from micropie import App, Broadcast
from support.asgi import PATIENCE, Client, settled
from support.asgi_websocket import WebSocketClient
from support.websockets import NEW, OLD

pytestmark = pytest.mark.anyio

BOTH = pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])


class News(App):
    """Sends what members say to their room, and streams it."""

    def __init__(self, websocket_send_timeout=30.0, **options):
        super().__init__(websocket_send_timeout=websocket_send_timeout)
        self.broadcast = Broadcast(**options)
        self._members = []

    async def _forgets_all(self):
        """Wait until nothing is left of the members that there were."""
        async with asyncio.timeout(PATIENCE):
            while any(member() for member in self._members):
                await asyncio.sleep(0.005)
                gc.collect()
        return bool(self._members)

    async def ws_talk(self, ws, room=""):
        await ws.accept()
        async with self.broadcast.join(ws, room=room) as member:
            self._members.append(weakref.ref(member))
            del member
            await ws.send_text("joined")
            async for text in ws:
                await self.broadcast.send(text, room=room)

    async def stream(self, room=""):
        async with self.broadcast.join(room=room) as messages:
            self._members.append(weakref.ref(messages))
            yield "joined\n"
            async for message in messages:
                yield message

    async def say(self, text, room=""):
        await self.broadcast.send(text, room=room)
        return ""


async def say(app, text, room=""):
    answer = await Client(app).request("GET", f"/say/{text}" + (room and f"/{room}"))
    assert answer.status == 200


class Crowd:
    """WebSockets that have joined."""

    def __init__(self, app, asgi=NEW):
        self._client = WebSocketClient(app, asgi=asgi)
        self._stack = []

    async def enter(self, count=1, url="/talk"):
        for _ in range(count):
            entered = self._client.connect(url)
            socket = await entered.__aenter__()
            self._stack.append(entered)
            assert await socket.receive() == "joined"
            yield socket

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for entered in self._stack:
            await entered.__aexit__(None, None, None)


MESSAGES = [
    ("text", "text"),
    ("Zoë 🥧", "Zoë 🥧"),
    ("", ""),
    (b"\0\xff", b"\0\xff"),
    (bytearray(b"a"), b"a"),
    (memoryview(b"b"), b"b"),
    ({"é": [1, None]}, '{"é":[1,null]}'),
    (None, "null"),
]


@BOTH
@pytest.mark.parametrize(("message", "got"), MESSAGES, ids=range(len(MESSAGES)))
async def test_every_member_gets_what_is_sent(asgi, message, got):
    app = News()
    async with Crowd(app, asgi) as crowd:
        sockets = [socket async for socket in crowd.enter(3)]
        async with app.broadcast.join() as stream:
            await app.broadcast.send(message)
            assert [await socket.receive() for socket in sockets] == [got] * 3
            assert await anext(stream) == got


@pytest.mark.parametrize(
    "message", [object(), {1, 2}, "\ud800"], ids=["object", "set", "surrogate"]
)
async def test_what_can_not_be_sent_is_the_senders_error_alone(message):
    broadcast = Broadcast()
    async with broadcast.join() as member:
        with pytest.raises((TypeError, ValueError)):
            await broadcast.send(message)
        await broadcast.send("fine")
        assert await anext(member) == "fine"


@BOTH
async def test_members_say_things_to_their_room_alone(asgi):
    async with Crowd(News(), asgi) as crowd:
        (ada,) = [socket async for socket in crowd.enter(url="/talk/kitchen")]
        (bob,) = [socket async for socket in crowd.enter(url="/talk/kitchen")]
        (eve,) = [socket async for socket in crowd.enter(url="/talk/garden")]
        for text in ("a", "b"):
            ada.send_text(text)
        eve.send_text("c")
        assert [await bob.receive(), await bob.receive()] == ["a", "b"]
        assert [await ada.receive(), await ada.receive()] == ["a", "b"]
        assert await eve.receive() == "c"


@BOTH
async def test_who_has_left_is_forgotten(asgi):
    app = News()
    async with Crowd(app, asgi) as crowd:
        ada, bob = [socket async for socket in crowd.enter(2)]
        ada.leave()
        await ada.ended()
        await say(app, "news")
        assert await bob.receive() == "news"
        assert len(ada.messages) == 2  # accepted, joined
        bob.leave()
        await bob.ended()
    assert await app._forgets_all()


@BOTH
async def test_a_member_that_reads_nothing_holds_up_no_other(asgi):
    app = News()
    async with Crowd(app, asgi) as crowd:
        slow, *others = [socket async for socket in crowd.enter(4)]
        slow.stop_reading()
        for number in range(50):
            await say(app, str(number))
            for socket in others:
                assert await socket.receive() == str(number)
        slow.read_again()
        assert [await slow.receive() for _ in range(50)] == [str(number) for number in range(50)]
        await say(app, "after")
        assert await slow.receive() == "after"


@BOTH
async def test_a_member_that_is_too_slow_is_dropped_and_closed_with_1013(asgi):
    app = News(max_waiting=3)
    async with Crowd(app, asgi) as crowd:
        slow, other = [socket async for socket in crowd.enter(2)]
        slow.stop_reading()
        for number in range(8):
            await say(app, str(number))
            assert await other.receive() == str(number)
        slow.read_again()
        ending = await slow.ended()
    assert ending.error is None
    assert ending.closed == (1013, "too slow")
    assert len(ending.sent) <= 1 + 1 + 3


@BOTH
async def test_a_member_that_is_dropped_and_never_reads_again_ends_too(asgi):
    app = News(websocket_send_timeout=0.05, max_waiting=1)
    async with Crowd(app, asgi) as crowd:
        (slow,) = [socket async for socket in crowd.enter()]
        slow.stop_reading()
        for number in range(4):
            await say(app, str(number))
        assert (await slow.ended()).error is None
    assert await app._forgets_all()


@BOTH
async def test_a_member_that_may_skip_gets_the_newest(asgi):
    app = News(max_waiting=3, when_slow="skip")
    async with Crowd(app, asgi) as crowd:
        (slow,) = [socket async for socket in crowd.enter()]
        slow.stop_reading()
        for number in range(10):
            await say(app, str(number))
            await settled()
        slow.read_again()
        assert [await slow.receive() for _ in range(4)] == ["0", "7", "8", "9"]


@BOTH
async def test_a_member_whose_send_fails_stops_no_other(asgi, logged):
    app = News()
    async with Crowd(app, asgi) as crowd:
        gone, broken, other = [socket async for socket in crowd.enter(3)]
        gone.break_sending(OSError("gone"))
        broken.break_sending(RuntimeError("the server's bug"))
        for text in ("a", "b"):
            await say(app, text)
            assert await other.receive() == text
        await settled()
        gone.leave()
        broken.leave()
    assert [str(record.exc_info[1]) for record in logged] == ["the server's bug"]


@BOTH
async def test_the_last_words_of_a_handler_reach_its_own_client(asgi):
    class Parting(App):
        async def ws_index(self, ws):
            await ws.accept()
            async with broadcast.join(ws):
                for number in range(3):
                    await broadcast.send(str(number))

    broadcast = Broadcast()
    ending = await WebSocketClient(Parting(), asgi=asgi).run("/")
    assert (ending.sent, ending.closed) == (["0", "1", "2"], (1000, ""))


async def test_messages_of_many_senders_come_in_the_same_order_to_all():
    async def collect(messages):
        return [await anext(messages) for _ in range(60)]

    async def speak(name):
        for number in range(20):
            await broadcast.send(f"{name}{number}")
            await asyncio.sleep(0)

    broadcast = Broadcast()
    async with broadcast.join() as one, broadcast.join() as two:
        listening = asyncio.gather(collect(one), collect(two))
        await asyncio.gather(*map(speak, "abc"))
        first, second = await listening
    assert first == second
    assert [text for text in first if text[0] == "a"] == [f"a{number}" for number in range(20)]


async def test_a_broadcast_to_very_many_lets_other_tasks_run():
    async def turns():
        while True:
            counted.append(None)
            await asyncio.sleep(0)

    broadcast, counted = Broadcast(), []
    async with asyncio.TaskGroup() as tasks:
        joining = [broadcast.join() for _ in range(20_000)]
        for entering in joining:
            await entering.__aenter__()
        counting = tasks.create_task(turns())
        await asyncio.sleep(0)
        before = len(counted)
        await broadcast.send("news")
        assert len(counted) > before
        counting.cancel()
    for entering in joining:
        await entering.__aexit__(None, None, None)


async def test_a_stream_gets_messages_and_leaves_when_its_client_does():
    app = News()
    async with Client(app).open("GET", "/stream") as exchange:
        await exchange.started()
        await say(app, "news")
        assert [await exchange.chunk(), await exchange.chunk()] == [b"joined\n", b"news"]
    assert await app._forgets_all()


async def test_a_stream_that_is_too_slow_ends():
    broadcast = Broadcast(max_waiting=2)
    async with broadcast.join() as messages:
        for number in range(4):
            await broadcast.send(number)
        assert [message async for message in messages] == []
    async with broadcast.join() as messages:
        await broadcast.send("again")
        assert await anext(messages) == "again"


async def test_a_stream_that_may_skip_goes_on_with_the_newest():
    broadcast = Broadcast(max_waiting=2, when_slow="skip")
    async with broadcast.join() as messages:
        for number in range(5):
            await broadcast.send(number)
        assert [await anext(messages), await anext(messages)] == ["3", "4"]


async def test_a_wait_for_a_message_that_times_out_loses_none():
    broadcast = Broadcast()
    async with broadcast.join() as messages:
        waiting = asyncio.ensure_future(anext(messages))
        await settled()
        waiting.cancel()
        await broadcast.send(json.dumps(1))
        assert await anext(messages) == "1"


async def test_leaving_ends_an_iteration():
    broadcast = Broadcast()
    async with broadcast.join() as messages:
        iterating = asyncio.ensure_future(anext(messages, "over"))
        await settled()
        messages.leave()
        messages.leave()
        assert await iterating == "over"
        await broadcast.send("unheard")
        assert await anext(messages, "over") == "over"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_waiting": 0}, ValueError),
        ({"max_waiting": "5"}, TypeError),
        ({"when_slow": "wait"}, ValueError),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Broadcast(**options)
