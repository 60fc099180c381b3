"""Who is in a room hears all that is said there, and nothing else."""

import json
from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.examples import phone, served
from support.servers import CLIENT_TIMEOUT

server = served("websocket_chat")


@pytest.fixture
def enter(server):
    """Return a function that opens a WebSocket to a room."""
    with ExitStack() as sockets:

        def enter(room, name, **options):
            url = f"ws://127.0.0.1:{server.port}/chat/{room}?name={name}"
            return sockets.enter_context(connect(url, **options))

        yield enter


def hear(socket):
    return json.loads(socket.recv(timeout=CLIENT_TIMEOUT))


def test_a_room_hears_what_is_said_in_it(enter):
    ada, eve = enter("lobby", "Ada"), enter("garden", "Eve")
    assert hear(ada) == {"info": "Ada has come in."}
    assert hear(eve) == {"info": "Eve has come in."}
    bob = enter("lobby", "")
    assert hear(ada) == hear(bob) == {"info": "Guest has come in."}
    bob.send(" <b>Hello</b> ")
    assert hear(ada) == hear(bob) == {"name": "Guest", "text": "<b>Hello</b>"}
    bob.close()
    assert hear(ada) == {"info": "Guest has left."}
    eve.send("Hello?")
    assert hear(eve) == {"name": "Eve", "text": "Hello?"}


def test_too_much_or_nothing_is_for_the_sender_only(enter):
    ada = enter("attic", "Ada")
    hear(ada)
    for message in (" ", "x" * 501, b"bytes"):
        ada.send(message)
        assert "too long, or nothing" in hear(ada)["info"]


def test_pages_of_other_sites_and_endless_rooms_are_refused(enter, server):
    with pytest.raises(InvalidStatus):
        enter("lobby", "Eve", origin="https://evil.example")
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        hear(enter("x" * 31, "Eve"))
    assert server.get("/" + "x" * 31).status == 404


def test_two_browsers_talk(server):
    with phone() as open_page:
        pages = []
        for name in ("Ada", "Bob"):
            page = open_page(f"{server.url}/kitchen")
            page.get_by_placeholder("Your name").fill(name)
            page.get_by_role("button", name="Come in").click()
            page.get_by_text(f"{name} has come in.").wait_for()
            pages.append(page)
        pages[0].get_by_placeholder("Your message").fill("<i>Hello</i>, Bob!")
        pages[0].get_by_role("button", name="Say").click()
        pages[1].get_by_text("Ada: <i>Hello</i>, Bob!").wait_for()
