"""Signing the guestbook, and what the demo remembers of a visitor."""

import pytest

from support.demo import MB, browser, serve_demo
from support.servers import HOST

# Signing.


def test_a_signed_entry_stands_first_in_the_book(visitor):
    answer = visitor.post("/sign", data={"name": " Mary  Ann ", "message": "First line\r\nsecond "})
    assert [past.status_code for past in answer.history] == [302]
    assert answer.url.path == "/"
    entry = visitor.get("/api/entries", params={"limit": 1}).json()["entries"][0]
    assert (entry["name"], entry["message"]) == ("Mary Ann", "First line\nsecond")
    assert answer.text.index("Mary Ann") < answer.text.index("Radia")


def test_html_in_an_entry_is_escaped_wherever_it_shows(visitor):
    page = visitor.post("/sign", data={"name": '<i>"Eve"</i>', "message": "<script>1</script>"})
    for text in (page.text, visitor.get("/sign").text, visitor.get("/chat").text):
        assert "<i>" not in text
        assert "<script>1" not in text
    assert "Hello, &lt;i&gt;&#34;Eve&#34;&lt;/i&gt;!" in page.text
    assert 'value="&lt;i&gt;&#34;Eve&#34;&lt;/i&gt;"' in visitor.get("/sign").text


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("", "Hello", "Please tell us your name."),
        (" \t ", "Hello", "Please tell us your name."),
        ("n" * 41, "Hello", "At most 40 characters, please; these are 41."),
        ("Tim", "", "Please write something."),
        ("Tim", "\r\n \r\n", "Please write something."),
        ("Tim", "m" * 501, "At most 500 characters, please; these are 501."),
    ],
)
def test_an_entry_with_a_problem_comes_back_with_advice_and_what_was_typed(
    visitor, name, message, advice
):
    before = visitor.get("/api/entries").json()["total"]
    answer = visitor.post("/sign", data={"name": name, "message": message})
    assert answer.status_code == 422
    assert advice in answer.text
    assert answer.text.count('aria-invalid="true"') == 1
    assert f'value="{name.strip()}"' in answer.text
    assert f"{message.strip()}</textarea>" in answer.text
    assert visitor.get("/api/entries").json()["total"] == before


def test_what_is_typed_into_a_form_with_a_problem_is_escaped(visitor):
    answer = visitor.post("/sign", data={"name": "", "message": "</textarea><script>1</script>"})
    assert "&lt;/textarea&gt;&lt;script&gt;" in answer.text
    assert "<script>1" not in answer.text


def test_a_message_may_be_as_long_as_the_browser_lets_it(visitor):
    # A browser counts a line break as one character, and sends two.
    typed = "x\r\n" * 249 + "xx"
    assert visitor.post("/sign", data={"name": "n" * 40, "message": typed}).url.path == "/"


@pytest.mark.parametrize("sent", [{"name": 5}, {"name": "Tim", "message": ["a"]}])
def test_signing_by_json_of_the_wrong_type_is_a_400(visitor, sent):
    assert visitor.post("/sign", json=sent).status_code == 400


def test_a_file_in_the_place_of_a_name_is_no_name(visitor):
    answer = visitor.post("/sign", data={"message": "m"}, files={"name": ("n", b"Tim")})
    assert answer.status_code == 422
    assert "Please tell us your name." in answer.text


def test_a_message_of_megabytes_is_a_413(visitor):
    answer = visitor.post("/sign", data={"name": "Tim", "message": "m" * 2 * MB})
    assert answer.status_code == 413


def test_the_oldest_entry_makes_room_when_the_book_is_full(tmp_path):
    entry = {"name": "Tim", "message": "m"}
    with serve_demo(tmp_path) as server, browser(server) as guest:
        for _ in range(496):
            guest.post("/sign", data=entry, follow_redirects=False)
        assert guest.get("/api/entries").json()["total"] == 500
        assert guest.get("/entry/1").status_code == 404
        assert guest.get("/entry/501").status_code == 200


# Visitors.


def test_visits_are_counted_for_each_visitor(demo, visitor):
    assert "This is your first visit." in visitor.get("/").text
    visitor.get("/sign")
    visitor.get("/?q=pie")
    assert "You have been here 2 times." in visitor.get("/").text
    assert "This is your first visit." in demo.get("/").text


def test_the_name_is_remembered_from_signing(demo, visitor):
    visitor.post("/sign", data={"name": "Tim", "message": "m"})
    assert "Hello, Tim!" in visitor.get("/").text
    assert 'value="Tim"' in visitor.get("/sign").text
    assert 'value=""' in demo.get("/sign").text


def test_a_visitor_can_be_forgotten(visitor):
    visitor.post("/sign", data={"name": "Tim", "message": "m"})
    known_as = visitor.cookies["session_id"]
    page = visitor.post("/forget")
    assert page.url.path == "/"
    assert "This is your first visit." in page.text
    assert "Hello, Tim" not in page.text
    assert 'value=""' in visitor.get("/sign").text
    visitor.cookies.set("session_id", known_as, domain=HOST)
    assert "Hello, Tim" not in visitor.get("/").text


def test_no_link_can_make_the_demo_forget_a_visitor(visitor):
    assert visitor.get("/forget").status_code == 405


def test_the_session_cookie_is_left_out_of_forms_on_other_sites(demo):
    cookie = demo.get("/").headers["Set-Cookie"]
    assert "SameSite=Lax" in cookie
    assert "HttpOnly" in cookie
