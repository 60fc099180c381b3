"""What is pasted is at its own address, as it was, for as long as was said."""

import importlib.util
import time

import pytest

from support.examples import EXAMPLES, loaded, served, typed, visiting

app = loaded("pastebin")
server = served("pastebin")


@pytest.fixture
def visitor(app):
    with visiting(app) as visitor:
        yield visitor


def test_a_paste_is_shown_escaped_and_given_back_as_it_was(visitor):
    text = "  if a < b:\r\n\tpass\r\n"
    page = visitor.post("/paste", data={"title": "<i>", "text": text, "keep": "an hour"})
    assert "<h1>&lt;i&gt;</h1>" in page.text
    assert "  if a &lt; b:\n\tpass\n" in page.text
    raw = visitor.get(page.url.path.replace("/show/", "/raw/"))
    assert raw.text == "  if a < b:\n\tpass\n"
    assert raw.headers["Content-Type"].startswith("text/plain")
    assert raw.headers["X-Content-Type-Options"] == "nosniff"


def test_what_can_not_be_pasted_comes_back(visitor):
    for text in (" ", "x" * 100_001):
        answer = visitor.post("/paste", data={"text": text})
        assert answer.status_code == 422
        assert "1 to 100,000 characters" in answer.text
    assert visitor.post("/paste", data={"text": "x", "keep": "for ever"}).status_code == 400


def test_the_readme_can_be_typed(server):
    (answer,) = typed(server, "pastebin")
    key = answer.partition("location: /show/")[2].partition("\n")[0]
    assert server.get(f"/raw/{key}").body == (EXAMPLES / "pastebin" / "app.py").read_bytes()


def test_nobody_finds_what_is_not_there(visitor):
    for path in ("/show/x", "/raw/x", "/raw/' OR 1=1 --"):
        assert visitor.get(path).status_code == 404


def test_pastes_expire_and_the_oldest_make_room(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("store", EXAMPLES / "pastebin" / "store.py")
    store = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(store)
    monkeypatch.setattr(store, "MAX_PASTES", 2)
    pastes = store.Pastes(tmp_path / "pastes.db")
    now = time.time()
    monkeypatch.setattr(store.time, "time", lambda: now)
    keys = [pastes.add(store.Paste(str(number), ""), 60 + number) for number in range(3)]
    assert [pastes.find(key) and pastes.find(key).title for key in keys] == [None, "1", "2"]
    now += 61.5
    assert [pastes.find(key) is not None for key in keys] == [False, False, True]
