"""Bodies that are too large, too slow, or never end."""

from contextlib import ExitStack

import h2.config
import h2.connection
import h2.events

from support.bad_input import on, on_uvicorn
from support.bodies import BINARY, FORM, JSON, MIB, MULTIPART, part
from support.raw_http import Reply, chunk, head, sent, talk
from support.servers import wait_until


def test_a_body_announced_over_the_limit_is_refused_at_once(server):
    reply = talk(server, head("/small/raw", "Content-Length: 1001"))
    assert reply.status == 413
    assert reply.body == b"413 Content Too Large: the body is over 1000 bytes"


def test_a_chunked_body_is_refused_as_soon_as_it_is_over_the_limit(server):
    data = [chunk(b"x" * 500)] * 3  # and no end
    for path in ("/small/raw", "/small/drained"):
        reply = talk(server, head(path, "Transfer-Encoding: chunked"), *data)
        assert reply.status == 413


def test_a_chunked_form_is_refused_as_soon_as_it_is_over_the_limit(server):
    for content_type in (JSON, FORM, MULTIPART):
        lines = (f"Content-Type: {content_type}", "Transfer-Encoding: chunked")
        begin = part(b'name="a"; filename="a"', b"x" * 500)
        reply = talk(server, head("/small/sizes", *lines), *[chunk(begin)] * 3)
        assert reply.status == 413


@on_uvicorn
def test_a_client_that_asks_first_sends_no_body_in_vain(server):
    lines = ("Expect: 100-continue", "Content-Length: 2000", f"Content-Type: {JSON}")
    for path, extra, status in (
        ("/small/parsed", (), b"413"),
        ("/parsed", ("X-Refuse: yes",), b"403"),
        ("/nowhere", (), b"404"),
    ):
        with sent(server, head(path, *lines, *extra)) as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 " + status)
    with sent(server, head("/parsed", *lines)) as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"[" + b" " * 1998 + b"]")
        assert Reply(connection).json["json"] == []


def test_a_client_that_stalls_gets_a_408(server):
    for content_type in (JSON, FORM, BINARY, MULTIPART):
        path = "/hasty/raw" if content_type == BINARY else "/hasty/parsed"
        lines = (f"Content-Type: {content_type}", "Content-Length: 100")
        with sent(server, head(path, *lines), b"--pie") as connection:
            reply = Reply(connection)
            assert reply.status == 408
            assert reply.headers["Connection"] == "close"
            if server.target != "granian":  # which, on a busy machine, now and then forgets to
                assert connection.recv(1) == b""


@on("hypercorn")  # the only one that speaks HTTP/2 without TLS and a handshake in HTTP/1.1
def test_a_client_that_stalls_over_http_2_gets_a_408(server):
    speaker = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    speaker.initiate_connection()
    speaker.send_headers(
        1,
        [
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "pie"),
            (":path", "/hasty/parsed"),
            ("content-type", JSON),
        ],
    )
    speaker.send_data(1, b"{")
    headers = {}
    with server.connect() as connection:
        while not headers:
            connection.sendall(speaker.data_to_send())
            received = connection.recv(4096)
            assert received, "the connection ended without an answer"
            for event in speaker.receive_data(received):
                assert not isinstance(
                    event, (h2.events.StreamReset, h2.events.ConnectionTerminated)
                )
                if isinstance(event, h2.events.ResponseReceived):
                    headers = dict(event.headers)
    assert headers[":status"] == "408"
    assert "connection" not in headers


def test_a_client_that_leaves_amid_an_upload_leaves_no_file(server):
    begin = b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    lines = ("Content-Type: multipart/form-data; boundary=pie", f"Content-Length: {9 * MIB}")
    for _ in range(3):
        with sent(server, head("/upload", *lines), begin, b"x" * 4 * MIB):
            wait_until(lambda: list(server.temporary.iterdir()))
        wait_until(lambda: not list(server.temporary.iterdir()))
    assert not list(server.uploads.glob("a*"))


def test_many_clients_that_stall_keep_no_other_waiting(server):
    lines = (f"Content-Type: {FORM}", "Content-Length: 100")
    with ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(200)]
        for connection in connections:
            connection.sendall(head("/patient/parsed", *lines) + b"a")
        assert server.get("/greet/Ada").status == 200
        for connection in connections:
            connection.sendall(b"a" * 99)
        assert {Reply(connection).status for connection in connections} == {200}


def test_more_headers_than_anybody_sends_are_refused(server):
    lines = [f"X-{number}: y" for number in range(3000)]
    for more in ("Content-Length: 0", "Cookie: a=b"):
        assert talk(server, head("/greet/Ada", *lines, more)).status in (None, 400, 431)


@on("uvicorn")
def test_cookies_that_no_server_limits_are_refused(server):
    reply = talk(server, head("/greet/Ada", "Cookie: " + "a;" * MIB))
    assert reply.status == 431
