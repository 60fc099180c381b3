"""People sign up, follow each other, and read."""

import re

import pytest

from support.examples import loaded, visiting

PASSWORD = "a long password"
app = loaded("chirp")


@pytest.fixture(scope="module")
def users(app):
    """Return a function that gives the browser of a user, signed up when first asked for."""
    browsers = {}

    def user(name):
        if name not in browsers:
            browsers[name] = visiting(app)
            send(browsers[name], "/sign_up", name=name, password=PASSWORD)
        return browsers[name]

    yield user
    for browser in browsers.values():
        browser.close()


def send(visitor, page, to=None, **fields):
    return visitor.post(to or page, data=fields)


def test_the_timeline_has_what_one_follows_and_oneself(users):
    ada = users("Ada")
    for name in ("Ada", "Bob", "Eve"):
        send(users(name), "/", "/chirp", text=f"I am  {name} <3")
    assert "I am Bob" not in ada.get("/").text
    page = send(ada, "/user/bob", "/follow/bob")
    assert "Unfollow" in page.text
    timeline = ada.get("/").text
    assert timeline.index("I am Bob &lt;3") < timeline.index("I am Ada &lt;3")
    assert "I am Eve" not in timeline
    assert "I am Eve" in ada.get("/all").text
    send(ada, "/user/bob", "/unfollow/bob")
    assert "I am Bob" not in ada.get("/").text


def test_strangers_read_and_do_not_write(app, users):
    send(users("Grace"), "/", "/chirp", text="Read me")
    with visiting(app) as stranger:
        assert "Read me" in stranger.get("/").text
        assert "Read me" in stranger.get("/user/grace").text
        assert "Sign in" in send(stranger, "/sign_in", "/chirp", text="Never").text
        assert "Never" not in stranger.get("/").text
        assert stranger.get("/user/nobody").status_code == 404


def test_older_chirps_are_a_link_away(users):
    hedy = users("Hedy")
    page = hedy.get("/user/Hedy")
    for number in range(31):
        hedy.post("/chirp", data={"text": f"Number {number:02}"})
    page = hedy.get("/user/hedy").text
    assert "Number 30" in page
    assert "Number 00" not in page
    older = re.search(r'href="(/user/Hedy\?before=\d+)"', page)[1]
    assert "Number 00" in hedy.get(older).text
    for before in (0, -5, 10**30):
        assert hedy.get(f"/all?before={before}").status_code == 200


def test_what_can_not_be_is_refused(app, users):
    joan = users("Joan")
    assert send(joan, "/", "/chirp", text="x" * 201).status_code == 422
    forged = {"data": {"text": "forged"}, "headers": {"Origin": "null"}}
    assert joan.post("/chirp", **forged).status_code == 403
    with visiting(app) as visitor:
        assert send(visitor, "/sign_up", name="JOAN", password=PASSWORD).status_code == 409
        assert send(visitor, "/sign_up", name="a b", password=PASSWORD).status_code == 422
        assert send(visitor, "/sign_up", name="Mary", password="short").status_code == 422
        assert send(visitor, "/sign_in", name="Joan", password="guess").status_code == 403
        assert "Sign out" in send(visitor, "/sign_in", name="joan", password=PASSWORD).text
