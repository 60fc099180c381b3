"""Content-Length, right and wrong, and HTTP/2 and 3, where a body needs none."""

import pytest

from micropie import HttpMiddleware, allow
from support.asgi import Client
from support.bodies import BINARY, FORM, JSON
from support.body_app import CHUNKED, PARSED, PARSED_IDS, Bodies, head, hooked

pytestmark = pytest.mark.anyio

# Lengths.


@pytest.mark.parametrize(
    "value", ["abc", "+5", "-1", "5.0", "5 5", "5,5", "1_0", "0x5", "", "\u0665", "9" * 19, "5;5"]
)
@pytest.mark.parametrize("content_type", [JSON, BINARY])
async def test_a_content_length_that_is_no_number_is_a_400(content_type, value):
    app = Bodies()
    headers = [
        (b"content-type", content_type.encode()),
        (b"content-length", value.encode()),
    ]
    async with Client(app, headers=headers).open("POST", "/raw", body=b"12345") as exchange:
        answer = await exchange.finish()
        assert (answer.status, exchange.received) == (400, 0)
        assert answer.text == "400 Bad Request: Content-Length must be one number"


@pytest.mark.parametrize("path", ["/parsed", "/ignore", "/late", "/raw"])
async def test_a_bad_content_length_is_a_400_whatever_the_handler_does(path):
    headers = {"Content-Type": BINARY, "Content-Length": "abc"}
    answer = await Client(Bodies()).post(path, headers=headers, body=b"abc")
    assert answer.status == 400


async def test_a_hook_may_stream_its_answer_to_a_bad_content_length():
    async def before(request):
        async def chunks():
            yield "an answer"

        return {"body": chunks()}

    headers = {"Content-Length": "abc"}
    answer = await hooked(before).post("/parsed", headers=headers, body=b"abc")
    assert (answer.status, answer.text) == (200, "an answer")


async def test_different_content_lengths_are_a_400():
    headers = [("Content-Length", "3"), ("Content-Length", "5")]
    answer = await Client(Bodies()).post("/raw", headers=headers, body=b"abc")
    assert answer.status == 400


@pytest.mark.parametrize("length", ["0", "3", "5"])
async def test_a_content_length_beside_a_transfer_encoding_is_a_400_and_the_end(length):
    # RFC 9112, 6.3: one of them may have been smuggled in, with a request in the body.
    headers = {"Content-Type": JSON, "Content-Length": length, **CHUNKED}
    answer = await Client(Bodies()).post("/parsed", headers=headers, body=b"{ }")
    assert (answer.status, answer.header("connection")) == (400, "close")


class Refusing(HttpMiddleware):
    async def before_request(self, request):
        is_refused = request.path == "/refused"
        return {"status_code": 403, "body": "refused"} if is_refused else None


@pytest.mark.parametrize(
    "path", ["/parsed", "/ignore", "/nowhere", "/only", "/refused", "/asgi/x", "/app/ignore"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
async def test_a_contradictory_length_ends_the_connection_whoever_answers(path, method):
    class Site(Bodies):
        @allow("PUT")
        async def only(self): ...

    async def asgi(scope, receive, send):
        raise AssertionError("served")

    app = Site()
    app.middlewares.append(Refusing())
    app.mount("/asgi", asgi)
    app.mount("/app", Bodies())
    headers = {"Content-Length": "40", **CHUNKED}
    answer = await Client(app).request(method, path, headers=headers, body=b"")
    assert (answer.status, answer.header("connection")) == (400, "close")
    assert answer.text.endswith("Content-Length and Transfer-Encoding exclude each other")


@pytest.mark.parametrize("value", ["3", "003", " 3 "])
async def test_equal_content_lengths_are_fine(value):
    headers = [("Content-Length", value), ("Content-Length", value)]
    answer = await Client(Bodies()).post("/raw", headers=headers, body=b"abc")
    assert (answer.status, answer.body) == (200, b"abc")


@pytest.mark.parametrize("body", [[b"ab"], [b"a", b"b"], [b""], [b"abcd"], [b"ab", b"cd", b"e"]])
@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/raw", BINARY), ("/chunks", BINARY), ("/parsed", FORM), ("/parsed", JSON)],
)
async def test_a_body_of_another_length_than_announced_is_a_400(path, content_type, body):
    answer = await Client(Bodies()).post(path, headers=head(content_type, 3), body=body)
    assert (answer.status, answer.text) == (
        400,
        "400 Bad Request: the body is not as long as its Content-Length",
    )


# HTTP/2 and 3, where a body needs neither length nor coding.


@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_newer_http_needs_no_length(version, content_type, body):
    options = {"headers": head(content_type, None), "body": [body[:20], body[20:]]}
    answer = await Client(Bodies()).post("/parsed", http_version=version, **options)
    assert answer.json["form"]["name"] == ["Ada"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_older_http_has_no_body_without_length_or_coding(version):
    options = {"headers": head(JSON, None), "http_version": version}
    async with Client(Bodies()).open("POST", "/parsed", **options) as exchange:
        assert (await exchange.finish()).json["form"] == {}
        assert exchange.received == 0


@pytest.mark.parametrize("content_type", [None, JSON, FORM])
async def test_newer_http_without_a_body(content_type):
    options = {"headers": head(content_type, None), "http_version": "2"}
    answer = await Client(Bodies()).get("/parsed", **options)
    assert (answer.status, answer.json) == (200, {"form": {}, "json": {}, "files": {}})
