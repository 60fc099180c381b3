"""The chat, with all packages at once, under each server that says when it starts and stops."""

import asyncio
import re
import sqlite3
import sys
from contextlib import AsyncExitStack, closing

import pytest
from aiohttp import WSServerHandshakeError
from socketio.exceptions import ConnectionError as NotConnected

from support.chat import chat, come_in, hear
from support.socketio_clients import PATIENCE, browsing

pytestmark = pytest.mark.anyio

SERVERS = ["uvicorn", "hypercorn", "granian"]
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}
MAX_SOCKETS = 50


@pytest.fixture(scope="module", params=SERVERS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def folder(name, tmp_path_factory):
    return tmp_path_factory.mktemp(name)


@pytest.fixture(scope="module")
def server(name, folder):
    with chat(name, folder) as running:
        yield running
        assert_clean(running)


@pytest.fixture
async def ada(server):
    async with browsing(server) as browser:
        yield browser


@pytest.fixture
async def bob(server):
    async with browsing(server) as browser:
        yield browser


def assert_clean(server):
    assert "Traceback" not in server.log()
    assert "ERROR" not in server.log()


async def test_a_login_by_form_leads_into_the_chat_and_a_logout_out_of_it(ada):
    assert "Who are you?" in (await ada.get("/"))[1]
    assert 'data-name="Ada &lt;3"' in await come_in(ada, " Ada  <3 ")
    assert 'data-name="Ada &lt;3"' in (await ada.get("/"))[1]
    async with ada.http.post(ada.url + "/logout") as answer:
        assert "Who are you?" in await answer.text()


@pytest.mark.parametrize(
    ("typed", "advice"),
    [("  ", "Please tell us your name."), ("n" * 31, "At most 30 characters, please.")],
)
async def test_a_name_that_will_not_do_is_answered_with_advice(ada, typed, advice):
    async with ada.http.post(ada.url + "/login", data={"name": typed}) as answer:
        assert answer.status == 422
        assert advice in await answer.text()


async def test_the_page_names_its_files_and_they_are_served(ada):
    page = await come_in(ada, "Ada")
    files = re.findall(r'(?:href|src)="(/static/.+?)"', page)
    assert {path.rpartition(".")[2] for path in files} == {"css", "js", "svg"}
    for path in [*files, "/static/vendor/socket.io.esm.min.js"]:
        async with ada.http.get(ada.url + path) as answer:
            assert answer.status == 200, path
            assert answer.headers["Cache-Control"] == "max-age=60, public"


async def test_a_login_counts_in_another_process(name, folder, ada):
    await come_in(ada, "Ada")
    with chat(name, folder) as second:
        ada.url = second.url
        assert 'data-name="Ada"' in (await ada.get("/"))[1]
        assert_clean(second)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_two_people_talk_by_the_names_of_their_sessions(ada, bob, transport):
    await come_in(ada, "Ada")
    await come_in(bob, "Bob")
    at_adas, at_bobs = [
        await browser.connect(transports=TRANSPORTS[transport]) for browser in (ada, bob)
    ]
    assert at_adas.transport() == ("polling" if transport == "polling" else "websocket")
    assert await at_adas.call("say", " Hello ") is None
    assert await at_bobs.call("say", "<b>Hi</b>") is None
    for client in (at_adas, at_bobs):
        assert await hear(client) == ("Ada", "Hello")
        assert await hear(client) == ("Bob", "<b>Hi</b>")
    assert await at_adas.call("say", "x" * 1001) == "A message has 1000 characters at most."
    assert await at_adas.call("say", {"text": 1}) == "There is nothing in this message."
    # What no database takes; half a surrogate pair is not JSON that Socket.IO reads.
    assert await at_adas.call("say", "NUL \0") is None
    assert await hear(at_bobs) == ("Ada", "NUL \N{REPLACEMENT CHARACTER}")
    for last_id in (2**70, 2**31, True, "1"):
        assert await at_adas.call("catch_up", last_id) == []
    assert await at_adas.call("catch_up", -(2**70))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_has_not_logged_in_is_refused(ada, transport):
    with pytest.raises(NotConnected):
        await ada.connect(transports=TRANSPORTS[transport])
    assert ada.refusals[0]["message"] == "please log in"


async def test_who_has_logged_out_is_disconnected_at_the_next_word(ada, bob):
    await come_in(ada, "Ada")
    await come_in(bob, "Bob")
    at_adas, at_bobs = [await each.connect(transports=["websocket"]) for each in (ada, bob)]
    left = asyncio.Event()
    at_adas.on("disconnect", lambda reason: left.set())
    async with ada.http.post(ada.url + "/logout"):
        pass
    await at_adas.emit("say", "Still me")
    async with asyncio.timeout(PATIENCE):
        await left.wait()
    await at_bobs.call("say", "Bye")
    assert await hear(at_bobs) == ("Bob", "Bye")


async def test_who_comes_later_is_told_what_was_said(ada, bob):
    await come_in(ada, "Ada")
    at_adas = await ada.connect()
    for text in ("one", "two", "three"):
        await at_adas.call("say", text)
    *_, one, two, three = await at_adas.call("catch_up", 0)
    assert [message["text"] for message in (one, two, three)] == ["one", "two", "three"]
    assert one["id"] < two["id"] < three["id"]
    await come_in(bob, "Bob")
    assert await (await bob.connect()).call("catch_up", one["id"]) == [two, three]


async def test_the_mounted_app_knows_who_has_logged_in(ada):
    assert await ada.get("/transcript") == (403, "Please log in first.")
    await come_in(ada, "Ada")
    await (await ada.connect()).call("say", "for the record")
    async with ada.http.get(ada.url + "/transcript") as answer:
        assert answer.headers["Content-Disposition"] == "attachment; filename=transcript.txt"
        assert (await answer.text()).endswith(" UTC  Ada: for the record\n")
    async with ada.http.get(ada.url + "/transcript/json") as answer:
        assert (await answer.json())[-1]["text"] == "for the record"


BREAKS = ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("line_break", BREAKS, ids=ascii)
async def test_nobody_forges_a_line_of_the_transcript(ada, line_break):
    await come_in(ada, "Ada")
    forged = "2020-01-01 00:00 UTC  Bob: I owe you a pie"
    await (await ada.connect()).call("say", f"look{line_break}{forged}")
    async with ada.http.get(ada.url + "/transcript") as answer:
        lines = (await answer.text()).splitlines()
    assert [line for line in lines if line.endswith("a pie")][-1] == f"    | {forged}"
    assert forged not in lines


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/nowhere", 404),
        ("/static/chat.css", 200),
        ("/static/nothing.css", 404),
        ("/transcript", 403),
        ("/socket.io/?EIO=4&transport=polling", 200),
        ("/socket.io/?EIO=4&transport=polling&sid=unknown", 400),
    ],
)
async def test_a_hook_stands_in_front_of_everything(server, path, status):
    answer = server.get(path)
    assert answer.status == status
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'self';")


async def test_a_hook_counts_the_websockets_of_an_address(ada):
    url = f"{ada.url}/socket.io/?EIO=4&transport=websocket"
    async with AsyncExitStack() as stack:
        for _ in range(MAX_SOCKETS):
            await stack.enter_async_context(ada.http.ws_connect(url))
        with pytest.raises(WSServerHandshakeError) as refused:
            await ada.http.ws_connect(url)
        assert refused.value.status == 403
        # Socket.IO goes on without one.
        await come_in(ada, "Ada")
        client = await ada.connect()
        assert client.transport() == "polling"
        await client.call("say", "Hello")
        assert await hear(client) == ("Ada", "Hello")
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await (await ada.http.ws_connect(url)).close()
                break
            except WSServerHandshakeError:
                await asyncio.sleep(0.05)  # the server may not have noticed yet


async def test_start_and_stop_reach_every_part(name, tmp_path):
    if name == "hypercorn" and sys.version_info >= (3, 12):
        pytest.skip("Hypercorn 0.18 waits for open connections for ever, whatever app it runs")
    with chat(name, tmp_path) as server:
        with closing(sqlite3.connect(tmp_path / "chat.db")) as database:
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
        assert {"messages", "micropie_sessions"} <= tables
        async with browsing(server) as browser:
            await come_in(browser, "Ada")
            client = await browser.connect()
            goodbye = asyncio.Event()
            client.on("disconnect", lambda reason: goodbye.set())
            await client.call("say", "Hello")
            assert (tmp_path / "chat.db-wal").exists()
            await asyncio.to_thread(server.terminate)
            async with asyncio.timeout(PATIENCE):
                await goodbye.wait()
        # SQLite removes it when the last connection has been closed in order.
        assert not (tmp_path / "chat.db-wal").exists()
        # Hypercorn cuts connections, and logs that asyncio finds its tasks cancelled.
        if name != "hypercorn":
            assert_clean(server)
