"""What an attack costs: memory and time. MicroPie's default is 16 MiB a body."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.bad_input import multipart, on_uvicorn
from support.bodies import FORM, JSON, MIB, MULTIPART, text_part
from support.memory import memory_growth
from support.raw_http import chunk, head, talk, whole


@on_uvicorn
def test_an_endless_body_takes_no_more_memory_than_the_limit(server):
    pieces = [chunk(b"x" * MIB)] * 64
    with memory_growth(int(server.get("/pid").text)) as growth:
        for path in ("/raw", "/drained"):
            assert talk(server, head(path, "Transfer-Encoding: chunked"), *pieces).status == 413
    assert growth.mib < 48


@on_uvicorn
@pytest.mark.parametrize(
    ("body", "content_type", "statuses"),
    [
        (b"&" * 16 * MIB, FORM, {413}),
        (b"a=" + b"%41" * 5 * MIB, FORM, {413}),
        (b"a" * 16 * MIB, FORM, {413}),
        (b"[" * 16 * MIB, JSON, {413}),
        (b"[" * MIB, JSON, {400}),
        (b" " * MIB, JSON, {400}),
        (b'"' + b"\\u0041" * (MIB // 6 - 1) + b'"', JSON, {200}),
        (b"1" * MIB, JSON, {400}),
        (b"--pie\r\n" * 2 * MIB, MULTIPART, {400, 413}),
        (b"\r\n--pi" * 2 * MIB, MULTIPART, {400}),
    ],
    ids=[
        "ampersands",
        "escapes",
        "one-name",
        "json",
        "brackets",
        "spaces",
        "json-escapes",
        "digits",
        "boundaries",
        "nearly-boundaries",
    ],
)
def test_the_largest_body_takes_memory_and_time_in_proportion(server, body, content_type, statuses):
    with memory_growth(int(server.get("/pid").text)) as growth:
        # What grows with the square of a body would be busy with this one for hours, and the client
        # would have given up.
        assert talk(server, whole("/sizes", body, content_type)).status in statuses
    assert growth.mib < 96


def test_attacks_at_once_keep_the_server_answering(server):
    bodies = [
        whole("/sizes", b"[" * MIB, JSON),
        whole("/sizes", b"&" * MIB, FORM),
        multipart(text_part(b"a", b"x" * 8 * MIB)),
        head("/small/raw", "Transfer-Encoding: chunked") + chunk(b"x" * 2000),
    ] * 5
    with ThreadPoolExecutor(20) as clients:
        replies = [clients.submit(talk, server, body) for body in bodies]
        answers = list(clients.map(server.get, ["/greet/Ada"] * 20))
        assert {reply.result().status for reply in replies} <= {400, 413}
    assert {answer.text for answer in answers} == {"Hello, Ada!"}
