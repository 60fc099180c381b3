"""The chat on two workers that Redis joins, behind nginx as its example configures it."""

import asyncio
import http.client
import os
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass

import pytest
from socketio.exceptions import ConnectionError as NotConnected

from support.chat import EXAMPLE, chat, come_in, hear
from support.nginx import nginx
from support.redis_servers import redis_server
from support.servers import CLIENT_TIMEOUT, HOST, Server, reserved_port
from support.socketio_clients import Browser, browsing

pytestmark = pytest.mark.anyio

CONFIGURATION = (EXAMPLE / "nginx.conf").read_text()
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}

# Two browsers of so many reach different workers, but for one time in a billion.
MANY = 30


@dataclass
class Site:
    """nginx, and the workers behind it."""

    nginx: Server
    workers: list[Server]

    async def worker_of(self, browser):
        """Return the worker that nginx sends *browser* to."""
        path = f"/seen/{os.urandom(8).hex()}"
        assert (await browser.get(path))[0] == 404
        (worker,) = [worker for worker in self.workers if path in worker.log()]
        return worker


def adapted(*ports, static=False):
    """Return the configuration with other ports; with the part that is optional if so told."""
    text = CONFIGURATION
    for given, port in zip((8000, 8001, 8002), ports, strict=True):
        assert text.count(f"127.0.0.1:{given}") == 1
        text = text.replace(f"127.0.0.1:{given}", f"127.0.0.1:{port}")
    if static:
        before, mark, after = text.partition("        #location /static/")
        text = before + (mark + after).replace("        #", "        ")
        assert text.count("/srv/chat/static/") == 1
        text = text.replace("/srv/chat/static/", "static/")
    return text


@contextmanager
def site(folder, *, user=None, static=False):
    with ExitStack() as stack:
        enter = stack.enter_context
        redis_url = enter(redis_server(folder / "redis")).url
        ports = [enter(reserved_port()) for _ in range(3)]
        workers = [
            enter(chat("uvicorn", folder, redis_url=redis_url, port=port)) for port in ports[1:]
        ]
        configuration = adapted(*ports, static=static)
        files = EXAMPLE / "static" if static else None
        yield Site(enter(nginx(configuration, ports[0], user=user, static=files)), workers)


@pytest.fixture(scope="module", params=[None, "nobody"], ids=["same user", "unprivileged"])
def whole(request, tmp_path_factory):
    if request.param and os.geteuid() != 0:
        pytest.skip("only root can be somebody else, and the other half is unprivileged as well")
    with site(tmp_path_factory.mktemp("site"), user=request.param) as running:
        yield running
        for worker in running.workers:
            assert "Traceback" not in worker.log()
            assert "ERROR" not in worker.log()
        assert "[error]" not in running.nginx.log()
        assert "[crit]" not in running.nginx.log()


@pytest.fixture
async def pair(whole):
    """Return two browsers that have logged in, as Ada and Bob, and reach different workers."""
    async with AsyncExitStack() as stack:
        yield await two_browsers(whole, stack)


async def two_browsers(whole, stack):
    ada = await stack.enter_async_context(browsing(whole.nginx))
    await come_in(ada, "Ada")
    worker = await whole.worker_of(ada)
    for _ in range(MANY):
        bob = await stack.enter_async_context(browsing(whole.nginx))
        await come_in(bob, "Bob")
        if await whole.worker_of(bob) is not worker:
            return ada, bob
    raise AssertionError("all browsers reach the same worker")


async def connect(browser: Browser, transports, **options):
    # As the page does: browsers say where it is from.
    headers = {"Origin": browser.url}
    return await browser.connect(transports=transports, headers=headers, **options)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_clients_of_different_workers_hear_each_other(pair, transport):
    clients = [await connect(browser, TRANSPORTS[transport]) for browser in pair]
    for client in clients:
        assert client.transport() == ("polling" if transport == "polling" else "websocket")
    for number in range(5):
        for speaker, name in zip(clients, ("Ada", "Bob"), strict=True):
            assert await speaker.call("say", f"No. {number}") is None
            for listener in clients:
                assert await hear(listener) == (name, f"No. {number}")


async def test_a_client_that_polls_and_one_that_does_not_hear_each_other(pair):
    ada, bob = pair
    polling, websocket = await connect(ada, ["polling"]), await connect(bob, ["websocket"])
    await polling.call("say", "Hello")
    await websocket.call("say", "Hi")
    for client in (polling, websocket):
        assert [await hear(client), await hear(client)] == [("Ada", "Hello"), ("Bob", "Hi")]


async def test_what_was_said_to_one_worker_is_in_the_history_of_the_other(pair):
    ada, bob = pair
    await (await connect(ada, None)).call("say", "Remember this")
    *_, last = await (await connect(bob, None)).call("catch_up", 0)
    assert last["text"] == "Remember this"


async def test_a_message_that_nginx_keeps_in_a_file_arrives(pair):
    client = await connect(pair[0], ["polling"])
    answer = await client.call("say", "x" * 900_000)
    assert answer == "A message has 1000 characters at most."


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_pages_of_other_origins_can_not_connect(pair, transport):
    headers = {"Origin": "https://elsewhere.example"}
    with pytest.raises(NotConnected):
        await pair[0].connect(transports=[transport], headers=headers)


async def test_the_workers_know_the_address_of_the_client(whole):
    def ask():
        source = ("127.0.0.9", 0)
        client = http.client.HTTPConnection(
            HOST, whole.nginx.port, timeout=CLIENT_TIMEOUT, source_address=source
        )
        client.request("GET", "/who-am-i", headers={"X-Forwarded-For": "203.0.113.1"})
        assert client.getresponse().status == 404
        client.close()

    await asyncio.to_thread(ask)
    (line,) = [
        line
        for worker in whole.workers
        for line in worker.log().splitlines()
        if "/who-am-i" in line
    ]
    assert "127.0.0.9:" in line


def test_nginx_can_serve_the_static_files_itself(tmp_path):
    with site(tmp_path, static=True) as whole:
        script = whole.nginx.get("/static/chat.js")
        assert script.body == (EXAMPLE / "static" / "chat.js").read_bytes()
        assert script.headers["Content-Type"] in ("application/javascript", "text/javascript")
        assert script.headers["Cache-Control"] == "max-age=60"
        assert whole.nginx.get("/static/..%2fapp.py").status in (400, 404)
        assert whole.nginx.get("/").status == 200
        for worker in whole.workers:
            assert "/static/chat.js" not in worker.log()


async def test_clients_of_a_worker_that_dies_go_on_at_the_other(tmp_path):
    with site(tmp_path) as whole:
        async with AsyncExitStack() as stack:
            ada, bob = await two_browsers(whole, stack)
            at_adas = await connect(ada, None, reconnection=True)
            at_bobs = await connect(bob, None)
            back = asyncio.Event()
            at_adas.on("connect", back.set)
            (await whole.worker_of(ada)).kill()
            async with asyncio.timeout(CLIENT_TIMEOUT):
                await back.wait()
            await at_adas.call("say", "Where was I?")
            for client in (at_adas, at_bobs):
                assert await hear(client) == ("Ada", "Where was I?")
