"""The demo keeps, shares and announces what its visitors do, by the extensions."""

from contextlib import AsyncExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from aiohttp import WSServerHandshakeError
from playwright.sync_api import expect

from support.browser import chromium
from support.redis_servers import redis_server
from support.screenshots import leave_screenshot
from support.servers import serve
from support.socketio_clients import browsing, next_event

DEMO = Path(__file__).parents[2] / "examples" / "demo"
DESKTOP = {"width": 1200, "height": 800}
PHONE = {"width": 390, "height": 844}
CHAIRS = 80


@contextmanager
def demo(folder, *, redis_url="", options=()):
    environment = {"DATABASE_URL": f"sqlite:///{folder}/demo.db", "REDIS_URL": redis_url}
    with serve("uvicorn", "app:app", DEMO, options=options, environment=environment) as server:
        yield server
        assert "Traceback" not in server.log()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


async def sign(browser, name):
    form = {"name": name, "message": "Hello"}
    async with browser.http.post(browser.url + "/sign", data=form) as answer:
        assert answer.status == 200


async def visitor(browser):
    async with browser.http.get(browser.url + "/api/visitor") as answer:
        return await answer.json()


@pytest.mark.anyio
@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_visitors_are_known_after_a_restart(store, tmp_path):
    with redis_server(tmp_path / "redis") as redis:
        redis_url = redis.url if store == "redis" else ""
        with demo(tmp_path, redis_url=redis_url) as server:
            async with browsing(server) as ada:
                await sign(ada, "Ada")
                cookies = {cookie.key: cookie.value for cookie in ada.http.cookie_jar}
        with demo(tmp_path, redis_url=redis_url) as server:
            async with browsing(server) as ada:
                ada.http.cookie_jar.update_cookies(cookies)
                assert await visitor(ada) == {"name": "Ada", "visits": 1}
        assert bool(redis.command("DBSIZE")) is (store == "redis")
        assert (tmp_path / "demo.db").exists() is (store == "sqlite")


@pytest.mark.anyio
async def test_who_reads_the_guestbook_hears_of_others(server):
    async with browsing(server) as ada, browsing(server) as bob:
        at_adas = await ada.connect(transports=["websocket"])
        await sign(bob, "Bob")
        event, (name, address) = await next_event(at_adas)
        assert (event, name) == ("signed", "Bob")
        assert (await ada.get(address))[0] == 200
        await bob.connect(transports=["websocket"])
        assert await next_event(at_adas) == ("arrived", "Bob")


@pytest.mark.anyio
async def test_the_chat_and_socket_io_share_the_chairs(server):
    async with browsing(server) as ada, AsyncExitStack() as stack:
        chat, live = "/chat", "/socket.io/?EIO=4&transport=websocket"
        paths = [chat, live] * (CHAIRS // 2)
        for path in paths:
            await stack.enter_async_context(ada.http.ws_connect(ada.url + path))
        for path in (chat, live):
            with pytest.raises(WSServerHandshakeError) as refused:
                await ada.http.ws_connect(ada.url + path)
            assert refused.value.status == 403
        assert (await ada.get("/chat"))[0] == 200


def read_until(page, news, text):
    """Open the guestbook in *page*, until others hear of it: they may not be connected yet."""
    for _ in range(10):
        page.goto("/")
        with suppress(AssertionError):
            expect(news).to_have_text(text, timeout=6000)
            return
    raise AssertionError(f"nobody heard: {text}")


def test_the_pages_work_in_a_browser_wide_and_narrow(server):
    with chromium() as browser:
        pages, problems = [], []
        for _ in range(2):
            page = browser.new_page(viewport=DESKTOP, base_url=server.url)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda m: m.type == "error" and problems.append(m.text))
            page.goto("/")
            pages.append(page)
        ada, eve = pages
        leave_screenshot(ada, "demo-desktop")
        eve.goto("/sign")
        eve.get_by_label("Your name").fill("<b>Eve</b>")
        eve.get_by_label("Your message").fill("A lovely pie, and lovely people.")
        eve.get_by_role("button", name="Sign").click()
        expect(eve.get_by_text("A lovely pie")).to_be_visible()
        news = ada.get_by_role("status")
        read_until(eve, news, "<b>Eve</b> is reading the guestbook, too.")

        for page in (ada, eve):
            page.set_viewport_size(PHONE)
            page.goto("/chat/kitchen")
            expect(page.get_by_role("status")).to_contain_text("You are here as")
        eve.get_by_label("Your message").fill("<i>Tea?</i>")
        eve.get_by_role("button", name="Send").click()
        expect(ada.get_by_role("log")).to_contain_text("<i>Tea?</i>")
        leave_screenshot(ada, "demo-chat-phone")

        for path in ("/", "/sign", "/files", "/entry/1", "/greet", "/aloud?pause=0"):
            ada.goto(path)
            assert ada.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
        ada.goto("/")
        read_until(eve, news, "<b>Eve</b> is reading the guestbook, too.")
        leave_screenshot(ada, "demo-phone")
        assert problems == []
