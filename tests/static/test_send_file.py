"""send_file: a file as the answer of a handler, from inside its root only."""

import os

import pytest

from micropie import App, HttpMiddleware
from micropie_static import send_file
from support.asgi import Client
from support.raw_http import ask
from support.sessions import Browser, WatchedBackend
from support.static_files import LARGE

pytestmark = pytest.mark.anyio


def client_of(*arguments, **options):
    """Return a client of an App whose handler sends a file."""

    class Files(App):
        async def index(self):
            return send_file(*arguments, **options)

        def thread(self):
            return send_file(*arguments, **options)

    return Client(Files())


@pytest.fixture
def by_name(root):
    class Files(App):
        async def get(self, name):
            return send_file(name, root=root)

    return Client(Files())


@pytest.mark.parametrize("url", ["/", "/thread"])
async def test_a_file_is_a_download(root, url):
    client = client_of("hello.txt", root=root)
    answer = await client.get(url)
    assert (answer.status, answer.body) == (200, b"0123456789")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    assert answer.header("content-disposition") == 'attachment; filename="hello.txt"'
    assert answer.header("content-length") == "10"
    assert answer.header("cache-control") == "private, no-cache"
    assert answer.header("x-content-type-options") == "nosniff"
    head = await client.head(url)
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


async def test_large_files_ranges_and_conditions(root):
    client = client_of("large.bin", root=root)
    answer = await client.get("/")
    assert answer.body == LARGE
    assert len(answer.chunks) > 1
    part = await client.get("/", headers={"Range": "bytes=1000-600000"})
    assert (part.status, part.body) == (206, LARGE[1000:600_001])
    assert (await client.get("/", headers={"Range": "bytes=9999999-"})).status == 416
    known = {"If-None-Match": answer.header("etag")}
    assert (await client.get("/", headers=known)).status == 304


async def test_the_answer_to_a_post_is_the_whole_file(root):
    client = client_of("hello.txt", root=root)
    etag = (await client.get("/")).header("etag")
    answer = await client.post("/", headers={"Range": "bytes=0-4", "If-None-Match": etag})
    assert (answer.status, answer.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("report.pdf", 'filename="report.pdf"'),
        ("a b.txt", 'filename="a b.txt"'),
        ("Grüße.txt", "filename=\"Gr__e.txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt"),
        ('a".txt', "filename=\"a_.txt\"; filename*=UTF-8''a%22.txt"),
        ("a\r\nX: y", "filename=\"a__X: y\"; filename*=UTF-8''a%0D%0AX%3A%20y"),
        ("../a\\b", "filename=\".._a_b\"; filename*=UTF-8''..%2Fa%5Cb"),
        ("100%.txt", "filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
        ("\ud800", "filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
async def test_the_name_under_which_it_is_saved(root, filename, disposition):
    answer = await client_of("hello.txt", root=root, filename=filename).get("/")
    assert answer.header("content-disposition") == f"attachment; {disposition}"


async def test_a_file_can_be_shown_and_be_of_another_type(root):
    headers = {"Cache-Control": "max-age=60", "X-More": "yes"}
    client = client_of(
        "hello.txt", root=root, inline=True, content_type="application/pdf", headers=headers
    )
    answer = await client.get("/")
    assert answer.header("content-disposition") == 'inline; filename="hello.txt"'
    assert answer.header("content-type") == "application/pdf"
    assert answer.header("cache-control") == "max-age=60"
    assert answer.header("x-more") == "yes"


async def test_an_absolute_path_needs_no_root(root):
    assert (await client_of(root / "hello.txt").get("/")).body == b"0123456789"
    assert (await client_of(str(root / "nowhere")).get("/")).status == 404


def test_a_relative_path_needs_a_root():
    with pytest.raises(ValueError, match="a relative path needs root="):
        send_file("hello.txt")


@pytest.mark.parametrize("name", ["Content-Length", "ETag", "X\r\nSet-Cookie"])
def test_a_header_that_would_contradict_or_can_not_be_sent_is_refused(name):
    with pytest.raises(ValueError, match="headers: "):
        send_file("/hello.txt", headers={name: "1"})


@pytest.mark.parametrize(
    "name",
    [
        "..%2fsecret.txt",
        "..%2f..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "docs%2f..%2f..%2fsecret.txt",
        "%2fetc%2fpasswd",
        "link.txt",
        "linked%2fsecret.txt",
        "hello.txt%00",
        "%00",
        "docs",
        ".",
        "..",
        "pipe",
        "itself",
        "nowhere",
        "hello.txt%2f",
        "a" * 5000,
        "%ff",
    ],
)
async def test_what_is_no_file_of_the_root_is_a_404(by_name, name):
    answer = await by_name.get(f"/get/{name}")
    assert (answer.status, answer.text) == (404, "404 Not Found")


async def test_an_absolute_path_below_a_root_is_a_404_even_inside(root):
    assert (await client_of(str(root / "hello.txt"), root=root).get("/")).status == 404


async def test_folders_and_links_inside_of_the_root(by_name):
    assert (await by_name.get("/get/docs%2fpage.html")).text == "<h1>page</h1>"
    assert (await by_name.get("/get/inner%2fpage.html")).text == "<h1>page</h1>"
    assert (await by_name.get("/get?name=docs/../hello.txt")).body == b"0123456789"
    assert (await by_name.get("/get?name=docs/../../secret.txt")).status == 404


async def test_a_root_may_be_relative_or_a_link(root, monkeypatch):
    (root.parent / "link to root").symlink_to(root)
    monkeypatch.chdir(root.parent)
    assert (await client_of("hello.txt", root="root").get("/")).body == b"0123456789"
    assert (await client_of("hello.txt", root="link to root").get("/")).body == b"0123456789"
    assert (await client_of("hello.txt", root="nowhere").get("/")).status == 404


async def test_a_hook_makes_the_error_page_of_a_missing_file(root):
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": "sorry"} if status_code == 404 else None

    client = client_of("nowhere", root=root)
    client.app.middlewares.append(Pages())
    assert (await client.get("/")).text == "sorry"


async def test_the_session_is_stored_beside_it(root):
    class Files(App):
        async def index(self):
            self.session["downloads"] = self.session.get("downloads", 0) + 1
            return send_file("hello.txt", root=root)

    backend = WatchedBackend()
    browser = Browser(Files(session_backend=backend))
    await browser.get("/")
    assert (await browser.get("/")).body == b"0123456789"
    assert await backend.stored(browser.session_id) == {"downloads": 2}


async def test_a_file_changed_between_two_requests_is_sent_as_it_is(root):
    client = client_of("hello.txt", root=root)
    etag = (await client.get("/")).header("etag")
    (root / "hello.txt").write_bytes(b"new")
    os.utime(root / "hello.txt", (0, 0))
    answer = await client.get("/", headers={"If-None-Match": etag})
    assert (answer.status, answer.body) == (200, b"new")


@pytest.mark.parametrize("handler", [b"/send/", b"/shown/"])
def test_every_server_sends_it(server, handler):
    for name, content in {b"large.bin": LARGE, b"hello.txt": b"0123456789"}.items():
        answer = ask(server, handler + name)
        assert (answer.status, answer.body) == (200, content)
        part = ask(server, handler + name, ("Range", "bytes=5-"))
        assert (part.status, part.body) == (206, content[5:])
        assert ask(server, handler + name, method="HEAD").body == b""
    assert ask(server, handler + b"nowhere").status == 404
    assert ("Set-Cookie" in answer.headers) is (handler == b"/shown/")
