"""Static: which file answers, with which headers, and how much of it."""

import asyncio
import errno
import gzip
import itertools
import json
import os
import threading

import pytest

from micropie import App, HttpMiddleware
from micropie_static import Static, send_file
from support.asgi import PATIENCE, Client
from support.asgi_websocket import WebSocketClient
from support.raw_http import ask
from support.static_files import CSS, LARGE, MODIFIED, SECRET

pytestmark = pytest.mark.anyio

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"
LATER = "Wed, 15 Nov 2023 00:00:00 GMT"


def client_of(static, path="/static", **options):
    app = App(**options)
    app.mount(path, static)
    return Client(app)


async def get(client, url, **headers):
    """Return the answer to a GET with *headers*, whose names have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(url, headers=named)


# What is at which path.


@pytest.mark.parametrize(
    ("path", "content_type", "body"),
    [
        ("/app.css", 'text/css; charset="utf-8"', CSS),
        ("/app.0123456789ab.js", 'text/javascript; charset="utf-8"', b"let pie = 3.14;"),
        ("/empty.txt", 'text/plain; charset="utf-8"', b""),
        ("/large.bin", "application/octet-stream", LARGE),
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


# Caching.


@pytest.mark.parametrize(
    ("options", "plain", "hashed"),
    [
        ({}, "max-age=60, public", "max-age=315360000, public, immutable"),
        ({"max_age": 0}, "max-age=0, public", "max-age=315360000, public, immutable"),
        ({"max_age": None}, None, "max-age=315360000, public, immutable"),
        ({"immutable": False}, "max-age=60, public", "max-age=60, public"),
    ],
)
async def test_how_long_browsers_keep_a_file(root, options, plain, hashed):
    client = client_of(Static(root, **options))
    assert (await client.get("/static/app.css")).header("cache-control") == plain
    assert (await client.get("/static/app.0123456789ab.js")).header("cache-control") == hashed


async def test_headers_are_added_to_every_file_and_replace_the_usual(root):
    headers = {"Access-Control-Allow-Origin": "*", "cache-control": "no-store"}
    client = client_of(Static(root, headers=headers))
    for path in ("/static/app.css", "/static/app.0123456789ab.js"):
        answer = await client.get(path)
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("cache-control") == "no-store"


async def test_a_vary_of_ones_own_does_not_replace_that_of_the_variants(root):
    client = client_of(Static(root, headers={"Vary": "Origin"}))
    assert (await client.get("/static/app.css")).header("vary") == "Origin, Accept-Encoding"
    assert (await client.get("/static/hello.txt")).header("vary") == "Origin"


async def test_no_other_origin_may_read_a_file_unless_it_is_said(client):
    assert (await client.get("/static/app.css")).header("access-control-allow-origin") is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": "ETAG"}, 304),
        ({"if_none_match": "W/ETAG"}, 304),
        ({"if_none_match": '"other", ETAG, "more"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"other"'}, 200),
        ({"if_none_match": "nonsense"}, 200),
        ({"if_none_match": ""}, 200),
        ({"if_modified_since": DATE}, 304),
        ({"if_modified_since": LATER}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_modified_since": "Tue, 14 Nov 99999999999999999 22:13:20 GMT"}, 200),
        ({"if_modified_since": "0"}, 200),
        ({"if_none_match": '"other"', "if_modified_since": LATER}, 200),
        ({"if_none_match": "ETAG", "if_modified_since": EARLIER}, 304),
        ({"if_match": "ETAG"}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"other"'}, 412),
        ({"if_match": "W/ETAG"}, 412),
        ({"if_unmodified_since": DATE}, 200),
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_match": "ETAG", "if_unmodified_since": EARLIER}, 200),
        ({"if_match": "ETAG", "if_none_match": "ETAG"}, 304),
        ({"range": "bytes=0-4", "if_none_match": "ETAG"}, 304),
    ],
)
async def test_conditional_requests(client, headers, status):
    plain = await client.get("/static/hello.txt")
    etag = plain.header("etag")
    headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}
    answer = await get(client, "/static/hello.txt", **headers)
    assert answer.status == status
    if status != 412:
        assert answer.header("etag") == etag
        assert answer.header("cache-control") == plain.header("cache-control")
    assert answer.body == (plain.body if status == 200 else b"")


# Ranges.


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("bytes=0-4", 206, b"01234"),
        ("bytes=5-", 206, b"56789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=9-9", 206, b"9"),
        ("bytes=0-0", 206, b"0"),
        ("bytes=0-999", 206, b"0123456789"),
        ("bytes=-999", 206, b"0123456789"),
        ("bytes=3-" + "9" * 5000, 206, b"3456789"),
        ("bytes=" + "0" * 50 + "5-", 206, b"56789"),
        ("Bytes= 0-4 ", 206, b"01234"),
        ("bytes=10-", 416, b""),
        ("bytes=10-20", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=" + "9" * 5000 + "-", 416, b""),
        # Malformed, or more than one: ignored.
        ("bytes=5-3", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("bytes=+1-2", 200, b"0123456789"),
        ("bytes=1_0-", 200, b"0123456789"),
        ("bytes=--5", 200, b"0123456789"),
        ("lines=0-4", 200, b"0123456789"),
        ("0-4", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("bytes=" + ",".join(["0-"] * 5000), 200, b"0123456789"),
    ],
)
async def test_ranges(client, value, status, body):
    answer = await get(client, "/static/hello.txt", range=value)
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("content-length") == str(len(body))
    if status == 206:
        first = b"0123456789".index(body)
        expected = f"bytes {first}-{first + len(body) - 1}/10"
        assert answer.header("content-range") == expected
    elif status == 416:
        assert answer.header("content-range") == "bytes */10"


async def test_an_empty_file_has_no_range(client):
    for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        assert (await get(client, "/static/empty.txt", range=value)).status == 416


async def test_a_large_range_of_a_large_file(client):
    answer = await get(client, "/static/large.bin", range="bytes=1000-600000")
    assert (answer.status, answer.body) == (206, LARGE[1000:600_001])
    assert len(answer.chunks) > 1


async def test_a_range_means_nothing_to_head(client):
    answer = await client.head("/static/hello.txt", headers={"Range": "bytes=0-4"})
    assert (answer.status, answer.header("content-length")) == (200, "10")


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ("ETAG", 206),
        (DATE, 206),
        ('"other"', 200),
        ("W/ETAG", 200),
        (EARLIER, 200),
        (LATER, 200),
        ("nonsense", 200),
    ],
)
async def test_a_part_of_another_file_is_not_completed(client, if_range, status):
    etag = (await client.get("/static/hello.txt")).header("etag")
    value = if_range.replace("ETAG", etag)
    answer = await get(client, "/static/hello.txt", range="bytes=5-", if_range=value)
    assert answer.status == status


# Compressed variants.


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5, *;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, identity", None),
        ("gzip;q=nonsense", None),
        ("notgzip", None),
        ("deflate", None),
        ("*", None),
        ("", None),
    ],
)
async def test_a_compressed_variant_goes_to_who_accepts_it(client, accepted, encoding):
    answer = await get(client, "/static/app.css", accept_encoding=accepted)
    assert answer.header("content-encoding") == encoding
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("content-type") == 'text/css; charset="utf-8"'
    assert (gzip.decompress(answer.body) if encoding else answer.body) == CSS


async def test_the_smallest_accepted_variant_is_sent(root):
    (root / "app.css.br").write_bytes(b"br")
    (root / "app.css.zstd").write_bytes(b"z")
    client = client_of(Static(root))
    for accepted, body in {"gzip, br, zstd": b"z", "gzip, br": b"br"}.items():
        assert (await get(client, "/static/app.css", accept_encoding=accepted)).body == body


async def test_a_variant_has_an_etag_of_its_own(client):
    plain = await client.get("/static/app.css")
    packed = await get(client, "/static/app.css", accept_encoding="gzip")
    assert plain.header("etag") != packed.header("etag")
    again = await get(
        client, "/static/app.css", accept_encoding="gzip", if_none_match=packed.header("etag")
    )
    assert (again.status, again.header("vary")) == (304, "Accept-Encoding")


async def test_a_range_is_one_of_the_variant(client):
    packed = await get(client, "/static/app.css", accept_encoding="gzip")
    part = await get(client, "/static/app.css", accept_encoding="gzip", range="bytes=5-")
    assert (part.status, part.body) == (206, packed.body[5:])
    assert part.header("content-encoding") == "gzip"


async def test_a_variant_outside_of_the_root_is_none(client):
    answer = await get(client, "/static/hello.txt", accept_encoding="gzip")
    assert (answer.body, answer.header("vary")) == (b"0123456789", None)


async def test_an_absolute_path_leads_nowhere_even_into_the_root(client, root):
    assert (await client.get(f"/static/{root}/app.css")).status == 404


async def test_variants_of_the_same_size_and_time_have_different_etags(root):
    for suffix in ("gz", "br"):
        (root / f"app.css.{suffix}").write_bytes(b"12345")
        os.utime(root / f"app.css.{suffix}", (MODIFIED, MODIFIED))
    client = client_of(Static(root))
    answers = [await get(client, "/static/app.css", accept_encoding=e) for e in ("gzip", "br")]
    assert answers[0].header("etag") != answers[1].header("etag")


async def test_a_variant_larger_than_its_file_is_not_sent(root):
    (root / "app.css.gz").write_bytes(CSS * 2)
    client = client_of(Static(root))
    assert (await get(client, "/static/app.css", accept_encoding="gzip")).body == CSS


@pytest.mark.parametrize("first", ["gzip", "identity"])
async def test_a_file_edited_since_it_was_compressed_is_sent_as_it_is(client, root, first):
    (root / "app.css").write_bytes(b"edited" * 1000)  # larger than the variant
    answer = await get(client, "/static/app.css", accept_encoding=first)
    assert answer.body == b"edited" * 1000
    assert (await get(client, "/static/app.css", accept_encoding="gzip")).body == answer.body


@pytest.mark.parametrize("autorefresh", [False, True])
async def test_a_variant_outdated_from_the_start_is_not_sent(root, autorefresh):
    (root / "app.css").write_bytes(b"edited" * 1000)
    client = client_of(Static(root, autorefresh=autorefresh))
    answer = await get(client, "/static/app.css", accept_encoding="gzip")
    assert answer.body == b"edited" * 1000


# Files that change.


async def test_new_files_are_found_only_by_autorefresh(root):
    frozen = client_of(Static(root, autorefresh=False))
    fresh = client_of(Static(root, autorefresh=True))
    (root / "new.txt").write_text("new")
    assert (await frozen.get("/static/new.txt")).status == 404
    assert (await fresh.get("/static/new.txt")).text == "new"


async def test_autorefresh_follows_debug(root):
    app = App()
    app.mount("/static", Static(root))
    client = Client(app)
    (root / "new.txt").write_text("new")
    assert (await client.get("/static/new.txt")).status == 404
    app.debug = True
    assert (await client.get("/static/new.txt")).text == "new"
    (root / "new.txt").unlink()
    assert (await client.get("/static/new.txt")).status == 404


async def test_a_changed_file_is_served_as_it_is_now(client, root):
    before = await client.get("/static/hello.txt")
    for content in (b"longer than it was before", b"short", b""):
        (root / "hello.txt").write_bytes(content)
        answer = await client.get("/static/hello.txt")
        assert (answer.status, answer.body) == (200, content)
        assert answer.header("content-length") == str(len(content))
        assert answer.header("etag") != before.header("etag")
    stale = await get(client, "/static/hello.txt", if_none_match=before.header("etag"))
    assert stale.status == 200


async def test_a_deleted_file_is_a_404_until_it_is_back(client, root):
    (root / "hello.txt").unlink()
    assert (await client.get("/static/hello.txt")).status == 404
    (root / "hello.txt").write_bytes(b"back")
    assert (await client.get("/static/hello.txt")).text == "back"


@pytest.mark.parametrize("what", ["link", "linked folder", "folder", "pipe"])
async def test_a_file_replaced_by_what_is_none_is_a_404(client, root, what):
    secret = root.parent / "outside" / "app.css"
    os.utime(secret, (0, 0))
    if what == "linked folder":
        (root / "docs").rename(root / "moved")
        (root.parent / "outside" / "page.html").write_bytes(SECRET)
        (root / "docs").symlink_to(root.parent / "outside")
        assert (await client.get("/static/docs/page.html")).status == 404
        return
    (root / "hello.txt").unlink()
    if what == "link":
        (root / "hello.txt").symlink_to(secret)
    elif what == "folder":
        (root / "hello.txt").mkdir()
    else:
        os.mkfifo(root / "hello.txt")
    assert (await client.get("/static/hello.txt")).status == 404


@pytest.mark.parametrize(("where", "look"), [("static", 1), ("sent", 1)])
async def test_a_file_that_becomes_a_link_while_it_is_looked_at_is_a_404(
    root, monkeypatch, where, look
):
    class Files(App):
        async def sent(self, name):
            return send_file(name, root=root)

    app = Files()
    app.mount("/static", Static(root, autorefresh=True))
    resolve = os.path.realpath
    looks = itertools.count(1)

    def resolve_and_swap(path, **options):
        real = resolve(path, **options)
        if os.path.basename(path) == "hello.txt" and next(looks) == look:
            (root / "hello.txt").unlink()
            (root / "hello.txt").symlink_to(root.parent / "secret.txt")
        return real

    monkeypatch.setattr(os.path, "realpath", resolve_and_swap)
    answer = await Client(app).get(f"/{where}/hello.txt")
    assert (answer.status, answer.text) == (404, "404 Not Found")
    assert (root / "hello.txt").is_symlink()


async def test_a_file_that_may_not_be_read_is_a_404_and_a_line_in_the_log(
    client, root, caplog, monkeypatch
):
    forbidden = root / "hello.txt"
    forbidden.chmod(0)
    if os.geteuid() == 0:  # who may read everything
        opened = os.open

        def refuse(path, *arguments, **options):
            if path == str(forbidden):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", refuse)
    assert (await client.get("/static/hello.txt")).status == 404
    assert str(forbidden) in caplog.text


async def test_a_file_replaced_while_it_is_sent_is_sent_as_it_was(client, root):
    async with client.open("GET", "/static/large.bin") as exchange:
        await exchange.started()
        exchange.pause()
        first = await exchange.chunk()
        (root / "new").write_bytes(b"new")
        (root / "new").rename(root / "large.bin")
        exchange.resume()
        answer = await exchange.finish()
    assert answer.body == LARGE
    assert first == LARGE[: len(first)]
    assert (await client.get("/static/large.bin")).body == b"new"


async def test_a_file_cut_short_while_it_is_sent_ends_the_connection(client, root):
    async with client.open("GET", "/static/large.bin") as exchange:
        await exchange.started()
        exchange.pause()
        await exchange.chunk()
        os.truncate(root / "large.bin", 300_000)
        exchange.resume()
        answer = await exchange.finish()
    assert not answer.complete
    assert "became shorter" in str(answer.error)


async def test_a_client_that_leaves_is_sent_no_more(client):
    async with client.open("GET", "/static/large.bin") as exchange:
        await exchange.started()
        exchange.pause()
        await exchange.chunk()
        exchange.disconnect()
        exchange.resume()
        await exchange.ended()
    assert sum(len(message.get("body", b"")) for message in exchange.messages) < len(LARGE)
    assert open_files("large.bin") == []


async def test_slow_clients_hold_no_thread(client):
    async with asyncio.timeout(PATIENCE):
        exchanges = []
        for _ in range(100):  # more than there are threads
            exchange = client.open("GET", "/static/large.bin")
            entered = await exchange.__aenter__()
            await entered.started()
            entered.pause()
            await entered.chunk()
            exchanges.append((exchange, entered))
        assert (await client.get("/static/hello.txt")).body == b"0123456789"
        assert threading.active_count() < 60
        for exchange, entered in exchanges:
            entered.disconnect()
            entered.resume()
            await entered.ended()
            await exchange.__aexit__(None, None, None)
    assert open_files("large.bin") == []


def open_files(name):
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            continue  # that of the listing itself
    return [link for link in links if link.endswith(name)]


# Sending by the server.


@pytest.mark.parametrize("extension", ["http.response.pathsend", "http.response.zerocopysend"])
@pytest.mark.parametrize("value", [None, "bytes=1000-600000"], ids=["whole file", "part"])
async def test_a_large_file_is_left_to_a_server_that_can(root, extension, value):
    app = App()
    app.mount("/static", Static(root))
    scope = Client(app, extensions={extension: {}}).scope("GET", "/static/large.bin")
    scope["headers"] = [(b"range", value.encode())] if value else []
    sent = []

    async def send(message):
        if "file" in message:  # what it says about the file holds only until this returns
            count = message.get("count")
            message["read"] = os.pread(message["file"].fileno(), count, message["offset"])
        sent.append(message)

    async def receive():
        return await asyncio.Event().wait()

    await app(scope, receive, send)
    expected = LARGE[1000:600_001] if value else LARGE
    kinds = [message["type"] for message in sent]
    if extension.endswith("zerocopysend"):
        assert kinds == ["http.response.start", extension]
        assert sent[1]["read"] == expected
        assert sent[1]["file"].closed
    elif value is None:
        assert kinds == ["http.response.start", extension]
        assert sent[1]["path"] == str(root / "large.bin")
    else:  # a path stands for the whole file
        assert set(kinds[1:]) == {"http.response.body"}
        assert b"".join(message["body"] for message in sent[1:]) == expected
    assert open_files("large.bin") == []


# What it can't serve.


def test_a_root_that_is_no_folder_is_refused_at_once(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist; create it"):
        Static(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file is not a folder"):
        Static(tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_age": -1}, "max_age"),
        ({"max_age": "60"}, "max_age"),
        ({"index": ""}, "index"),
        ({"index": "a/b"}, "index"),
        ({"headers": {"X": "a\r\nb"}}, "headers"),
        ({"headers": {"X Y": "a"}}, "headers"),
        ({"headers": {"X": "日本"}}, "headers"),
        ({"headers": {"ETag": '"1"'}}, "'ETag' is made from the file"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(root, options, told):
    with pytest.raises(ValueError, match=told):
        Static(root, **options)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"paths": []}', "\xff"])
def test_a_broken_manifest_is_refused(root, text):
    (root / "staticfiles.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match="is not a manifest"):
        Static(root)


# URLs.


def with_manifest(root, **paths):
    (root / "staticfiles.json").write_text(json.dumps({"paths": paths, "version": "1.0"}))


@pytest.mark.parametrize("root_path", ["", "/outer"])
@pytest.mark.parametrize("path", ["/", "/static", "/deep/static/"])
async def test_a_url_has_hash_prefix_and_root_path(root, path, root_path):
    with_manifest(root, **{"app.css": "app.0123456789ab.css"})
    static = Static(root)

    class Pages(App):
        async def index(self):
            return [static.url("app.css"), static.url("/app.css"), static.url("a b/ü.txt")]

    app = Pages()
    app.mount(path, static)
    base = root_path + path.rstrip("/")
    hashed = f"{base}/app.0123456789ab.css"
    answer = await Client(app, root_path=root_path).get(root_path + "/")
    assert answer.json == [hashed, hashed, f"{base}/a%20b/%C3%BC.txt"]


async def test_a_url_in_a_request_of_an_app_below(root):
    static = Static(root)

    class Child(App):
        async def index(self):
            return static.url("app.css")

    app = App()
    app.mount("/static", static)
    app.mount("/child", Child())
    assert (await Client(app).get("/child")).text == "/static/app.css"


def test_a_url_outside_of_a_request(root):
    static = Static(root)
    with pytest.raises(RuntimeError, match="mount this first"):
        static.url("app.css")
    App().mount("/static", static)
    assert static.url("app.css") == "/static/app.css"


def test_a_new_manifest_is_read_only_by_autorefresh(root):
    frozen, fresh = Static(root), Static(root, autorefresh=True)
    for static in (frozen, fresh):
        App().mount("/static", static)
    with_manifest(root, **{"app.css": "app.1.css"})
    assert frozen.url("app.css") == "/static/app.css"
    assert fresh.url("app.css") == "/static/app.1.css"
    (root / "staticfiles.json").unlink()
    assert fresh.url("app.css") == "/static/app.css"


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
