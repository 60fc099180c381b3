"""The author writes, all others read."""

import re
import xml.etree.ElementTree as ET

import pytest

from support.examples import loaded, phone, served, visiting

PASSWORD = "only I know"
app = loaded("blog", BLOG_PASSWORD=PASSWORD)
server = served("blog", BLOG_PASSWORD=PASSWORD)


@pytest.fixture
def reader(app):
    with visiting(app) as reader:
        yield reader


@pytest.fixture(scope="module")
def author(app):
    with visiting(app) as author:
        send(author, "/sign_in", password=PASSWORD)
        yield author


def send(visitor, page, to=None, **fields):
    return visitor.post(to or page, data=fields)


def test_a_post_is_written_read_changed_and_removed(author, reader):
    page = send(author, "/write", title="Pie & <b>", text="First.\r\n\r\nSecond <i>.")
    assert re.fullmatch(r"/post/\d+/pie-b", page.url.path)
    shown = reader.get(page.url.path)
    assert "<h1>Pie &amp; &lt;b&gt;</h1>" in shown.text
    assert "First.\n\nSecond &lt;i&gt;." in shown.text
    assert "Remove" not in shown.text
    number = page.url.path.split("/")[2]
    assert number in reader.get("/").text
    send(author, f"/write/{number}", title="Cake", text="Changed.")
    assert "Changed." in reader.get(f"/post/{number}").text
    assert send(author, page.url.path, f"/remove/{number}").status_code == 200
    assert reader.get(f"/post/{number}").status_code == 404


def test_a_number_of_no_post_is_not_found(author):
    for number in (0, -1, 2**63, 10**400):
        for page in (f"/post/{number}", f"/write/{number}"):
            assert author.get(page).status_code == 404
    for page in (f"/write/{2**63}", f"/remove/{2**63}"):
        assert send(author, page, title="Pie", text="x").status_code == 404


def test_others_can_not_write(author, reader):
    number = send(author, "/write", title="Mine", text="x").url.path.split("/")[2]
    for path in ("/write", f"/write/{number}", f"/remove/{number}"):
        answer = send(reader, "/sign_in", path, title="Theirs", text="y")
        assert "For the author" in answer.text
    assert "Mine" in reader.get(f"/post/{number}").text
    assert send(reader, "/sign_in", password="guess").status_code == 403


def test_a_forged_form_is_refused(author):
    fields, headers = {"title": "x", "text": "y"}, {"Origin": "https://evil.example"}
    assert author.post("/write", data=fields, headers=headers).status_code == 403


def test_an_empty_post_comes_back(author):
    answer = send(author, "/write", title=" ", text="What I had written")
    assert answer.status_code == 422
    assert "What I had written" in answer.text


def test_posts_come_in_pages_the_latest_first(author, reader):
    for number in range(11):
        send(author, "/write", title=f"Number {number}", text="x")
    first, second = reader.get("/").text, reader.get("/?page=2").text
    assert first.index("Number 10") < first.index("Number 1<")
    assert "Number 0" not in first
    assert "Number 0" in second
    assert reader.get("/?page=99").status_code == 200


def test_the_feed_is_xml(author, reader):
    send(author, "/write", title="A & B <c>", text="<p>")
    answer = reader.get("/feed")
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    entry = ET.fromstring(answer.content).find("{*}entry")
    assert entry.findtext("{*}title") == "A & B <c>"
    assert entry.findtext("{*}content") == "<p>"
    assert reader.get(entry.find("{*}link").get("href")).status_code == 200


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30])
def test_a_post_that_nobody_wrote_is_a_404(reader, number):
    assert reader.get(f"/post/{number}").status_code == 404


def test_it_fits_a_phone(author, server):
    send(author, "/write", title="W" * 120, text="M" * 1000)
    with phone() as open_page:
        open_page(server.url)
        open_page(f"{server.url}/sign_in")
