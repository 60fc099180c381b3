"""Two workers, joined by a Redis that is killed and started again."""

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.redis_servers import redis_server
from support.servers import CLIENT_TIMEOUT, serve
from support.socketio_clients import browsing, next_event

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parent


def wait_for_two(redis):
    """Wait until both workers listen."""
    deadline = time.monotonic() + CLIENT_TIMEOUT
    while redis.command("PUBSUB", "NUMSUB", "socketio")[1] != 2:
        assert time.monotonic() < deadline, "the workers do not listen"
        time.sleep(0.02)


@pytest.fixture
def redis(tmp_path):
    with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
def workers(redis, monkeypatch):
    """Two servers with the same app; their logs must show nothing bad in the end."""
    monkeypatch.setenv("CHAT_REDIS", redis.url)
    with ExitStack() as stack:
        running = [stack.enter_context(serve("uvicorn", "chat_app:app", FOLDER)) for _ in range(2)]
        wait_for_two(redis)
        yield running
        for worker in running:
            worker.terminate()
            assert "Traceback" not in worker.log()
            assert "destroyed" not in worker.log()


async def test_what_one_worker_emits_reaches_the_clients_of_the_other(workers):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        clients = [await near.connect(transports=["websocket"]), await far.connect()]
        await near.get("/announce/pie")
        for client in clients:
            assert await next_event(client) == ("announcement", "pie")
        await far.get("/blob/3")
        for client in clients:
            assert await next_event(client) == ("blob", b"\0\0\0")
        await clients[1].call("join", "kitchen")
        await near.get("/announce/soup?room=kitchen")
        assert await next_event(clients[1]) == ("announcement", "soup")


async def test_redis_is_killed_and_comes_back(workers, redis):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        here, there = await near.connect(), await far.connect()
        redis.kill()
        assert await near.get("/announce/alone") == (200, "said")
        assert await next_event(here) == ("announcement", "alone")
        redis.start()
        await asyncio.to_thread(wait_for_two, redis)
        await near.get("/announce/again")
        assert await next_event(here) == ("announcement", "again")
        assert await next_event(there) == ("announcement", "again")
        await far.get("/announce/back")
        assert await next_event(here) == ("announcement", "back")
    for worker in workers:
        log = worker.log()
        assert log.count("Redis is away") == log.count("Redis is back") == 1


async def test_a_redis_that_does_not_answer_holds_nobody_up_for_long(workers, redis):
    async with browsing(workers[0]) as near:
        client = await near.connect()
        redis.pause()
        async with asyncio.timeout(CLIENT_TIMEOUT):
            assert await near.get("/announce/alone") == (200, "said")
        assert await next_event(client) == ("announcement", "alone")
        redis.resume()
