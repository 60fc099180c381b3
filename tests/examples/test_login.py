"""Members get in with their password, and nobody else does."""

import re

import pytest

from support.examples import loaded, phone, served, visiting

app = loaded("login")
server = served("login")
busy_server = served("login")

PASSWORD = "apple pie is the best"


@pytest.fixture
def visitor(app):
    with visiting(app) as visitor:
        yield visitor


def send(visitor, path, **fields):
    """Send the form of a page."""
    return visitor.post(path, data=fields)


def test_a_member_signs_up_out_and_in_again(visitor):
    assert "Sign in" in visitor.get("/secret").text  # strangers are sent there
    assert "more butter" in send(visitor, "/sign_up", name="Ada", password=PASSWORD).text
    assert "Welcome back, Ada" in visitor.get("/").text
    assert "members only" in visitor.post("/sign_out").text
    assert "more butter" not in visitor.get("/secret").text
    seen = set()
    for _ in range(2):  # the second time with a session already, whose id must not stay
        assert "more butter" in send(visitor, "/sign_in", name="ada", password=PASSWORD).text
        seen.add(visitor.cookies["session_id"])
    assert len(seen) == 2


def test_a_wrong_password_and_a_wrong_name_look_the_same(visitor):
    send(visitor, "/sign_up", name="Bob", password=PASSWORD)
    visitor.cookies.clear()
    answers = [
        send(visitor, "/sign_in", name=name, password=password)
        for name, password in [("Bob", "guess"), ("Bob", ""), ("Eve", PASSWORD)]
    ]
    assert [answer.status_code for answer in answers] == [403] * 3
    pages = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert len(pages) == 1


def test_a_name_is_given_out_once_and_a_password_is_long(visitor):
    send(visitor, "/sign_up", name="Grace", password=PASSWORD)
    visitor.cookies.clear()
    assert send(visitor, "/sign_up", name="grace", password=PASSWORD).status_code == 409
    assert send(visitor, "/sign_up", name="Hedy", password="short").status_code == 422
    for name in (
        "<b>",
        "\uff27race",
        "Gr\u0430ce",
        "Grace\u00b2",
    ):  # the last three look like Grace
        assert send(visitor, "/sign_up", name=name, password=PASSWORD).status_code == 422


def test_a_form_of_another_site_is_refused(visitor):
    headers = {"Sec-Fetch-Site": "cross-site"}
    fields = {"name": "Mallory", "password": PASSWORD}
    answer = visitor.post("/sign_up", data=fields, headers=headers)
    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


def test_a_flood_from_another_site_locks_nobody_out(visitor):
    headers = {"Sec-Fetch-Site": "cross-site"}
    for _ in range(50):
        assert visitor.post("/sign_in", headers=headers).status_code == 403
    assert "more butter" in send(visitor, "/sign_up", name="Rosa", password=PASSWORD).text


def test_passwords_can_not_be_tried_out_for_ever(busy_server):
    with visiting(busy_server) as visitor:
        statuses = [visitor.post("/sign_in").status_code for _ in range(30)]
    assert statuses[:20] == [403] * 20
    assert 429 in statuses


def test_it_works_in_a_browser(server):
    with phone() as open_page:
        page = open_page(server.url)
        page.get_by_role("link", name="become a member").click()
        page.get_by_label("Name").fill("Joan")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button").click()
        page.get_by_text("more butter").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_text("for members only").wait_for()
