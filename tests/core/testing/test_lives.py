"""Test clients: when an app starts and stops, in which event loop, and who is left behind."""

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from contextlib import asynccontextmanager

import pytest

from micropie import App
from micropie.testing import AsyncTestClient, TestClient
from support.asgi import PATIENCE

pytestmark = pytest.mark.anyio


def test_an_app_starts_and_stops_with_its_client(site):
    with TestClient(site) as client:
        assert site.events == ["start"]
        client.get("/")
    assert site.events == ["start", "stop"]


async def test_an_app_starts_and_stops_with_its_asynchronous_client(site):
    async with AsyncTestClient(site) as client:
        assert site.events == ["start"]
        await client.get("/")
    assert site.events == ["start", "stop"]


def test_without_a_block_it_starts_with_the_first_request(site):
    client = TestClient(site)
    assert site.events == []
    client.get("/")
    client.get("/")
    assert site.events == ["start"]
    client.close()
    assert site.events == ["start", "stop"]


async def test_it_starts_once_for_requests_at_the_same_time(site):
    client = AsyncTestClient(site)
    await asyncio.gather(*(client.get("/") for _ in range(5)))
    await client.aclose()
    assert site.events == ["start", "stop"]


def test_clients_of_one_app_are_browsers_of_one_server(site):
    with TestClient(site) as ada:
        with TestClient(site) as bob:
            ada.get("/")
            bob.get("/")
        assert site.events == ["start"]
        assert ada.get("/").text == "Hello"
    assert site.events == ["start", "stop"]


def test_what_the_lifespan_yields_is_the_state_of_requests():
    @asynccontextmanager
    async def lifespan(app):
        yield {"oven": "hot"}

    class Kitchen(App):
        async def index(self):
            return self.request.scope["state"]["oven"]

    with TestClient(Kitchen(lifespan=lifespan)) as client:
        assert client.get("/").text == "hot"


def test_apps_that_are_mounted_live_too(site):
    outer = App()
    outer.mount("/below", site)
    with TestClient(outer):
        assert site.events == ["start"]
    assert site.events == ["start", "stop"]


# What goes wrong.


@pytest.mark.parametrize("raises", [True, False])
def test_an_error_at_the_start_is_raised(site, logged, raises):
    def fail():
        raise ValueError("no oven")

    site.startup_handlers.append(fail)
    threads = {*threading.enumerate()}  # those of earlier tests may end meanwhile
    client = TestClient(site, raise_app_exceptions=raises)
    with pytest.raises(ValueError, match="no oven"), client:
        pytest.fail("the block was entered")
    assert {*threading.enumerate()} <= threads
    with pytest.raises(ValueError, match="no oven"):
        TestClient(site).get("/")


async def test_an_error_at_the_start_is_raised_asynchronously(site, logged):
    def fail():
        raise ValueError("no oven")

    site.startup_handlers.append(fail)
    with pytest.raises(ValueError, match="no oven"):
        async with AsyncTestClient(site):
            pytest.fail("the block was entered")


def test_an_error_at_the_end_is_raised(site, logged):
    def fail():
        raise ValueError("the oven is still on")

    site.shutdown_handlers.append(fail)
    with pytest.raises(ValueError, match="still on"), TestClient(site) as client:
        client.get("/")
    assert site.events == ["start", "stop"]  # the other handlers ran


def test_an_app_that_says_that_it_can_not_start_is_believed():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no oven"})

    with pytest.raises(RuntimeError, match="no oven"):
        TestClient(app).get("/")


# Event loops.


def test_a_client_goes_on_in_another_event_loop(site):
    client = AsyncTestClient(site)

    async def visit():
        return (await client.get("/visits")).json()["visits"]

    assert [asyncio.run(visit()), asyncio.run(visit())] == [1, 2]
    assert site.events == ["start", "start"]  # the first loop took the app with it


async def test_a_client_is_used_in_two_event_loops_at_once(site):
    async with AsyncTestClient(site) as client:

        async def visit():
            return (await client.get("/")).text

        elsewhere = await asyncio.to_thread(asyncio.run, visit())
        assert [elsewhere, await visit()] == ["Hello", "Hello"]
        assert site.events == ["start"]


async def test_a_client_is_closed_from_another_event_loop(site):
    client = AsyncTestClient(site)
    await client.get("/")
    await asyncio.to_thread(asyncio.run, client.aclose())
    assert site.events == ["start", "stop"]


async def test_a_synchronous_client_works_where_an_event_loop_runs(site):
    with TestClient(site) as client:
        assert client.get("/").text == "Hello"


def test_a_client_is_used_by_several_threads(site):
    with TestClient(site) as client:
        answers = []
        visit = lambda: answers.append(client.get("/").text)  # noqa: E731
        threads = [threading.Thread(target=visit) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert answers == ["Hello"] * 5


# Clients that are never closed.


def test_a_client_that_is_forgotten_takes_its_thread_with_it(site):
    others = {*threading.enumerate()}
    client = TestClient(site)
    client.get("/")
    (thread,) = {*threading.enumerate()} - others
    del client
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("kind", ["TestClient", "AsyncTestClient"])
def test_a_client_that_is_never_closed_does_not_hold_up_the_exit(kind):
    code = f"""
        import asyncio
        from micropie import App
        from micropie.testing import {kind}

        class Hello(App):
            async def index(self):
                return "Hello"

            async def forever(self):
                while True:
                    yield "x"

        client = {kind}(Hello())

        def visit():
            print(client.get("/").text)
            return client.send(client.build_request("GET", "/forever"), stream=True)

        async def visit_asynchronously():
            print((await client.get("/")).text)
            return await client.send(client.build_request("GET", "/forever"), stream=True)

        is_async = {kind!r}.startswith("Async")
        response = asyncio.run(visit_asynchronously()) if is_async else visit()
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("Hello\n", "", 0)
