"""The body of a request: when it is read, by whom, how often, and within which limits."""

import asyncio
import json
import tempfile

import pytest

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import Client

pytestmark = pytest.mark.anyio

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=pie"
BINARY = "application/octet-stream"

MIB = 1024**2  # more of a file than this goes to disk

A_FORM = b"name=Ada&tag=a&tag=b"
AN_OBJECT = b'{"name": "Ada", "tags": ["a", "b"]}'
A_MULTIPART = (
    b'--pie\r\nContent-Disposition: form-data; name="name"\r\n\r\nAda\r\n'
    b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ncontent\r\n'
    b"--pie--\r\n"
)
PARSED = [(JSON, AN_OBJECT), (FORM, A_FORM), (MULTIPART, A_MULTIPART)]
PARSED_IDS = ["json", "form", "multipart"]

CHUNKED = {"Transfer-Encoding": "chunked"}

NOT_READ = "the body was not read yet; await request.parse_body() first"
NOT_KEPT = "RuntimeError: the body was read already, and was not kept"


def head(content_type: str | None, length: int | None) -> dict[str, str]:
    """Return the headers of a body; None leaves one out."""
    headers = {"Content-Type": content_type, "Content-Length": length}
    return {name: str(value) for name, value in headers.items() if value is not None}


def sending(body: bytes, content_type: str | None = None, method: str = "POST") -> dict:
    """Return options of `Client.request` for *body*, with its length."""
    return {"method": method, "headers": head(content_type, len(body)), "body": body}


class Bodies(App):
    """Shows what there is of a body; `runs` counts the handlers that were reached."""

    runs = 0

    async def parsed(self):
        self.runs += 1
        request = self.request
        return {
            "form": request.body_params,
            "json": request.get_json,
            "files": {name: file.filename for name, file in request.files.items()},
        }

    async def raw(self):
        self.runs += 1
        return await self.request.read()

    async def twice(self):
        first = await self.request.read()
        return "same" if await self.request.read() is first else "another"

    async def chunks(self):
        self.runs += 1
        return [chunk.decode() async for chunk in self.request.stream()]

    async def ignore(self):
        self.runs += 1
        return "ignored"

    async def stream_and(self, then):
        async for _ in self.request.stream():
            pass
        if then == "read":
            return await self.request.read()
        return [chunk.decode() async for chunk in self.request.stream()]

    async def half(self):
        async for _ in self.request.stream():
            break
        return await self.request.read()

    async def helpers(self):
        request = self.request
        return {
            "form": [request.form("name"), request.form("nobody"), request.form("nobody", 7)],
            "json": [request.json(), request.json("name"), request.json("nobody", 7)],
            "default": request.json(default="none"),
        }

    async def named(self, name):
        return name

    async def pieces(self):
        return [len(chunk) async for chunk in self.request.stream()]

    async def echo(self):
        async for chunk in self.request.stream():
            yield chunk

    async def late(self):
        yield "begun;"
        yield await self.request.read()


class Hook(HttpMiddleware):
    """Runs what a test gives it before or after the handler."""

    def __init__(self, before=None, after=None):
        self.before = before
        self.after = after

    async def before_request(self, request):
        return await self.before(request) if self.before else None

    async def after_request(self, request, status_code, response_body, extra_headers):
        return await self.after(request) if self.after else None


def hooked(before=None, after=None, app=Bodies) -> Client:
    made = app()
    made.middlewares.append(Hook(before, after))
    return Client(made)


def trace(answer) -> str:
    """Return the last line of the traceback that debug mode shows."""
    assert answer.status == 500
    return answer.text.removesuffix("</pre>").strip().splitlines()[-1].replace("&#x27;", "'")


# What is parsed.


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
        b"\xef\xbb\xbf{}",
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


# Reading it again, and otherwise.


@pytest.mark.parametrize(
    ("content_type", "body"), [*PARSED[:2], (BINARY, b"\0\xff")], ids=["json", "form", "binary"]
)
async def test_a_body_can_be_read_after_it_was_parsed_and_again(content_type, body):
    client = Client(Bodies())
    assert (await client.request(url="/raw", **sending(body, content_type))).body == body
    assert (await client.request(url="/twice", **sending(body, content_type))).text == "same"


async def test_a_stream_gives_the_chunks_as_they_come():
    answer = await Client(Bodies()).post("/chunks", headers=CHUNKED, body=[b"a", b"bc", b"", b"d"])
    assert answer.json == ["a", "bc", "d"]


async def test_a_stream_of_a_parsed_body_is_one_chunk():
    answer = await Client(Bodies()).request(url="/chunks", **sending(A_FORM, FORM))
    assert answer.json == [A_FORM.decode()]


async def test_a_stream_begins_before_the_body_has_ended():
    options = {"headers": CHUNKED, "body": b"one", "unfinished": True}
    async with Client(Bodies()).open("POST", "/echo", **options) as exchange:
        assert await exchange.chunk() == b"one"
        exchange.feed(b"two", more=True)
        assert await exchange.chunk() == b"two"
        exchange.feed(b"three", more=False)
        assert (await exchange.finish()).body == b"onetwothree"


@pytest.mark.parametrize("then", ["read", "stream"])
async def test_a_streamed_body_is_not_kept(then, logged):
    answer = await Client(Bodies(debug=True)).request(
        url=f"/stream_and/{then}", **sending(b"abc", BINARY)
    )
    assert trace(answer) == NOT_KEPT


async def test_a_body_that_was_streamed_in_part_can_not_be_read(logged):
    answer = await Client(Bodies(debug=True)).request(url="/half", **sending(b"abc", BINARY))
    assert trace(answer) == NOT_KEPT


@pytest.mark.parametrize("path", ["/raw", "/chunks"])
async def test_a_multipart_body_is_not_kept(path, logged):
    app = Bodies(debug=True)
    answer = await Client(app).request(url=path, **sending(A_MULTIPART, MULTIPART))
    assert trace(answer) == NOT_KEPT


@pytest.mark.parametrize("chunks", [[b"abc"], [b"a", b"bc"], [b""]])
async def test_a_body_can_be_read_while_the_response_streams(chunks):
    # The App watches for the client's departure meanwhile: it must not eat the body.
    answer = await Client(Bodies(body_timeout=1)).post("/late", headers=CHUNKED, body=chunks)
    assert answer.text == "begun;" + b"".join(chunks).decode()
    assert answer.complete


async def test_a_long_body_waits_for_a_reader_while_the_response_streams():
    read_now = asyncio.Event()

    class Patient(App):
        async def index(self):
            yield "begun;"
            await read_now.wait()
            yield await self.request.read()

    options = {"headers": CHUNKED, "body": [b"x"] * 50}
    async with Client(Patient()).open("POST", "/", **options) as exchange:
        assert await exchange.chunk() == b"begun;"
        for _ in range(60):
            await asyncio.sleep(0)
        # Some of it is taken, so that a client that leaves is heard of, but never all.
        assert 1 < exchange.received < 20
        read_now.set()
        assert (await exchange.finish()).text == "begun;" + "x" * 50


async def test_a_body_that_nobody_announced_can_be_read_while_the_response_streams():
    answer = await Client(Bodies(body_timeout=1)).post("/late", body=b"abc", http_version="2")
    assert answer.text == "begun;abc"


async def test_a_stream_that_never_reads_the_body_is_closed_when_its_client_leaves():
    closed = []

    class Endless(App):
        async def index(self):
            try:
                yield "begun"
                await asyncio.Event().wait()
            finally:
                closed.append(True)

    for options in (
        sending(b"abc", BINARY),
        {"method": "POST", "headers": CHUNKED, "body": [b"a", b"b"]},
        {"method": "POST", "headers": head(BINARY, 9), "body": b"a", "unfinished": True},
    ):
        closed.clear()
        async with Client(Endless()).open(url="/", **options) as exchange:
            assert await exchange.chunk() == b"begun"
            exchange.disconnect()
            await exchange.ended()
            assert closed


# Hooks and the body.


async def test_hooks_run_before_the_body_is_read():
    async def refuse(request):
        raise HTTPError(403)

    for content_type, body in PARSED:
        options = sending(body, content_type)
        async with hooked(refuse).open(url="/parsed", **options) as exchange:
            assert (await exchange.finish()).status == 403
            assert exchange.received == 0


@pytest.mark.parametrize("url", ["/nowhere", "/get_only"])
async def test_a_request_that_is_refused_has_its_body_never_received(url):
    from micropie import allow

    class Picky(Bodies):
        @allow("GET")
        async def get_only(self):
            return "got"

    async with Client(Picky()).open(url=url, **sending(AN_OBJECT, JSON)) as exchange:
        assert (await exchange.finish()).status in (404, 405)
        assert exchange.received == 0


@pytest.mark.parametrize("attribute", ["body_params", "files", "get_json", "form", "json"])
@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_that_looks_at_an_unread_body_is_told_so(
    attribute, content_type, body, logged
):
    async def before(request):
        found = getattr(request, attribute)
        return {"body": found("name") if callable(found) else found}

    class Debugging(Bodies):
        def __init__(self):
            super().__init__(debug=True)

    client = hooked(before, app=Debugging)
    answer = await client.request(url="/parsed", **sending(body, content_type))
    named = {"form": "body_params", "json": "get_json"}.get(attribute, attribute)
    assert trace(answer) == f"RuntimeError: request.{named}: {NOT_READ}"


async def test_a_hook_finds_a_body_that_will_not_be_parsed_empty():
    async def before(request):
        return {"body": [request.body_params, len(request.files), request.get_json]}

    for content_type in (None, "text/plain"):
        answer = await hooked(before).request(url="/parsed", **sending(b"abc", content_type))
        assert answer.json == [{}, 0, {}]


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_can_parse_the_body_first(content_type, body):
    seen = []

    async def before(request):
        await request.parse_body()
        await request.parse_body()
        seen.append(request.form("name"))

    answer = await hooked(before).request(url="/parsed", **sending(body, content_type))
    assert seen == ["Ada"]
    assert answer.json["form"]["name"] == ["Ada"]


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_handler_gets_what_a_hook_has_put_in_the_place_of_a_value(content_type, body):
    async def before(request):
        await request.parse_body()
        request.body_params["name"] = ["Grace"]

    answer = await hooked(before).request(url="/named", **sending(body, content_type))
    assert answer.text == "Grace"


@pytest.mark.parametrize(("content_type", "body"), PARSED, ids=PARSED_IDS)
async def test_a_hook_can_read_the_raw_body_first(content_type, body):
    seen = []

    async def before(request):
        seen.append(await request.read())

    answer = await hooked(before).request(url="/parsed", **sending(body, content_type))
    assert seen == [body]
    assert answer.json["form"]["name"] == ["Ada"]


async def test_a_hook_that_streams_the_body_leaves_none_to_parse(logged):
    async def before(request):
        async for _ in request.stream():
            pass

    answer = await hooked(before).request(url="/parsed", **sending(AN_OBJECT, JSON))
    assert answer.status == 500
    (record,) = logged
    assert "was not kept" in str(record.exc_info[1])


async def test_a_broken_body_meets_the_hook_that_parses_it():
    async def before(request):
        try:
            await request.parse_body()
        except HTTPError as error:
            return {"status_code": 422, "body": str(error)}

    answer = await hooked(before).request(url="/parsed", **sending(b"{", JSON))
    assert (answer.status, answer.text) == (422, "400 Bad Request: the body is not valid JSON")


async def test_a_hook_after_the_handler_can_still_read_the_body():
    seen = []

    async def after(request):
        seen.append(await request.read())

    await hooked(after=after).request(url="/ignore", **sending(b"abc", BINARY))
    assert seen == [b"abc"]


# Limits.


class Small(Bodies):
    def __init__(self):
        super().__init__(max_body_size=100)


TOO_LARGE = (413, "413 Content Too Large: the body is over 100 bytes")

# Each way to read a body with each type that is read in that way: /parsed leaves BINARY alone.
READERS = [
    (path, content_type)
    for path in ("/parsed", "/raw", "/chunks")
    for content_type in (JSON, FORM, MULTIPART, BINARY)
    if (path, content_type) != ("/parsed", BINARY)
]


def padded(content_type: str, body: bytes, size: int) -> bytes:
    """Return *body* made *size* bytes long, without a change of meaning."""
    padding = b" " if content_type == JSON else b"x" if content_type == FORM else b"\n"
    return body + padding * (size - len(body))


@pytest.mark.parametrize(("path", "content_type"), READERS)
async def test_a_body_announced_over_the_limit_is_refused_before_it_is_received(path, content_type):
    app = Small()
    async with Client(app).open("POST", path, headers=head(content_type, 101)) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 0
        assert app.runs == (content_type == BINARY)


@pytest.mark.parametrize(
    ("path", "content_type"), [pair for pair in READERS if pair[1] != MULTIPART]
)
async def test_a_body_without_length_is_refused_as_soon_as_it_is_over_the_limit(path, content_type):
    options = {"headers": {**head(content_type, None), **CHUNKED}, "unfinished": True}
    async with Client(Small()).open("POST", path, body=[b"1" * 50] * 9, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 3


async def test_a_multipart_body_is_refused_as_soon_as_it_is_over_the_limit():
    body = [A_MULTIPART[:90], b"x" * 10, b"x", b"x"]
    options = {"headers": {**head(MULTIPART, None), **CHUNKED}, "unfinished": True}
    async with Client(Small()).open("POST", "/parsed", body=body, **options) as exchange:
        answer = await exchange.finish()
        assert (answer.status, answer.text) == TOO_LARGE
        assert exchange.received == 3


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("content_type", [JSON, FORM, BINARY])
async def test_a_body_of_just_the_limit_is_fine(content_type, announced):
    body = padded(content_type, A_FORM if content_type == FORM else b'{"name":"Ada"}', 100)
    headers = head(content_type, 100) if announced else {**head(content_type, None), **CHUNKED}
    answer = await Client(Small()).post("/raw", headers=headers, body=[body[:60], body[60:]])
    assert (answer.status, answer.body) == (200, body)


async def test_there_may_be_no_limit():
    body = b"x" * (17 * 1024**2)
    app = Bodies(max_body_size=None)
    answer = await Client(app).request(url="/pieces", **sending(body, BINARY))
    assert answer.json == [len(body)]
    assert (await Client(Bodies()).request(url="/pieces", **sending(body, BINARY))).status == 413


@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART, BINARY])
async def test_a_limit_of_nothing_takes_empty_bodies_only(content_type):
    client = Client(Bodies(max_body_size=0))
    assert (await client.request(url="/raw", **sending(b"", content_type))).status == 200
    assert (await client.request(url="/raw", **sending(b"1", content_type))).status == 413
    headers = {**head(content_type, None), **CHUNKED}
    assert (await client.post("/raw", headers=headers, body=b"1")).status == 413


async def test_tiny_chunks_take_no_more_memory_than_large_ones():
    import tracemalloc

    class Chunks:
        """Chunks of two bytes, each made when it is asked for."""

        left = 20_000

        async def receive(self):
            await asyncio.sleep(0)
            self.left -= 1
            body = b"%02d" % (self.left % 100)
            return {"type": "http.request", "body": body, "more_body": self.left > 0}

    answers = []

    async def send(message):
        answers.append(message)

    class Length(App):
        async def index(self):
            return len(await self.request.read())

    scope = Client(None).scope("POST", "/", CHUNKED)
    tracemalloc.start()
    try:
        await Length()(scope, Chunks().receive, send)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answers[1]["body"] == b"40000"
    assert peak < 400_000


@pytest.mark.parametrize(("path", "content_type"), READERS)
async def test_a_client_that_stalls_is_given_up(path, content_type):
    app = Bodies(body_timeout=0.02)
    options = {"headers": head(content_type, 100), "body": b"--pie", "unfinished": True}
    async with Client(app).open("POST", path, **options) as exchange:
        answer = await exchange.finish()
    assert (answer.status, answer.text) == (408, "408 Request Timeout: no data came for too long")
    assert answer.header("connection") == "close"
    assert answer.header("content-type") == "text/plain; charset=utf-8"


async def test_a_408_over_http_2_has_no_connection_header():
    # RFC 9113, 8.2.2: such a header is an error there.
    options = {"headers": head(JSON, 9), "body": b"{", "unfinished": True, "http_version": "2"}
    async with Client(Bodies(body_timeout=0.02)).open("POST", "/raw", **options) as exchange:
        answer = await exchange.finish()
    assert (answer.status, answer.header("connection")) == (408, None)


async def test_a_slow_client_has_its_time_for_every_chunk():
    options = {"headers": CHUNKED, "unfinished": True}
    async with Client(Bodies(body_timeout=0.05)).open("POST", "/raw", **options) as exchange:
        for number in range(4):
            await asyncio.sleep(0.02)
            exchange.feed(b"x", more=number < 3)
        assert (await exchange.finish()).body == b"xxxx"


class Arrival:
    """What `receive` of a server that is not written in Python gives: `__await__`, and no more."""

    def __init__(self, arrived: asyncio.Future, body: bytes) -> None:
        self._waiting = arrived.__await__()
        self._message = {"type": "http.request", "body": body}

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return next(self._waiting)
        except StopIteration:
            raise StopIteration(self._message) from None


@pytest.mark.parametrize(("arrives", "status"), [("before", 200), ("late", 200), ("never", 408)])
async def test_a_server_may_have_awaitables_of_its_own(arrives, status):
    arrived = asyncio.get_running_loop().create_future()
    sent = []

    async def send(message):
        sent.append(message)

    if arrives == "before":
        arrived.set_result(None)
    elif arrives == "late":
        asyncio.get_running_loop().call_soon(arrived.set_result, None)
    app = Bodies(body_timeout=0.02 if arrives == "never" else 30)
    scope = Client(None).scope("POST", "/parsed", head(JSON, len(AN_OBJECT)))
    await app(scope, lambda: Arrival(arrived, AN_OBJECT), send)
    assert sent[0]["status"] == status


async def test_there_may_be_no_timeout():
    options = {"headers": CHUNKED, "unfinished": True}
    async with Client(Bodies(body_timeout=None)).open("POST", "/raw", **options) as exchange:
        exchange.feed(b"x", more=False)
        assert (await exchange.finish()).body == b"x"


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


# Clients that leave.


@pytest.mark.parametrize("path", ["/parsed", "/raw", "/chunks"])
@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART])
async def test_a_client_that_leaves_amid_its_body_is_no_error_of_ours(path, content_type):
    # That nothing was logged is checked after every test.
    app = Bodies()
    body = A_MULTIPART[:-30] if content_type == MULTIPART else b"{"
    options = {"headers": head(content_type, 1000), "body": body, "unfinished": True}
    async with Client(app).open("POST", path, **options) as exchange:
        exchange.disconnect()
        await exchange.ended()
        assert not exchange.messages
    assert app.runs == 0


async def test_a_handler_is_told_when_the_client_leaves_amid_its_body():
    told = []

    class Told(App):
        async def index(self):
            try:
                await self.request.read()
            except HTTPError as error:
                told.append(error.status_code)
                raise

    options = {"headers": CHUNKED, "body": b"a", "unfinished": True}
    async with Client(Told()).open("POST", "/", **options) as exchange:
        exchange.disconnect()
        await exchange.ended()
    assert told == [400]


async def test_a_client_that_leaves_amid_an_echo_is_no_error_of_ours():
    options = {"headers": CHUNKED, "body": b"one", "unfinished": True}
    async with Client(Bodies()).open("POST", "/echo", **options) as exchange:
        assert await exchange.chunk() == b"one"
        exchange.disconnect()
        await exchange.ended()


async def test_a_body_over_the_limit_breaks_off_an_echo(logged):
    options = {"headers": CHUNKED, "body": [b"x" * 60, b"x" * 60]}
    answer = await Client(Small()).post("/echo", **options)
    assert (answer.status, answer.body, answer.complete) == (200, b"x" * 60, False)


async def test_cancelling_a_request_amid_its_body_is_no_error():
    options = {"headers": head(JSON, 9), "body": b"{", "unfinished": True}
    async with Client(Bodies()).open("POST", "/parsed", **options) as exchange:
        for _ in range(5):
            await asyncio.sleep(0)
        assert exchange.received == 2
        exchange.cancel()
        await exchange.ended()
        assert not exchange.messages


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


async def test_a_form_that_a_hook_gave_up_leaves_no_file(tmp_path, monkeypatch, logged):
    async def before(request):
        with pytest.raises(HTTPError, match="malformed"):
            await request.parse_body()
        assert list(tmp_path.iterdir())

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    head = b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    body = head + bytes(2 * MIB) + b"\r\n--pie is malformed"
    answer = await hooked(before).request(url="/parsed", **sending(body, MULTIPART))
    assert answer.status == 500
    (record,) = logged
    assert str(record.exc_info[1]) == "the body was read already, and was not kept"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [MIB // 2, 2 * MIB])
async def test_a_form_that_goes_on_after_the_answer_leaves_no_file(tmp_path, monkeypatch, size):
    parsing = []

    async def before(request):
        parsing.append(asyncio.create_task(request.parse_body()))
        await asyncio.wait(parsing, timeout=0.05)
        return {"status_code": 503}

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    head = b'--pie\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    chunks = [head + bytes(size), b"\r\n" + head + bytes(2 * MIB) + b"\r\n--pie--\r\n"]
    client, is_answered = hooked(before), asyncio.Event()

    async def receive():
        if len(chunks) == 1:
            await is_answered.wait()
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message):
        pass

    await client.app(
        client.scope("POST", "/parsed", headers={"Content-Type": MULTIPART, **CHUNKED}),
        receive,
        send,
    )
    is_answered.set()
    await asyncio.wait(parsing)
    with pytest.raises(ValueError, match="closed"):
        parsing[0].result()
    assert list(tmp_path.iterdir()) == []


# Mounted apps read the body themselves.


async def test_a_mounted_app_gets_the_body_that_a_hook_parsed():
    async def before(request):
        await request.parse_body()

    for content_type, body in PARSED[:2]:
        client = hooked(before)
        client.app.mount("/below", Bodies())
        answer = await client.request(url="/below/parsed", **sending(body, content_type))
        assert answer.json["form"]["name"] == ["Ada"]


async def test_a_mounted_app_gets_the_body_that_a_hook_only_looked_for():
    async def before(request):
        with pytest.raises(RuntimeError, match="was not read yet"):
            request.form("name")

    client = hooked(before)
    client.app.mount("/below", Bodies())
    answer = await client.request(url="/below/parsed", **sending(A_MULTIPART, MULTIPART))
    assert answer.json["form"] == {"name": ["Ada"]}


async def test_a_mounted_app_can_not_get_what_a_hook_did_not_keep(logged):
    async def before(request):
        await request.parse_body()

    client = hooked(before)
    client.app.mount("/below", Bodies())
    answer = await client.request(url="/below/parsed", **sending(A_MULTIPART, MULTIPART))
    assert answer.status == 500
    (record,) = logged
    assert str(record.exc_info[1]) == "a hook read the body of a request for a mounted app"


async def test_a_mounted_app_hears_of_the_departure_after_the_body():
    class Forever(App):
        async def index(self):
            yield "begun"
            await asyncio.Event().wait()

    async def before(request):
        await request.parse_body()

    client = hooked(before)
    client.app.mount("/below", Forever())
    async with client.open(url="/below", **sending(AN_OBJECT, JSON)) as exchange:
        assert await exchange.chunk() == b"begun"
        exchange.disconnect()
        await exchange.ended()
