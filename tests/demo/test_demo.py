"""The demo answers as designed, served as `hatch run demo` serves it."""

import json
import re
import shutil
import socket
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from support.servers import CLIENT_TIMEOUT, HOST, serve

DEMO = Path(__file__).parents[2] / "examples" / "demo"
MB = 1_000_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    # From some other folder: the demo must find its templates wherever it is started.
    with serve_demo(tmp_path_factory.mktemp("elsewhere")) as server:
        yield server


def serve_demo(folder, *options):
    """Run the demo, with its sessions in *folder*."""
    return serve(
        "uvicorn",
        "app:app",
        folder,
        options=("--app-dir", str(DEMO), *options),
        environment={"DATABASE_URL": f"sqlite:///{folder}/demo.db"},
    )


@pytest.fixture
def visitor(demo):
    with browser(demo) as visitor:
        yield visitor


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


def leave(visitor, name, content=b"content", **options):
    """Upload a file; return the answer."""
    file = (name, content, "text/html")
    return visitor.post("/files", files={"file": file}, **options)


def links(page):
    """Return (address, name) of the files on the page, the latest first."""
    return re.findall(r'<a href="(/file/\d+)" download>(.*?)</a>', page.text)


def test_an_uploaded_file_is_listed_and_can_be_downloaded(visitor):
    content = bytes(range(256)) * 10_000
    page = leave(visitor, "Grüße.bin", content)
    assert [past.status_code for past in page.history] == [302]
    address, name = links(page)[0]
    assert name == "Grüße.bin"
    assert "2.6 MB" in page.text
    answer = visitor.get(address)
    assert answer.content == content
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    disposition = "attachment; filename=\"Gr__e.bin\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.bin"
    assert answer.headers["Content-Disposition"] == disposition


def test_an_empty_file_is_a_file_too(visitor):
    address, _ = links(leave(visitor, "nothing.txt", b""))[0]
    answer = visitor.get(address)
    assert (answer.status_code, answer.content) == (200, b"")


def test_two_files_of_one_name_are_both_kept(visitor):
    leave(visitor, "twin.txt", b"one")
    (second, second_name), (first, first_name) = links(leave(visitor, "twin.txt", b"two"))[:2]
    assert (first_name, second_name) == ("twin.txt", "twin-1.txt")
    assert (visitor.get(first).content, visitor.get(second).content) == (b"one", b"two")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\Windows\\system.ini", "system.ini"),
        (".bashrc", "bashrc"),
        ("..", "file"),
        ("x" * 300 + ".txt", "x" * 196 + ".txt"),
        ("<img src=x onerror=alert(1)>.html", "_img src=x onerror=alert(1)_.html"),
        ("a&b'c.txt", "a&amp;b&#39;c.txt"),
        ("photo\u202egpj.exe", "photogpj.exe"),
    ],
)
def test_a_hostile_file_name_is_made_harmless(visitor, sent, kept):
    page = leave(visitor, sent)
    address, name = links(page)[0]
    assert name == kept
    answer = visitor.get(address)
    assert answer.content == b"content"
    offered = kept.replace("&amp;", "&").replace("&#39;", "'")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{offered}"'


def test_a_file_name_with_a_line_break_starts_no_header(demo):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; '
        b"filename*=utf-8''a%0D%0ASet-Cookie:%20x=y%00.txt\r\n\r\ncontent\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert demo.request("POST", "/files", body=body, headers=headers).status == 302
    page = demo.get("/files")
    address, name = links(page)[0]
    assert name == "aSet-Cookie_ x=y.txt"
    assert "Set-Cookie" not in demo.get(address).headers


def test_a_file_that_nobody_left_is_a_404(demo):
    assert demo.get("/file/999999").status == 404
    assert demo.get("/file/-1").status == 404
    assert demo.get("/file/..%2F..%2Fetc%2Fpasswd").status == 400


def test_no_file_chosen_is_said_in_the_page(demo, visitor):
    body = (  # what a browser sends for an input left empty
        b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = demo.request("POST", "/files", body=body, headers=headers)
    assert answer.status == 422
    assert "Please choose a file first." in answer.text
    assert visitor.post("/files", data={"other": "x"}).status_code == 422


def test_text_in_the_place_of_a_file_is_a_400(visitor):
    answer = visitor.post("/files", data={"file": "text"})
    assert (answer.status_code, answer.text) == (
        400,
        "400 Bad Request: 'file' must be an uploaded file",
    )


@pytest.mark.parametrize("size", [10 * MB + 1, 11 * MB])
def test_a_file_over_the_limit_is_refused_in_the_page(visitor, size):
    before = links(visitor.get("/files"))
    page = leave(visitor, "large.bin", bytes(size))
    assert page.status_code == 413
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "That file is too large." in page.text
    assert "up to 10&nbsp;MB" in page.text
    assert links(page) == before


def test_a_file_just_within_the_limit_is_kept(visitor):
    address, _ = links(leave(visitor, "large.bin", bytes(10 * MB)))[0]
    assert len(visitor.get(address).content) == 10 * MB


def test_the_oldest_file_makes_room_for_the_twenty_first(visitor):
    first, _ = links(leave(visitor, "first"))[0]
    for _ in range(19):
        page = leave(visitor, "more")
    assert links(page)[-1] == (first, "first")
    page = leave(visitor, "last")
    assert len(links(page)) == 20
    assert visitor.get(first).status_code == 404


def test_the_oldest_files_make_room_when_all_are_too_large_together(visitor):
    addresses = [links(leave(visitor, "large", bytes(9 * MB)))[0][0] for _ in range(6)]
    assert [address for address, _ in links(visitor.get("/files"))] == addresses[:0:-1]


def test_the_files_are_gone_from_disk_when_they_make_room_and_when_the_server_stops(
    tmp_path, monkeypatch
):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with serve_demo(tmp_path) as server:
        with browser(server) as visitor:
            for number in range(22):
                leave(visitor, f"{number}.txt", bytes(2 * MB))
        (kept,) = folder.iterdir()
        assert {path.name for path in kept.iterdir()} == {f"{n}.txt" for n in range(2, 22)}
    assert list(folder.iterdir()) == []


@contextmanager
def chatting(server, path="/chat", visitor=None, **options):
    """Yield a member of a chat room, and what it was welcomed with."""
    headers = {}
    if visitor is not None and "session_id" in visitor.cookies:
        headers["Cookie"] = f"session_id={visitor.cookies['session_id']}"
    address = f"ws://{HOST}:{server.port}{path}"
    with connect(address, additional_headers=headers, proxy=None, **options) as member:
        yield member, hear(member)


def say(member, text):
    member.send(json.dumps({"text": text}))


def hear(member):
    return json.loads(member.recv(CLIENT_TIMEOUT))


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


def test_there_is_no_other_room(demo):
    assert demo.get("/chat/cellar").status == 400
    for path in ("/chat/cellar", "/chat?room=..", "/index"):
        with pytest.raises(InvalidStatus) as refused, chatting(demo, path):
            pass
        assert refused.value.response.status_code == 403


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
