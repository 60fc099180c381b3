"""The chat."""

import json
import socket
from contextlib import ExitStack, suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.demo import chatting, hear, say
from support.servers import HOST


def test_what_is_said_in_a_room_is_heard_there_and_in_no_other(demo):
    with (
        chatting(demo, "/chat/kitchen") as (ada, _),
        chatting(demo, "/chat?room=kitchen") as (bob, _),
        chatting(demo, "/chat/garden") as (eve, _),
    ):
        say(ada, "Is there any pie left?")
        assert hear(ada)["text"] == hear(bob)["text"] == "Is there any pie left?"
        say(bob, "A slice.")
        assert hear(ada)["text"] == hear(bob)["text"] == "A slice."
        say(eve, "Nobody here?")
        assert hear(eve)["text"] == "Nobody here?"


def test_without_a_room_the_chat_is_in_the_lobby(demo):
    with chatting(demo) as (ada, _), chatting(demo, "/chat/lobby") as (bob, _):
        say(ada, "Hello")
        assert hear(bob)["text"] == "Hello"


def test_members_speak_by_the_name_they_signed_with(demo, visitor):
    visitor.post("/sign", data={"name": "Tim", "message": "m"})
    with (
        chatting(demo, visitor=visitor) as (tim, welcome),
        chatting(demo, "/chat?name=Eve") as (eve, other_welcome),
    ):
        assert (welcome["name"], other_welcome["name"]) == ("Tim", "Guest")
        tim.send(json.dumps({"text": "It's me", "name": "Eve"}))
        said = hear(eve)
        assert (said["name"], said["text"]) == ("Tim", "It's me")
        say(eve, "And me")
        assert [hear(tim)["name"], hear(tim)["name"]] == ["Tim", "Guest"]


def test_html_in_a_message_is_passed_on_as_text(demo):
    with chatting(demo) as (ada, _):
        say(ada, "<img src=x onerror=alert(1)> 🥧")
        assert hear(ada)["text"] == "<img src=x onerror=alert(1)> 🥧"


def test_no_script_that_shows_what_others_wrote_takes_it_for_html(demo):
    for page in ("/static/chat.js", "/static/live.js"):
        script = demo.get(page).text
        assert "textContent" in script
        assert "innerHTML =" not in script
        assert "insertAdjacentHTML" not in script


def test_who_comes_later_gets_the_last_fifty_messages(demo):
    with chatting(demo, "/chat/garden") as (ada, _):
        for number in range(52):
            say(ada, f"No. {number}")
        for _ in range(52):
            hear(ada)
        with chatting(demo, "/chat/garden") as (_, welcome):
            history = [said["text"] for said in welcome["history"]]
    assert history == [f"No. {number}" for number in range(2, 52)]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"text": ""}, "There is nothing in this message."),
        ({"text": " \n "}, "There is nothing in this message."),
        ({"text": 5}, "There is nothing in this message."),
        ({"text": None}, "There is nothing in this message."),
        ({}, "There is nothing in this message."),
        (["text"], "There is nothing in this message."),
        ("text", "There is nothing in this message."),
        (None, "There is nothing in this message."),
        ({"text": "x" * 501}, "A message has 500 characters at most."),
    ],
)
def test_a_message_that_will_not_do_is_answered_to_its_sender_alone(demo, sent, error):
    with chatting(demo, "/chat/kitchen") as (ada, _), chatting(demo, "/chat/kitchen") as (bob, _):
        ada.send(json.dumps(sent))
        assert hear(ada) == {"error": error}
        say(ada, "x" * 500)
        assert hear(bob)["text"] == hear(ada)["text"] == "x" * 500


@pytest.mark.parametrize("sent", ["{", "NaN", b"\xff\xfe"])
def test_a_message_that_is_no_json_ends_the_connection(demo, sent):
    with chatting(demo) as (ada, _), chatting(demo) as (bob, _):
        ada.send(sent)
        with pytest.raises(ConnectionClosed) as closed:
            hear(ada)
        assert closed.value.rcvd.code == 1007
        say(bob, "Still here")
        assert hear(bob)["text"] == "Still here"


def test_the_server_does_not_inflate_a_message_that_no_app_takes(demo):
    with chatting(demo, compression="deflate") as (ada, _):
        ada.send("a" * 2_000_000)  # 2 kB on their way
        with pytest.raises(ConnectionClosed) as caught:
            hear(ada)
    assert caught.value.rcvd.code == 1009
    assert "1000000 bytes" in caught.value.rcvd.reason  # the server's words, not MicroPie's


def test_there_is_no_other_room(demo):
    assert demo.get("/chat/cellar").status == 400
    for path, status in (("/chat/cellar", 400), ("/chat?room=..", 400), ("/index", 404)):
        with pytest.raises(InvalidStatus) as refused, chatting(demo, path):
            pass
        assert refused.value.response.status_code == status


def test_a_page_of_another_site_can_not_chat_in_a_visitor_s_name(demo, visitor):
    visitor.get("/")
    with (
        pytest.raises(InvalidStatus) as refused,
        chatting(demo, visitor=visitor, origin="https://elsewhere.example"),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_member_who_reads_too_slowly_is_dropped_and_keeps_nobody_waiting(demo):
    sluggish = socket.socket()
    # Otherwise the system would hold back megabytes for it, and the room notice nothing yet.
    sluggish.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sluggish.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    sluggish.connect((HOST, demo.port))
    with ExitStack() as stack:
        options = {"sock": sluggish, "max_queue": 1, "compression": None}
        slow, _ = stack.enter_context(chatting(demo, "/chat/kitchen", **options))
        others = [
            stack.enter_context(chatting(demo, "/chat/kitchen", max_queue=None))[0]
            for _ in range(4)
        ]
        for _ in range(100):
            for member in others:
                say(member, "🥧" * 500)
        for member in others:
            assert {hear(member)["text"] for _ in range(400)} == {"🥧" * 500}
        heard = 0
        with suppress(ConnectionClosed):
            while hear(slow):
                heard += 1
        assert 0 < heard < 400
        assert (slow.close_code, slow.close_reason) == (1013, "too slow")
