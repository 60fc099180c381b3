"""The HTTP session of a browser in event handlers, and where SocketIO may be mounted."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

import socketio
from support.redis_servers import redis_server
from support.servers import serve
from support.socketio_clients import browsing

FOLDER = Path(__file__).parent

pytestmark = [
    pytest.mark.anyio,
    # The client leaves a connection that is refused to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


async def test_a_login_by_form_is_a_login_on_the_socket(browser, other, transports):
    await browser.get("/login/Ada")
    ada, guest = await browser.connect(transports=transports), await other.connect()
    assert await ada.call("name") == "Ada"
    assert await guest.call("name") is None


async def test_what_an_event_handler_changes_the_pages_see(browser, transports):
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports)
    await client.call("remember", ("pie", "apple"))
    assert await browser.get("/whoami") == (200, '{"name":"Ada","pie":"apple"}')


async def test_what_a_page_changes_the_socket_sees(browser, transports):
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports)
    await browser.get("/rename/Bob")
    assert await client.call("name") == "Bob"


async def test_a_logout_is_a_logout_on_the_socket(browser, transports):
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports)
    await browser.get("/logout")
    assert await client.call("name") is None


async def test_both_keep_what_they_set_at_the_same_time(browser, transports):
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports)
    await client.emit("remember_slowly", ("pie", "apple"))
    assert (await browser.get("/log?line=remembering"))[0] == 200
    await browser.get("/rename/Bob")
    await browser.get("/release")
    assert (await browser.get("/log?line=remembered"))[0] == 200
    assert await browser.get("/whoami") == (200, '{"name":"Bob","pie":"apple"}')


async def test_an_event_handler_starts_no_session(browser, transports):
    """Only a response can set its cookie."""
    client = await browser.connect(transports=transports)
    assert await client.call("try_to_remember") == "start the session in an HTTP handler"
    assert await browser.get("/whoami") == (200, "{}")


async def test_a_namespace_has_the_session_and_may_refuse_by_it(browser, transports):
    with pytest.raises(socketio.exceptions.ConnectionError):
        await browser.connect(transports=transports, namespaces=["/room"])
    assert browser.refusals == []
    await browser.get("/login/Ada")
    client = await browser.connect(transports=transports, namespaces=["/room"])
    assert await client.call("name", namespace="/room") == "Ada"


async def test_a_client_that_is_not_connected_has_none(browser):
    assert (await browser.get("/session_of/nobody"))[1] == "no client 'nobody' in namespace '/'"


MOUNTED = """
from micropie import App, InMemorySessionBackend
from micropie_socketio import SocketIO

class Site(App):
    async def login(self, name):
        self.session["name"] = name

class Part(Site):
    pass

app = Site()
shared, apart = Part(), Part(session_backend=InMemorySessionBackend(), session_cookie="apart")
app.mount("/shared", shared)
app.mount("/apart", apart)
servers = {
    "": SocketIO(app, path="/own/path"),
    "shared": SocketIO(shared),
    "apart": SocketIO(apart),
}

for sio in servers.values():
    @sio.event
    async def name(sid, sio=sio):
        async with sio.http_session(sid) as session:
            session["seen"] = True
            return session["name"]
"""

PLACES = {"/own/path": "", "/shared/socket.io": "/shared", "/apart/socket.io": "/apart"}


@pytest.fixture(scope="module")
def mounted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mounted")
    (folder / "mounted_app.py").write_text(MOUNTED)
    with serve("uvicorn", "mounted_app:app", folder) as running:
        yield running
        assert "Traceback" not in running.log()


@pytest.mark.parametrize("path", PLACES)
async def test_it_works_wherever_it_is_mounted(mounted, transports, path):
    async with browsing(mounted) as browser:
        await browser.get(f"{PLACES[path]}/login/Ada")
        client = await browser.connect(transports=transports, socketio_path=path)
        assert await client.call("name") == "Ada"


async def test_an_app_below_another_shares_its_session(mounted, transports):
    async with browsing(mounted) as browser:
        await browser.get("/login/Ada")
        client = await browser.connect(transports=transports, socketio_path="/shared/socket.io")
        assert await client.call("name") == "Ada"


@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "whole"])
async def test_it_works_behind_a_prefix(tmp_path, transports, strips):
    """Of a proxy that strips the prefix from the path, and of one that does not."""
    (tmp_path / "mounted_app.py").write_text(
        MOUNTED
        + """
site = app

async def app(scope, receive, send):
    if scope["type"] != "lifespan":
        if not STRIPS:
            assert scope["path"].startswith("/prefix/")
        scope = {**scope, "root_path": "/prefix"}
        if STRIPS and scope["path"].startswith("/prefix/"):
            scope["path"] = scope["path"].removeprefix("/prefix")
            scope["raw_path"] = scope["raw_path"].removeprefix(b"/prefix")
    await site(scope, receive, send)
""".replace("STRIPS", str(strips))
    )
    with serve("uvicorn", "mounted_app:app", tmp_path) as running:
        async with browsing(running) as browser:
            await browser.get("/prefix/shared/login/Ada")
            for path in ("/prefix/own/path", "/prefix/shared/socket.io"):
                client = await browser.connect(transports=transports, socketio_path=path)
                assert await client.call("name") == "Ada"


@pytest.fixture
def logouts(monkeypatch, tmp_path):
    """Two workers that share sessions, and disconnect whose session is deleted."""
    with redis_server(tmp_path / "redis") as redis, ExitStack() as stack:
        monkeypatch.setenv("CHAT_SESSIONS", redis.url)
        monkeypatch.setenv("CHAT_LOGOUT", "1")
        yield [stack.enter_context(serve("uvicorn", "chat_app:app", FOLDER)) for _ in range(2)]


@pytest.mark.parametrize("ending", ["/logout", "/login/Ada"], ids=["logout", "new login"])
async def test_who_logs_out_is_disconnected_by_every_worker(logouts, ending):
    async with browsing(logouts[0]) as ada, browsing(logouts[1]) as other:
        await ada.get("/login/Ada")
        other.http = ada.http  # the same browser, at another worker
        clients = [
            (ada, await ada.connect(transports=["polling"])),
            (ada, await ada.connect(transports=["websocket"])),
            (other, await other.connect()),
        ]
        sids = [(browser, client.get_sid()) for browser, client in clients]
        async with browsing(logouts[0]) as bob, browsing(logouts[0]) as guest:
            await bob.get("/login/Bob")
            stays = [await bob.connect(), await guest.connect()]
            await ada.get(ending)
            for browser, sid in sids:
                assert (await browser.get(f"/gone/{sid}"))[0] == 204
            for client in stays:
                assert await client.call("add", (1, 2)) == 3


@pytest.mark.parametrize("is_connected", [True, False])
async def test_a_session_is_used_while_its_socket_lives(monkeypatch, transports, is_connected):
    monkeypatch.setenv("CHAT_SESSION_TIMEOUT", "1")
    with serve("uvicorn", "chat_app:app", FOLDER) as running:
        async with browsing(running) as browser:
            await browser.get("/login/Ada")
            if is_connected:
                await browser.connect(transports=transports)
            await asyncio.sleep(3)  # three times the timeout
            name = '{"name":"Ada"}' if is_connected else "{}"
            assert await browser.get("/whoami") == (200, name)
