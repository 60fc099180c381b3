"""What a body is parsed into, by its type."""

import json
import tempfile

import pytest

from support.asgi import Client
from support.bodies import BINARY, FORM, JSON, MULTIPART
from support.body_app import (
    A_FORM,
    A_MULTIPART,
    AN_OBJECT,
    CHUNKED,
    PARSED,
    PARSED_IDS,
    Bodies,
    head,
    hooked,
    sending,
)

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD", "QUERY"])
async def test_a_body_is_parsed_whatever_the_method(method):
    class Methods(Bodies):
        async def parsed(self):
            return 200, None, {"X-Form": json.dumps(self.request.body_params)}

    for content_type, body in PARSED:
        answer = await Client(Methods()).request(
            url="/parsed", **sending(body, content_type, method)
        )
        assert json.loads(answer.header("x-form"))["name"] == ["Ada"], content_type


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"; profile=pie',
        "application/JSON",
        " application/json ",
        "application/problem+json",
        "application/vnd.api+json; ext=bulk",
    ],
)
async def test_json_by_any_of_its_types(content_type):
    answer = await Client(Bodies()).request(url="/parsed", **sending(AN_OBJECT, content_type))
    assert answer.json == {
        "form": {"name": ["Ada"], "tags": [["a", "b"]]},
        "json": {"name": "Ada", "tags": ["a", "b"]},
        "files": {},
    }


@pytest.mark.parametrize(
    "content_type",
    [FORM, FORM + "; charset=UTF-8", FORM + ";charset=iso-8859-1", FORM.title()],
)
async def test_a_form_is_utf_8_whatever_its_type_says(content_type):
    body = "name=Zoë&name=Zo%C3%AB&plus=a+b&empty=&alone".encode()
    answer = await Client(Bodies()).request(url="/parsed", **sending(body, content_type))
    assert answer.json == {
        "form": {"name": ["Zoë", "Zoë"], "plus": ["a b"], "empty": [""], "alone": [""]},
        "json": {},
        "files": {},
    }


async def test_a_multipart_form_gives_fields_and_files():
    answer = await Client(Bodies()).request(url="/parsed", **sending(A_MULTIPART, MULTIPART))
    assert answer.json == {"form": {"name": ["Ada"]}, "json": {}, "files": {"file": "a.txt"}}


@pytest.mark.parametrize("path", ["/named", "/parsed"])
async def test_the_answer_to_an_upload_does_not_wait_until_its_files_are_deleted(
    path, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    body = A_MULTIPART.replace(b"content", bytes(2 * 1024**2))
    async with Client(Bodies()).open(url=path, **sending(body, MULTIPART)) as exchange:
        exchange.pause()
        await exchange.started()
        assert list(tmp_path.iterdir()) != []
        exchange.resume()
        assert (await exchange.finish()).status == 200
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_body_may_come_in_pieces(content_type, body, size):
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    # Servers may also send nothing for a while.
    pieces[1:1] = [b""]
    answer = await Client(Bodies()).post(
        "/parsed", headers={**head(content_type, None), **CHUNKED}, body=pieces
    )
    assert answer.json["form"]["name"] == ["Ada"]


@pytest.mark.parametrize("size", [1, 30, 60, 1000])
@pytest.mark.parametrize(
    ("text", "replacement"),
    [
        (b'filename="a.txt"', b'filename="a\n.txt"'),
        (b'; filename="a.txt"', b'\nContent-Type: text/plain; filename="a.txt"'),
        (b'name="name"', b'na\nme="name"'),
        (b'name="name"', b'name="name"\r\nX\nY: z'),
    ],
)
async def test_a_bare_line_feed_in_a_part_header_is_a_400_however_it_comes(text, replacement, size):
    # What one program takes for one header, another could take for two.
    body = A_MULTIPART.replace(text, replacement)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    headers = {**head(MULTIPART, None), **CHUNKED}
    answer = await Client(Bodies()).post("/parsed", headers=headers, body=pieces)
    assert (answer.status, answer.text) == (
        400,
        "400 Bad Request: the multipart body is malformed",
    )


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"[1, 2]", [1, 2]), (b"5", 5), (b"null", None), (b'"text"', "text"), (b" {} ", {})],
)
async def test_json_need_not_be_an_object(body, value):
    answer = await Client(Bodies()).request(url="/parsed", **sending(body, JSON))
    assert answer.json == {"form": {}, "json": value, "files": {}}


async def test_of_equal_keys_in_json_the_last_counts():
    answer = await Client(Bodies()).request(url="/parsed", **sending(b'{"a":1,"a":2}', JSON))
    assert answer.json["form"] == {"a": [2]}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'a': 1}",
        b'{"a": NaN}',
        b"Infinity",
        b"1e999",
        b"{}{}",
        b" ",
        b"\xff",
        b'"\xff"',
        b'"\\ud800"',
        b"\xef\xbb\xbf",
        '"Zoë"'.encode("utf-16"),
        '"Zoë"'.encode("latin-1"),
    ],
)
async def test_broken_json_is_a_400(body):
    answer = await Client(Bodies()).request(url="/parsed", **sending(body, JSON))
    assert (answer.status, answer.text) == (400, "400 Bad Request: the body is not valid JSON")


@pytest.mark.parametrize(
    "content_type",
    [None, "", BINARY, "text/plain", "text/json", "json", "application/xml", "application/jsonp"],
)
async def test_a_body_of_another_type_is_left_for_read(content_type):
    client = Client(Bodies())
    assert (await client.request(url="/raw", **sending(AN_OBJECT, content_type))).body == AN_OBJECT
    empty = {"form": {}, "json": {}, "files": {}}
    answer = await client.request(url="/parsed", **sending(AN_OBJECT, content_type))
    assert (answer.status, answer.json) == (200, empty)


async def test_a_handler_that_wants_no_body_of_another_type_never_receives_it():
    options = sending(b"x" * 100, BINARY)
    async with Client(Bodies()).open(url="/ignore", **options) as exchange:
        assert (await exchange.finish()).text == "ignored"
        assert exchange.received == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Length": "0"},
        {"Content-Type": JSON},
        {"Content-Type": JSON, "Content-Length": "0"},
        {"Content-Type": FORM, "Content-Length": "0"},
        {"Content-Type": MULTIPART, "Content-Length": "0"},
        {"Content-Type": JSON, **CHUNKED},
        {"Content-Type": FORM, **CHUNKED},
    ],
)
async def test_without_a_body_all_is_empty(headers):
    client = Client(Bodies())
    answer = await client.get("/parsed", headers=headers)
    assert (answer.status, answer.json) == (200, {"form": {}, "json": {}, "files": {}})
    assert (await client.get("/raw", headers=headers)).body == b""
    assert (await client.get("/helpers", headers=headers)).json == {
        "form": [None, None, 7],
        "json": [None, None, 7],
        "default": "none",
    }


async def test_without_a_body_a_hook_finds_all_empty():
    async def before(request):
        return {"body": [request.body_params, len(request.files), request.get_json]}

    async with hooked(before).open("GET", "/parsed") as exchange:
        assert (await exchange.finish()).json == [{}, 0, {}]
        assert exchange.received == 0


async def test_helpers_give_one_value_or_a_default():
    client = Client(Bodies())
    answer = await client.request(url="/helpers", **sending(A_FORM, FORM))
    assert answer.json == {"form": ["Ada", None, 7], "json": [None, None, 7], "default": "none"}
    answer = await client.request(url="/helpers", **sending(b'{"name": "Ada"}', JSON))
    assert answer.json == {
        "form": ["Ada", None, 7],
        "json": [{"name": "Ada"}, "Ada", 7],
        "default": {"name": "Ada"},
    }
    answer = await client.request(url="/helpers", **sending(b"[1]", JSON))
    assert answer.json["json"] == [[1], None, 7]
