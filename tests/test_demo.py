"""The demo answers as designed, served as `hatch run demo` serves it."""

import json
import re
import shutil
from pathlib import Path

import httpx2
import pytest

from support.servers import CLIENT_TIMEOUT, serve

DEMO = Path(__file__).parents[1] / "examples" / "demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    # From some other folder: the demo must find its templates wherever it is started.
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with serve("uvicorn", "app:app", elsewhere, options=("--app-dir", str(DEMO))) as server:
        yield server


def browser(server):
    """Return an HTTP client that keeps cookies and follows redirects, as a browser does."""
    return httpx2.Client(base_url=server.url, follow_redirects=True, timeout=CLIENT_TIMEOUT)


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


def test_the_entries_come_as_json(demo):
    answer = demo.get("/entries?q=pie&limit=1")
    assert answer.headers["Content-Type"] == "application/json"
    found = json.loads(answer.body)
    assert found["total"] == len(found["entries"]) == 1
    assert found["entries"][0]["name"] == "Zoë & Søren"
    assert found["entries"][0]["signed_at"] == "2026-06-21T18:05:00+00:00"


def test_a_search_by_json_for_what_is_no_text_is_a_400(demo):
    for path in ("/", "/entries"):
        headers = {"Content-Type": "application/json"}
        method = "POST" if path == "/" else "GET"
        answer = demo.request(method, path, body=b'{"q": 5}', headers=headers)
        assert (answer.status, answer.text) == (400, "400 Bad Request: 'q' must be a string")


def test_a_limit_that_is_no_number_is_a_400(demo):
    answer = demo.get("/entries?limit=few")
    assert (answer.status, answer.text) == (400, "400 Bad Request: 'limit' must be an integer")


def test_posting_to_the_entries_is_a_405_with_allow(demo):
    answer = demo.request("POST", "/entries")
    assert (answer.status, answer.text) == (405, "405 Method Not Allowed")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_options_of_the_entries_tells_the_methods(demo):
    answer = demo.request("OPTIONS", "/entries")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


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
    total = json.loads(demo.get("/entries").body)["total"]
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


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """The demo behind a proxy that serves it below /pie, and strips that."""
    folder = tmp_path_factory.mktemp("proxied")
    options = ("--app-dir", str(DEMO), "--root-path", "/pie")
    with serve("uvicorn", "app:app", folder, options=options) as server:
        yield server


@pytest.mark.parametrize(
    "path",
    ["/", "/?q=zzz", "/?q=pie", "/entry/1", "/greet", "/aloud"],
)
def test_every_address_in_a_page_is_below_the_root_path(proxied, path):
    with browser(proxied) as visitor:
        page = visitor.get(path, params={"pause": 0} if path == "/aloud" else None)
    assert page.status_code == 200
    addresses = re.findall(r'(?:href|action|src|data-socket)="(?!data:)(.*?)"', page.text)
    assert len(addresses) >= 4
    assert [address for address in addresses if not address.startswith("/pie/")] == []


def test_the_links_of_the_page_lead_somewhere_behind_a_root_path(proxied):
    with browser(proxied) as visitor:
        for path in ("/", "/entry/1"):
            for address in re.findall(r'<a [^>]*?href="(.*?)"', visitor.get(path).text):
                url = address.removeprefix("/pie").replace("/aloud", "/aloud?pause=0")
                assert visitor.get(url).status_code == 200, address
