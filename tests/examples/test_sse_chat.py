"""What one says, all others get as events; who comes back gets what was missed."""

import json

import pytest

from support.examples import loaded, phone, served, visiting

app = loaded("sse_chat")
server = served("sse_chat")


def next_message(lines):
    return json.loads(next(line for line in lines if line.startswith("data: "))[6:])


def message_with(text, lines):
    """Return the next message that says *text*, and not what other tests said before."""
    while (message := next_message(lines))["text"] != text:
        pass
    return message


def test_all_get_what_one_says(app):
    with visiting(app) as ada, visiting(app) as bob, bob.stream("GET", "/events") as events:
        assert events.headers["Content-Type"] == "text/event-stream"
        lines = events.iter_lines()
        assert next(lines) == "retry: 2000"
        for text in ("Hello\ndata: evil", "Bye"):
            assert ada.post("/say", data={"name": " Ada ", "text": text}).status_code == 204
            assert message_with(text, lines)["name"] == "Ada"


def test_who_comes_back_gets_only_what_was_missed(app):
    with visiting(app) as ada:
        ada.post("/say", data={"text": "first"})
        ada.post("/say", data={"text": "second"})
        with ada.stream("GET", "/events") as events:
            message = message_with("first", events.iter_lines())
        with ada.stream("GET", "/events", headers={"Last-Event-ID": str(message["id"])}) as events:
            assert next_message(events.iter_lines())["text"] == "second"


@pytest.mark.parametrize("last", ["9" * 5000, "\xb2", "-1", "x", "1e9"])
def test_a_number_that_is_none_gets_all_that_was_said(app, last):
    with visiting(app) as ada:
        headers = {"Last-Event-ID": last.encode("latin-1")}
        with ada.stream("GET", "/events", headers=headers) as events:
            assert (events.status_code, next(events.iter_lines())) == (200, "retry: 2000")


def test_too_much_or_nothing_is_refused(app):
    with visiting(app) as visitor:
        for text in (" ", "x" * 501):
            assert visitor.post("/say", data={"text": text}).status_code == 422
        assert visitor.get("/say?text=hello").status_code == 405


def test_two_browsers_talk(server):
    with phone() as open_page:
        ada, bob = open_page(server.url), open_page(server.url)
        ada.get_by_placeholder("Your name").fill("Ada")
        ada.get_by_placeholder("Your message").fill("<b>Hello</b>, Bob!")
        ada.get_by_role("button").click()
        bob.get_by_text("Ada: <b>Hello</b>, Bob!").wait_for()
