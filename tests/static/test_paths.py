"""Which file answers at which path, and who is asked before."""

import gzip

import pytest

from micropie import App, HttpMiddleware
from micropie_static import Static
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.raw_http import ask
from support.static_files import CSS, DATE, LARGE, client_of

pytestmark = pytest.mark.anyio

# What is at which path.


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/app.css", 'text/css; charset="utf-8"', CSS),
        ("/app.0123456789ab.js", 'text/javascript; charset="utf-8"', b"let pie = 3.14;"),
        ("/empty.txt", 'text/plain; charset="utf-8"', b""),
        pytest.param("/large.bin", "application/octet-stream", LARGE, id="large.bin"),
        ("/docs/page.html", 'text/html; charset="utf-8"', b"<h1>page</h1>"),
        ("/inner/page.html", 'text/html; charset="utf-8"', b"<h1>page</h1>"),
        ("/gr%C3%BC%C3%9Fe%20100%25.txt", 'text/plain; charset="utf-8"', b"umlauts"),
        ("/..two%20dots.txt", 'text/plain; charset="utf-8"', b"a name that begins with dots"),
    ],
)
async def test_a_file_is_served_with_its_type_and_length(client, path, content_type, body):
    answer = await client.get("/static" + path)
    assert (answer.status, answer.body) == (200, body)
    assert answer.header("content-type") == content_type
    assert answer.header("content-length") == str(len(body))
    assert answer.header("last-modified") == DATE
    assert answer.header("cache-control").startswith("max-age=")
    assert answer.header("accept-ranges") == "bytes"
    head = await client.head("/static" + path)
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


@pytest.mark.parametrize(
    "path", ["", "/", "/nowhere.css", "/docs", "/docs/", "/app.css/", "/app.css.gz", "/pipe"]
)
async def test_what_is_no_file_is_a_404(client, path):
    answer = await client.get("/static" + path)
    assert (answer.status, answer.text) == (404, "404 Not Found")
    head = await client.head("/static" + path)
    assert (head.status, head.body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
async def test_other_methods_are_a_405(client, method):
    answer = await client.request(method, "/static/app.css")
    assert (answer.status, answer.header("allow")) == (405, "GET, HEAD")


async def test_a_websocket_is_refused(root):
    app = App()
    app.mount("/static", Static(root))
    refused = await WebSocketClient(app).run("/static/app.css")
    assert refused.refused is not None


@pytest.mark.parametrize("root_path", ["", "/outer"])
@pytest.mark.parametrize("path", ["/", "/deep/static", "/static/"])
async def test_it_can_be_mounted_anywhere(root, path, root_path):
    app = App()
    app.mount(path, Static(root))
    client = Client(app, root_path=root_path)
    url = path.rstrip("/") + "/app.css"
    assert (await client.get(root_path + url)).body == CSS
    assert (await client.get(root_path + "/other/app.css")).status == 404


async def test_below_a_mounted_app(root):
    app, child = App(), App()
    child.mount("/static", Static(root))
    app.mount("/child", child)
    assert (await Client(app).get("/child/static/app.css")).body == CSS


@pytest.mark.parametrize("autorefresh", [True, False])
async def test_an_index_stands_for_its_folder(root, autorefresh):
    (root / "index.html").write_text("<h1>home</h1>")
    client = client_of(Static(root, index="index.html", autorefresh=autorefresh))
    assert (await client.get("/static/")).text == "<h1>home</h1>"
    assert (await client.get("/static/docs/")).text == "<h1>docs</h1>"
    for path, location in {
        "/static": "static/",
        "/static/docs": "docs/",
        "/static/docs?a=1&b=%20": "docs/?a=1&b=%20",
        "/static/docs/index.html": "./",
        "/static/index.html?a=1": "./?a=1",
    }.items():
        answer = await client.get(path)
        assert (answer.status, answer.header("location")) == (302, location), path
    assert (await client.get("/static/inner/page.html/")).status == 404


@pytest.mark.parametrize("autorefresh", [True, False])
async def test_a_redirection_never_leads_to_another_host(root, autorefresh):
    (root / "evil.example").mkdir()
    (root / "evil.example" / "index.html").write_text("x")
    client = client_of(Static(root, index="index.html", autorefresh=autorefresh), "/")
    assert (await client.get("/evil.example")).header("location") == "evil.example/"
    assert (await client.get("//evil.example")).status == 404


# Who else is asked.


async def test_hooks_stand_in_front(root):
    class Guard(HttpMiddleware):
        async def before_request(self, request):
            return None if "key" in request.query_params else {"status_code": 403, "body": "no"}

        async def after_request(self, request, status_code, response_body, extra_headers):
            extra_headers.append(("X-Hook", str(status_code)))

    app = App()
    app.middlewares.append(Guard())
    app.mount("/static", Static(root))
    client = Client(app)
    assert (await client.get("/static/large.bin")).text == "no"
    answer = await client.get("/static/large.bin?key=1")
    assert (answer.body, answer.header("x-hook")) == (LARGE, "200")
    assert (await client.get("/static/nowhere?key=1")).header("x-hook") == "404"


# On real servers.


@pytest.mark.parametrize("mount", [b"/static", b"/fresh", b"", b"/hooked/guarded"])
def test_every_server_sends_files(server, mount):
    for name, content in {
        b"large.bin": LARGE,
        b"hello.txt": b"0123456789",
        b"empty.txt": b"",
    }.items():
        target = mount + b"/" + name + b"?key"
        answer = ask(server, target)
        assert (answer.status, answer.body) == (200, content)
        assert answer.headers["Content-Length"] == str(len(content))
        head = ask(server, target, method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(content))
        fresh = ask(server, target, ("If-None-Match", answer.headers["ETag"]))
        assert (fresh.status, fresh.body) == (304, b"")
    part = ask(server, mount + b"/large.bin?key", ("Range", "bytes=1000-600000"))
    assert (part.status, part.body) == (206, LARGE[1000:600_001])
    assert ask(server, mount + b"/large.bin?key", ("Range", "bytes=9999999-")).status == 416
    packed = ask(server, mount + b"/app.css?key", ("Accept-Encoding", "gzip"))
    assert gzip.decompress(packed.body) == CSS
    assert ask(server, mount + b"/app.css?key", method="POST").status == 405
    assert ask(server, mount + b"/nowhere?key").status == 404
    guarded = ask(server, mount + b"/app.css")
    assert guarded.status == (403 if mount == b"/hooked/guarded" else 200)
