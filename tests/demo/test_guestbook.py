"""The guestbook, as a page, as JSON and read aloud."""

import json
import shutil

import pytest

from support.demo import DEMO
from support.servers import serve

# The guestbook.


def test_the_guestbook_is_a_page_with_a_content_length(demo):
    answer = demo.get("/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert "Who has been here" in answer.text


def test_what_guests_wrote_is_escaped(demo):
    answer = demo.get("/")
    assert "Bobby &lt;script&gt;" in answer.text
    assert "<b>She</b>" not in answer.text


def test_a_search_shows_the_entries_that_match(demo):
    answer = demo.get("/?q=PIE")
    assert "stayed for the whole pie" in answer.text
    assert "kettle" not in answer.text


def test_a_search_that_finds_nothing_says_so_and_is_escaped(demo):
    answer = demo.get("/?q=%3Ci%3E")
    assert "Nobody wrote about that" in answer.text
    assert "<i>" not in answer.text


def test_head_of_the_guestbook_has_its_length_and_no_body(demo):
    head = demo.request("HEAD", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == demo.get("/").headers["Content-Length"]


def test_an_entry_has_a_page_of_its_own(demo):
    answer = demo.get("/entry/2")
    assert answer.status == 200
    assert "Grace" in answer.text
    assert "2026-05-17T14:32:00+00:00" in answer.text


@pytest.mark.parametrize("number", [0, -1, 1_000_000])
def test_an_entry_that_nobody_wrote_is_a_404(demo, number):
    answer = demo.get(f"/entry/{number}")
    assert (answer.status, answer.text) == (404, "404 Not Found")
    assert answer.headers["Content-Length"] == "13"


def test_an_entry_that_is_no_number_is_a_400(demo):
    answer = demo.get("/entry/two")
    assert answer.status == 400
    assert answer.text == "400 Bad Request: 'entry_id' must be an integer"


def test_an_entry_without_a_number_is_a_400(demo):
    answer = demo.get("/entry")
    assert answer.status == 400
    assert answer.text == "400 Bad Request: Missing required parameter 'entry_id'"


def test_an_unknown_page_is_a_404(demo):
    assert demo.get("/nowhere").status == 404


def test_a_greeting_takes_the_name_from_the_path(demo):
    assert "Hello, Ada!" in demo.get("/greet/Ada").text


def test_a_greeting_takes_the_name_from_the_query(demo):
    assert "HELLO, ADA!" in demo.get("/greet?name=Ada&shout=true").text


# As JSON.


def test_the_entries_come_as_json(demo):
    answer = demo.get("/api/entries?q=pie&limit=1")
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(answer.body)
    assert found["total"] == len(found["entries"]) == 1
    assert found["entries"][0]["name"] == "Zoë & Søren"
    assert found["entries"][0]["signed_at"] == "2026-06-21T18:05:00+00:00"


def test_a_search_by_json_for_what_is_no_text_is_a_400(demo):
    for path in ("/", "/api/entries"):
        headers = {"Content-Type": "application/json"}
        method = "POST" if path == "/" else "GET"
        answer = demo.request(method, path, body=b'{"q": 5}', headers=headers)
        assert (answer.status, answer.text) == (400, "400 Bad Request: 'q' must be a string")


def test_a_limit_that_is_no_number_is_a_400(demo):
    answer = demo.get("/api/entries?limit=few")
    assert (answer.status, answer.text) == (400, "400 Bad Request: 'limit' must be an integer")


def test_posting_to_the_entries_is_a_405_with_allow(demo):
    answer = demo.request("POST", "/api/entries")
    assert (answer.status, answer.text) == (405, "405 Method Not Allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_options_of_the_entries_tells_the_methods(demo):
    answer = demo.request("OPTIONS", "/api/entries")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


# Read aloud.


def test_the_entries_are_read_aloud_one_by_one(demo):
    with demo.http() as connection:
        connection.request("GET", "/aloud?pause=5")
        response = connection.getresponse()
        assert "Content-Length" not in response.headers
        # The page's head is here although the first entry is still seconds away.
        page = b""
        while b"Read aloud</h1>" not in page:
            page += response.read1() or pytest.fail("the page ended early")
    assert b"<article" not in page


def test_the_page_read_aloud_ends_with_all_entries_and_full_progress(demo):
    total = json.loads(demo.get("/api/entries").body)["total"]
    text = demo.get("/aloud?pause=0").text
    assert text.count("<article") == total
    assert f"--done: {100 // total}%" in text
    assert "--done: 100%" in text
    assert text.rstrip().endswith("</html>")


def test_the_page_read_aloud_takes_nothing_from_disk_that_was_not_read_at_the_start(tmp_path):
    shutil.copytree(DEMO, tmp_path / "demo")
    with serve("uvicorn", "app:app", tmp_path / "demo") as server:
        shutil.rmtree(tmp_path / "demo" / "templates")
        assert server.get("/aloud?pause=0").text.rstrip().endswith("</html>")
