"""Two browsers are brought together, a third is kept out."""

import pytest

from support.examples import phone, served
from support.socketio_clients import browsing, next_event

server = served("webrtc")


@pytest.mark.anyio
async def test_offers_and_answers_reach_the_other_one_only(server):
    async with browsing(server) as browser:
        ada, bob, eve, other = [await browser.connect() for _ in range(4)]
        await ada.emit("join", "room")
        assert await next_event(ada) == ("joined", 1)
        await other.emit("join", "another room")
        assert await next_event(other) == ("joined", 1)
        await bob.emit("join", "room")
        assert await next_event(bob) == ("joined", 2)
        assert await next_event(ada) == ("arrived",)
        await eve.emit("join", "room")
        assert await next_event(eve) == ("full",)

        await eve.emit("signal", {"candidate": "evil"})
        await other.emit("signal", {"candidate": "stray"})
        await ada.emit("signal", {"description": {"type": "offer"}})
        assert await next_event(bob) == ("signal", {"description": {"type": "offer"}})
        await bob.emit("signal", {"description": {"type": "answer"}})
        assert await next_event(ada) == ("signal", {"description": {"type": "answer"}})

        await bob.disconnect()
        assert await next_event(ada) == ("left",)
        await eve.emit("join", "room")
        assert await next_event(eve) == ("joined", 2)
        assert await next_event(ada) == ("arrived",)


@pytest.mark.anyio
async def test_what_is_no_room_is_not_joined(server):
    async with browsing(server) as browser:
        client = await browser.connect()
        for room in ("x" * 65, None, ["room"]):
            await client.emit("join", room)
        await client.emit("join", "a room at last")
        assert await next_event(client) == ("joined", 1)


def test_two_browsers_see_each_other(server):
    cameras = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with phone(*cameras) as open_page:
        ada = open_page(server.url)
        ada.get_by_text("Waiting for somebody.").wait_for()
        bob = open_page(ada.url)
        for page in (ada, bob):
            page.get_by_text("Connected.").wait_for()
            page.wait_for_function("remote.videoWidth > 0")
        bob.close()
        ada.get_by_text("They have left.").wait_for()
