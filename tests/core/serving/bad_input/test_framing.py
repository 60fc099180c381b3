"""Where a request ends: lengths, chunks, and what two programs may take for different ones."""

import json
import re
import socket
import uuid

import pytest

from support.bodies import BINARY, FORM, JSON, MULTIPART
from support.raw_http import Reply, half_close, head, sent, talk

# Content-Length, and bodies that keep to it not.


def test_a_body_longer_than_its_length_is_cut_there(server):
    reply = talk(server, head("/raw", "Content-Length: 3") + b"abcdef")
    # The rest is no request: a server may say so before it has sent the answer to this one.
    assert (reply.status, reply.body) == (200, b"abc") or reply.status == 400


@pytest.mark.parametrize("ending", ["half-closed", "closed", "reset"])
@pytest.mark.parametrize("content_type", [JSON, FORM, BINARY, MULTIPART])
def test_a_body_shorter_than_its_length_reaches_no_handler(server, ending, content_type):
    key = uuid.uuid4().hex
    lines = (f"Content-Type: {content_type}", "Content-Length: 100", f"X-Key: {key}")
    path = "/raw" if content_type == BINARY else "/parsed"
    with sent(server, head(path, *lines), b"--pie") as connection:
        assert server.get(f"/begun/{key}").status == 204
        if ending == "half-closed":
            half_close(connection)
            assert Reply(connection).status in (None, 400)
        elif ending == "reset":
            # No lingering: closing sends RST.
            linger = b"\1\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    seen = json.loads(server.get(f"/seen/{key}").text)
    assert seen["ran"] is (content_type == BINARY)
    assert seen["status"] == 400


@pytest.mark.parametrize("value", ["abc", "-1", "+5", "1_0", "5,6", "0x5", "", "5 5", "9" * 30])
def test_a_content_length_that_is_no_number(server, value):
    reply = talk(server, head("/raw", f"Content-Length: {value}") + b"12345")
    assert reply.status in (None, 400, 413, 431, 501)


# Requests that two programs might take for different ones.


SMUGGLED = b"GET /greet/smuggled HTTP/1.1\r\nHost: pie\r\n\r\n"
CHUNKED_NOTHING = b"0\r\n\r\n"
CL = f"Content-Length: {len(CHUNKED_NOTHING + SMUGGLED)}"
AMBIGUOUS = {
    "length and coding": [CL, "Transfer-Encoding: chunked"],
    "coding and length": ["Transfer-Encoding: chunked", CL],
    "two lengths": [CL, "Content-Length: 5"],
    "two lengths in one": [CL + ", 5"],
    "an unknown coding": [CL, "Transfer-Encoding: pie"],
    "chunked not last": [CL, "Transfer-Encoding: chunked, identity"],
    "a coding spelled oddly": [CL, "Transfer-Encoding: \x0bchunked"],
    "chunked twice": [CL, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
    "a space before the colon": [CL, "Transfer-Encoding : chunked"],
    "a folded header": [CL, "X: y\r\n Transfer-Encoding: chunked"],
    "a bare line feed": [CL + "\nTransfer-Encoding: chunked"],
    "a bare carriage return": [CL + "\rTransfer-Encoding: chunked"],
    "an underscore": ["Content_Length: 5", CL],
}


@pytest.mark.parametrize("case", AMBIGUOUS)
def test_an_ambiguous_request_is_refused_or_read_in_one_way(server, case):
    with sent(
        server, head("/raw_size", *AMBIGUOUS[case]) + CHUNKED_NOTHING + SMUGGLED
    ) as connection:
        half_close(connection)
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
    assert b"500" not in statuses
    if statuses and statuses[0] == b"400":
        assert b"smuggled" not in received
    if statuses and statuses[0] == b"200":
        # All of it was the body, or, as RFC 9112 has it, the coding won and the body was empty.
        size = received.partition(b"\r\n\r\n")[2].partition(b"HTTP/1.1")[0]
        assert size in (b"0", b"%d" % len(CHUNKED_NOTHING + SMUGGLED)), received


@pytest.mark.parametrize("path", ["/nowhere", "/greet/Ada"])
@pytest.mark.parametrize("case", ["length and coding", "coding and length"])
def test_a_contradictory_length_is_the_end_of_the_connection_though_nobody_reads(
    server, case, path
):
    with sent(server, head(path, *AMBIGUOUS[case]) + CHUNKED_NOTHING + SMUGGLED) as connection:
        half_close(connection)
        received = b""
        try:
            while data := connection.recv(65536):
                received += data
        except ConnectionResetError:
            pass
    assert b"smuggled" not in received
    assert len(re.findall(rb"HTTP/1\.1 ", received)) <= 1


@pytest.mark.parametrize(
    "body",
    [
        b"zz\r\nabc\r\n0\r\n\r\n",
        b"-1\r\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nabc\r\n",
        b"3\r\nabcdef\r\n0\r\n\r\n",
        b"3" + b";x=y" * 20_000 + b"\r\nabc\r\n0\r\n\r\n",
        b"3\nabc\n0\n\n",
        b"\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    ],
    ids=["letters", "negative", "huge", "longer", "extensions", "line-feeds", "empty", "trailers"],
)
def test_broken_chunks_are_no_error_of_ours(server, body):
    with sent(server, head("/raw", "Transfer-Encoding: chunked") + body) as connection:
        half_close(connection)
        assert Reply(connection).status in (None, 200, 400, 413, 431)
