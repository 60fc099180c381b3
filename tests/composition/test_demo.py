"""The demo keeps, shares and announces what its visitors do, by the extensions."""

import os
import shutil
from contextlib import AsyncExitStack, contextmanager
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


def test_without_being_told_it_keeps_them_beside_the_app(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "*.db*")
    folder = shutil.copytree(DEMO, tmp_path / "demo", ignore=ignored)
    with serve("uvicorn", "app:app", folder, environment={"DATABASE_URL": ""}) as server:
        assert server.get("/").status == 200
        assert (folder / "demo.db").exists()


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


def test_the_pages_work_in_a_browser_wide_and_narrow(server):
    with chromium() as browser:
        pages, problems = [], []
        for _ in range(2):
            page = browser.new_page(viewport=DESKTOP)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda m: m.type == "error" and problems.append(m.text))
            page.goto(server.url)
            pages.append(page)
        ada, eve = pages
        leave_screenshot(ada, "demo-desktop")
        eve.goto(server.url + "/sign")
        eve.get_by_label("Your name").fill("<b>Eve</b>")
        eve.get_by_label("Your message").fill("A lovely pie, and lovely people.")
        eve.get_by_role("button", name="Sign").click()
        expect(eve.get_by_text("A lovely pie")).to_be_visible()
        # She has come back to the guestbook, which the others hear after that she has signed.
        news = ada.get_by_role("status")
        expect(news).to_have_text("<b>Eve</b> is reading the guestbook, too.")

        for page in (ada, eve):
            page.set_viewport_size(PHONE)
            page.goto(server.url + "/chat/kitchen")
            expect(page.get_by_role("status")).to_contain_text("You are here as")
        eve.get_by_label("Your message").fill("<i>Tea?</i>")
        eve.get_by_role("button", name="Send").click()
        expect(ada.get_by_role("log")).to_contain_text("<i>Tea?</i>")
        leave_screenshot(ada, "demo-chat-phone")

        for path in ("/", "/sign", "/files", "/entry/1", "/greet", "/aloud?pause=0"):
            ada.goto(server.url + path)
            assert ada.evaluate("document.documentElement.scrollWidth") == PHONE["width"], path
        ada.goto(server.url)
        eve.goto(server.url)
        expect(news).to_contain_text("<b>Eve</b>")
        leave_screenshot(ada, "demo-phone")
        assert problems == []


def test_the_examples_bring_the_same_client_of_socket_io():
    name = os.path.join("static", "vendor", "socket.io.esm.min.js")
    assert (DEMO / name).read_bytes() == (DEMO.parent / "chat" / name).read_bytes()
