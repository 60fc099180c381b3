"""The same app answers the same under uvicorn, Hypercorn, Daphne and Granian."""

import http.client
import re
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import pytest

from support.servers import on_every_server, wait_until

server = on_every_server("server_app:app", Path(__file__).parent)


@pytest.fixture
def key():
    """A name for this test's signals."""
    return uuid.uuid4().hex


def test_a_page_comes_with_its_length_and_type(server):
    answer = server.get("/")
    assert answer.status == 200
    assert answer.text == "<h1>Pie 🥧</h1>"
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers.get_all("Content-Length") == [str(len(answer.body))]
    assert "Transfer-Encoding" not in answer.headers


def test_json_comes_with_its_length_and_type(server):
    answer = server.get("/number/7")
    assert answer.body == b'{"number":7}'
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == "12"


def test_head_gets_the_headers_of_get_and_no_body(server):
    head, get = server.request("HEAD", "/"), server.get("/")
    assert head.status == 200
    assert head.body == b""
    for name in ("Content-Length", "Content-Type"):
        assert head.headers[name] == get.headers[name]


def test_an_unknown_path_is_a_404(server):
    answer = server.get("/no/such/path")
    assert (answer.status, answer.text) == (404, "404 Not Found")


def test_a_path_segment_that_does_not_convert_is_a_400(server):
    answer = server.get("/number/seven")
    assert answer.status == 400
    assert answer.text == "400 Bad Request: 'number' must be an integer"


def test_a_method_that_is_not_allowed_is_a_405_with_allow(server):
    answer = server.request("POST", "/readable")
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_options_lists_the_allowed_methods(server):
    answer = server.request("OPTIONS", "/readable")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


def test_an_encoded_slash_stays_inside_its_segment(server):
    assert server.get("/greet/a%2Fb/c").text == "Hello, a/b!"


def test_a_path_may_hold_any_character(server):
    assert server.get("/greet/Zo%C3%AB%20%25%3F%23%2B").text == "Hello, Zoë %?#+!"


def test_bytes_in_a_path_that_are_no_utf8_become_replacement_characters(server):
    assert server.get("/greet/%FF%FE").text == "Hello, \ufffd\ufffd!"


def test_bytes_in_a_query_that_are_no_utf8_become_replacement_characters(server):
    assert server.get("/greet?name=%FF").text == "Hello, \ufffd!"


def test_a_redirect_has_an_encoded_location(server):
    answer = server.get("/away")
    assert answer.status == 302
    assert answer.headers["Location"] == "/greet/Zo%C3%AB?from=here&to=there"


def test_an_exception_is_a_500_without_detail_and_logged_once(server):
    answer = server.get("/fail")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert server.log().count("RuntimeError: a detail that is nobody's business") == 1


@pytest.mark.parametrize(
    "value",
    ["a%0D%0ASet-Cookie:%20stolen=1", "a%0ASet-Cookie:%20stolen=1", "a%00b", "%E2%82%AC"],
    ids=["crlf", "lf", "nul", "not-latin-1"],
)
def test_a_header_value_that_may_not_be_sent_is_a_500(server, value):
    answer = server.get(f"/header?value={value}")
    assert answer.status == 500
    assert "X-Value" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_a_line_break_in_a_redirect_starts_no_header(server):
    answer = server.get("/away?to=/x%0D%0ASet-Cookie:%20stolen=1")
    assert answer.status == 302
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Location"] == "/x%0D%0ASet-Cookie:%20stolen=1"


@pytest.mark.parametrize("path", ["/thousand", "/thousand_in_threads"])
def test_a_stream_of_a_thousand_chunks_arrives_whole(server, path):
    answer = server.get(path)
    assert "Content-Length" not in answer.headers
    assert answer.text == "".join(f"line {number}\n" for number in range(1000))


def test_a_chunk_arrives_before_the_next_is_made(server, key):
    with server.http() as connection:
        connection.request("GET", f"/two_steps/{key}")
        response = connection.getresponse()
        assert response.readline() == b"first\n"
        assert server.get(f"/signal/{key}").status == 204
        assert response.read() == b"second\n"


def test_a_stream_that_raises_midway_has_no_end(server):
    with server.connect() as connection:
        connection.sendall(b"GET /broken HTTP/1.1\r\nHost: pie\r\n\r\n")
        received = _read_until(connection, rb"partial\r\n")
        # Every server but Daphne cuts the connection. Daphne looks for ended applications once a
        # second, stumbles over one that raised when it had begun to answer, and leaves the
        # connection open: there only its own timeout tells the client.
        if server.name == "daphne":
            wait_until(lambda: "Exception inside application: broke midway" in server.log())
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(4096)
        else:
            while data := connection.recv(4096):
                received += data
    assert b"\r\ntransfer-encoding: chunked\r\n" in received.lower()
    assert received.endswith(b"\r\n\r\n7\r\npartial\r\n")
    assert server.get("/").status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_error_before_the_first_chunk_is_an_answer(server, method):
    answer = server.request(method, "/late/410")
    assert (answer.status, answer.text) == (410, "no such stream" if method == "GET" else "")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_stream_without_a_first_chunk_is_closed_when_its_client_goes_away(server, method, key):
    with server.connect() as connection:
        connection.sendall(f"{method} /unbegun/{key} HTTP/1.1\r\nHost: pie\r\n\r\n".encode())
        assert server.get(f"/wait/{key}-begun").status == 200
    assert server.get(f"/wait/{key}-closed").status == 200


@pytest.mark.parametrize("path", ["/idle", "/ticking", "/ticking_in_threads", "/torrent"])
def test_a_stream_is_closed_when_its_client_goes_away(server, path, key):
    with server.connect() as connection:
        connection.sendall(f"GET {path}/{key} HTTP/1.1\r\nHost: pie\r\n\r\n".encode())
        _read_until(connection, rb"\r\n\r\n.*(begun|tick|xxx)")
    assert server.get(f"/wait/{key}-closed").status == 200


def test_a_stream_that_never_waits_leaves_room_for_other_clients(server, key):
    with server.connect() as connection:
        connection.sendall(f"GET /torrent/{key} HTTP/1.1\r\nHost: pie\r\n\r\n".encode())
        connection.recv(4096)
        assert server.get("/greet/Ada").text == "Hello, Ada!"
    assert server.get(f"/wait/{key}-closed").status == 200


def test_a_blocked_sync_handler_blocks_no_async_one(server, key):
    with ThreadPoolExecutor() as clients:
        blocked = clients.submit(server.get, f"/blocked/{key}")
        assert server.get(f"/wait/{key}-begun").status == 200
        assert not blocked.done()
        assert server.get(f"/signal/{key}").status == 204
        assert blocked.result().text == "released"


def test_more_sync_handlers_than_may_wait_are_told_to_come_back(server, key):
    with ThreadPoolExecutor() as clients:
        blocked = [clients.submit(server.get, f"/narrow/blocked/{key}")]
        assert server.get(f"/narrow/wait/{key}-begun").status == 200
        blocked += [clients.submit(server.get, f"/narrow/blocked/{key}") for _ in range(2)]
        refused = next(as_completed(blocked)).result()
        assert refused.status == 503
        assert refused.headers["Retry-After"]
        assert server.get(f"/narrow/signal/{key}").status == 204
        assert sorted(answer.result().status for answer in blocked) == [200, 200, 503]


def test_twenty_sync_handlers_run_at_once(server):
    # Each waits for all others before it answers.
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(server.get, ["/together"] * 20))
    assert [answer.text for answer in answers] == ["all here"] * 20


def test_clients_at_once_get_an_answer_each_of_their_own(server):
    paths = [f"/greet/{number}" for number in range(100)]
    with ThreadPoolExecutor(10) as clients:
        answers = list(clients.map(server.get, paths))
    assert [answer.text for answer in answers] == [f"Hello, {number}!" for number in range(100)]


@pytest.mark.parametrize(
    "request_line",
    ["HEAD /", "HEAD /thousand", "GET /nothing", "GET /unchanged", "OPTIONS /readable"],
)
def test_a_connection_lives_on_after_a_response_without_a_body(server, request_line):
    with server.connect() as connection, connection.makefile("rb") as replies:
        connection.sendall(f"{request_line} HTTP/1.1\r\nHost: pie\r\n\r\n".encode())
        assert replies.readline().startswith(b"HTTP/1.1 ")
        http.client.parse_headers(replies)
        # Whatever else came with the first response would now stand before the second.
        connection.sendall(b"GET /greet/Ada HTTP/1.1\r\nHost: pie\r\n\r\n")
        assert replies.readline().startswith(b"HTTP/1.1 200")
        headers = http.client.parse_headers(replies)
        assert replies.read(int(headers["Content-Length"])) == b"Hello, Ada!"


def _read_until(connection, pattern):
    received = b""
    while not re.search(pattern, received, re.DOTALL):
        data = connection.recv(4096)
        assert data, f"the connection ended after {received!r}"
        received += data
    return received
