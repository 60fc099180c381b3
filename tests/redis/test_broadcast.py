"""RedisBroadcast: what one process sends reaches the members of all, through real servers."""

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import redis.asyncio

from micropie import App, HTTPError
from micropie_redis import RedisBroadcast
from support.asgi import PATIENCE
from support.asgi_websocket import WebSocketClient

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def broadcasts(server, count, **options):
    """Make Broadcasts as so many processes would."""
    async with AsyncExitStack() as stack:
        made = [RedisBroadcast(server.url, **options) for _ in range(count)]
        for broadcast in made:
            stack.push_async_callback(broadcast.close)
        yield made


async def soon(awaitable):
    async with asyncio.timeout(PATIENCE):
        return await awaitable


MESSAGES = [
    ("text", "text"),
    ("", ""),
    ("Zoë 🥧\0\n", "Zoë 🥧\0\n"),
    (b"\0\xff", b"\0\xff"),
    (bytearray(b"t\0"), b"t\0"),
    ({"é": [1, None]}, '{"é":[1,null]}'),
]


async def test_a_message_reaches_the_members_of_all_processes(server):
    async with (
        broadcasts(server, 3, channel="all") as (one, two, three),
        one.join() as a,
        two.join() as b,
        two.join() as c,
    ):
        for sender in (one, two, three):  # the last has no members
            for message, got in MESSAGES:
                await sender.send(message)
                assert [await soon(anext(member)) for member in (a, b, c)] == [got] * 3


async def test_rooms_and_channels_are_kept_apart(server):
    async with (
        broadcasts(server, 2, channel="some") as (one, two),
        broadcasts(server, 1, channel="other") as (other,),
        one.join(room="küche") as kitchen,
        one.join(room="garden") as garden,
        other.join(room="küche") as elsewhere,
    ):
        await two.send("a", room="küche")
        await two.send("b", room="garden")
        await other.send("c", room="küche")
        found = [await soon(anext(member)) for member in (kitchen, garden, elsewhere)]
    assert found == ["a", "b", "c"]


async def test_members_of_all_processes_see_the_same_order(server):
    async def speak(broadcast, name):
        for number in range(50):
            await broadcast.send(f"{name}{number}")

    async with (
        broadcasts(server, 2, channel="order") as (one, two),
        one.join() as a,
        two.join() as b,
    ):
        await asyncio.gather(speak(one, "x"), speak(two, "y"))
        heard = [[await soon(anext(member)) for _ in range(100)] for member in (a, b)]
    assert heard[0] == heard[1]


async def test_websockets_get_what_another_process_sends(server):
    class Site(App):
        async def ws_index(self, ws):
            await ws.accept()
            async with one.join(ws):
                await ws.send_text("joined")
                async for text in ws:
                    await one.send(text)

    async with (
        broadcasts(server, 2, channel="sockets") as (one, two),
        WebSocketClient(Site()).connect("/") as socket,
        two.join() as member,
    ):
        assert await socket.receive() == "joined"
        await two.send({"a": 1})
        assert await socket.receive() == '{"a":1}'
        assert await soon(anext(member)) == '{"a":1}'
        socket.send_text("hello")
        assert await soon(anext(member)) == "hello"


async def test_a_slow_member_is_dropped_and_the_others_go_on(server):
    async with (
        broadcasts(server, 1, channel="slow", max_waiting=3) as (broadcast,),
        broadcast.join() as slow,
        broadcast.join() as other,
    ):
        for number in range(6):
            await broadcast.send(number)
            assert await soon(anext(other)) == str(number)
        assert [message async for message in slow] == []


async def connections(server, command="subscribe"):
    client = redis.asyncio.Redis.from_url(server.url)
    async with client:
        return sum(entry["cmd"] == command for entry in await client.client_list())


async def test_a_process_listens_while_it_has_members(server):
    async with broadcasts(server, 1, channel="while") as (broadcast,):
        for _ in range(2):
            async with broadcast.join(), broadcast.join():
                assert await connections(server) == 1
            async with asyncio.timeout(PATIENCE):
                while await connections(server):  # noqa: ASYNC110 - Redis knows
                    await asyncio.sleep(0.005)


async def test_without_redis_joining_and_sending_is_a_503(own_server):
    async with broadcasts(own_server, 1, socket_timeout=0.5) as (broadcast,):
        own_server.stop()
        with pytest.raises(HTTPError) as sending:
            await soon(broadcast.send("a"))
        joining = broadcast.join()
        with pytest.raises(HTTPError) as entering:
            await soon(joining.__aenter__())
        assert (sending.value.status_code, entering.value.status_code) == (503, 503)


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_redis_that_was_away_is_heard_again(own_server, fault, caplog):
    caplog.set_level(logging.ERROR, "micropie")
    async with (
        broadcasts(own_server, 2, socket_timeout=0.5) as (one, two),
        one.join() as member,
    ):
        await two.send("before")
        assert await soon(anext(member)) == "before"
        getattr(own_server, fault)()
        with pytest.raises(HTTPError):
            await soon(two.send("lost"))
        own_server.start() if fault == "kill" else own_server.resume()
        heard = asyncio.ensure_future(anext(member))
        async with asyncio.timeout(PATIENCE):
            while not heard.done():
                with suppress(HTTPError):  # a connection of before
                    await two.send("after")
                await asyncio.sleep(0.05)
        assert await heard in ("after", "lost")  # a paused server may have taken it
        waiting = [record for record in caplog.records if "does not hear" in record.getMessage()]
        assert len(waiting) == (1 if fault == "kill" else 0)


async def test_what_others_publish_on_the_channel_is_passed_over(server):
    async with broadcasts(server, 1, channel="shared") as (broadcast,), broadcast.join() as member:
        for garbage in (b"", b"t", b"x\0a", b"t\xff\0a", b"t\0\xff", b"\0"):
            server.command("PUBLISH", "shared", garbage)
        await broadcast.send("news")
        assert await soon(anext(member)) == "news"


async def test_a_client_of_the_user_s_stays_open(server):
    client = redis.asyncio.Redis.from_url(server.url)
    async with client:
        broadcast = RedisBroadcast(client, channel="own")
        async with broadcast.join() as member:
            await broadcast.send("a")
            assert await soon(anext(member)) == "a"
        await broadcast.close()
        assert await client.ping()


async def test_what_can_not_be_sent_is_the_senders_error(server):
    async with broadcasts(server, 1) as (broadcast,):
        for message, room in ((object(), ""), ("\ud800", ""), ("a", "\0")):
            with pytest.raises((TypeError, ValueError)):
                await broadcast.send(message, room=room)


@pytest.mark.parametrize(
    ("url", "options", "error", "message"),
    [
        (5, {}, TypeError, "url_or_client"),
        ("http://x", {}, ValueError, "url_or_client"),
        ("redis://:secret@x:port", {}, ValueError, "url_or_client"),
        (redis.asyncio.Redis(decode_responses=True), {}, ValueError, "decode_responses"),
        ("redis://x", {"channel": b"a"}, TypeError, "channel"),
        ("redis://x", {"socket_timeout": 0}, ValueError, "socket_timeout"),
        ("redis://x", {"max_waiting": 0}, ValueError, "max_waiting"),
        ("redis://x", {"when_slow": ""}, ValueError, "when_slow"),
    ],
    ids=range(8),
)
def test_arguments_that_make_no_sense_are_refused(url, options, error, message):
    with pytest.raises(error, match=message) as caught:
        RedisBroadcast(url, **options)
    assert "secret" not in str(caught.value)
