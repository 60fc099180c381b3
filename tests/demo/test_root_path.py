"""The demo behind a proxy that serves it below a path."""

import re

import pytest

from support.demo import MB, browser, chatting, hear, leave, say, serve_demo


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    """The demo behind a proxy that serves it below /pie, and strips that."""
    folder = tmp_path_factory.mktemp("proxied")
    with serve_demo(folder, "--root-path", "/pie") as server:
        yield server


@pytest.mark.parametrize(
    "path",
    ["/", "/?q=zzz", "/?q=pie", "/entry/1", "/sign", "/files", "/chat/garden", "/greet", "/aloud"],
)
def test_every_address_in_a_page_is_below_the_root_path(proxied, path):
    with browser(proxied) as visitor:
        leave(visitor, "a.txt", follow_redirects=False)
        page = visitor.get(path, params={"pause": 0} if path == "/aloud" else None)
    assert page.status_code == 200
    addresses = re.findall(r'(?:href|action|src|data-socket)="(?!data:)(.*?)"', page.text)
    assert len(addresses) >= 7
    assert [address for address in addresses if not address.startswith("/pie/")] == []


def test_the_links_of_the_page_lead_somewhere_behind_a_root_path(proxied):
    with browser(proxied) as visitor:
        for path in ("/", "/files", "/chat"):
            for address in re.findall(r'<a [^>]*?href="(.*?)"', visitor.get(path).text):
                url = address.removeprefix("/pie").replace("/aloud", "/aloud?pause=0")
                assert visitor.get(url).status_code == 200, address


def test_redirects_stay_below_the_root_path(proxied):
    with browser(proxied) as visitor:
        visitor.follow_redirects = False
        signed = visitor.post("/sign", data={"name": "Tim", "message": "m"})
        uploaded = leave(visitor, "a.txt")
        assert "Hello, Tim!" in visitor.get("/").text
        forgotten = visitor.post("/forget")
    answers = (signed, uploaded, forgotten)
    assert [answer.headers["Location"] for answer in answers] == ["/pie/", "/pie/files", "/pie/"]


def test_the_chat_and_the_refusal_of_large_files_work_behind_a_root_path(proxied):
    assert 'data-socket="/pie/chat/garden"' in proxied.get("/chat/garden").text
    with chatting(proxied, "/chat/garden") as (ada, _):
        say(ada, "Hello")
        assert hear(ada)["text"] == "Hello"
    with browser(proxied) as visitor:
        page = leave(visitor, "large.bin", bytes(11 * MB))
    assert page.status_code == 413
    assert "That file is too large." in page.text
