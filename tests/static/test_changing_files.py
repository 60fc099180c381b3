"""Files that change, or vanish, while they are served."""

import asyncio
import errno
import itertools
import os
import threading
from types import SimpleNamespace

import pytest

from micropie import App
from micropie_static import Static, send_file
from support.asgi import PATIENCE, Client
from support.static_files import LARGE, SECRET, client_of, get, open_files

pytestmark = pytest.mark.anyio


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


async def test_a_server_that_takes_paths_sends_the_file_that_was_opened(root):
    app, sent = App(), []
    app.mount("/static", Static(root))
    client = Client(app, extensions={"http.response.pathsend": {}})

    async def send(message):  # the file is another before such a server could open a path
        replace(root / "large.bin")
        sent.append(message.get("body", b""))

    await app(client.scope("GET", "/static/large.bin"), asyncio.Event().wait, send)
    assert b"".join(sent) == LARGE
    assert open_files("large.bin") == []


def append(path):
    with path.open("ab") as file:
        file.write(b"more\n")


def replace(path):
    new = path.with_name("new of " + path.name)
    new.write_bytes(path.read_bytes() + b"next\n")
    new.replace(path)


def rewrite(path):
    path.write_bytes(b"short" if path.stat().st_size > 100 else b"rewritten " * 20)


@pytest.mark.parametrize("change", [append, replace, rewrite])
@pytest.mark.parametrize("name", ["hello.txt", "app.css", "large.bin"])
@pytest.mark.parametrize("autorefresh", [True, False, None], ids=["fresh", "frozen", "send_file"])
async def test_a_file_that_changes_at_every_look_is_served_as_it_was_opened(
    root, monkeypatch, change, name, autorefresh
):
    class Files(App):
        async def sent(self, name):
            return send_file(name, root=root)

    app = Files()
    app.mount("/static", Static(root, autorefresh=bool(autorefresh)))
    client = Client(app)
    url = f"/sent/{name}" if autorefresh is None else f"/static/{name}"
    assert (await client.get(url)).status == 200
    changed, opened = root / name, os.open
    contents = {}

    def after_a_change(look):
        def changing(path, *arguments, **options):
            if os.fspath(path).endswith(name):
                with monkeypatch.context() as undisturbed:
                    undisturbed.setattr(os, "open", opened)
                    change(changed)
            return look(path, *arguments, **options)

        return changing

    def kept(path, *arguments, **options):
        descriptor = opened(path, *arguments, **options)
        if os.fspath(path).endswith(name):
            contents[os.fstat(descriptor).st_size] = changed.read_bytes()
        return descriptor

    monkeypatch.setattr(os, "open", after_a_change(kept))
    monkeypatch.setattr(os, "lstat", after_a_change(os.lstat))
    for accepted in ("gzip", "identity"):
        answer = await get(client, url, accept_encoding=accepted)
        assert (answer.status, answer.complete) == (200, True)
        assert len(answer.body) == int(answer.header("content-length"))
        if answer.header("content-encoding") is None:
            assert answer.body == contents[len(answer.body)]


async def test_a_small_file_cut_short_at_every_reading_is_an_error(client, root, monkeypatch):
    fstat = os.fstat

    def longer(descriptor):
        status = fstat(descriptor)
        values = {name: getattr(status, name) for name in dir(status) if name.startswith("st_")}
        return SimpleNamespace(**values | {"st_size": status.st_size + 1})

    monkeypatch.setattr(os, "fstat", longer)
    with pytest.raises(EOFError, match=r"hello\.txt became shorter"):
        await client.get("/static/hello.txt")


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
