"""Two workers, joined by a Redis that is killed and started again."""

import ast
import asyncio
import pickle
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.redis_servers import redis_sentinel, redis_server
from support.servers import CLIENT_TIMEOUT, serve, wait_until
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
        for worker in workers:
            await asyncio.to_thread(wait_until, lambda worker=worker: "away" in worker.log())
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


ANSWERS = {
    "text": "Pie!",
    "nothing": None,
    "bytes": b"\0\xff",
    "several": ("a", b"\1", {"pies": [b"\2", None]}),
    "what looks like bytes": {"_placeholder": True, "num": 0},
}


@pytest.mark.parametrize("answer", ANSWERS)
async def test_a_client_of_another_worker_answers(workers, answer):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        client = await far.connect(transports=["websocket"])
        client.on("question", lambda _: ANSWERS[answer])
        status, said = await near.get(f"/question/{client.get_sid()}")
        assert (status, ast.literal_eval(said)) == (200, ANSWERS[answer])
        assert (await near.get("/pending/0"))[0] == 204


@pytest.mark.parametrize("cause", ["kick", "question_later"])
async def test_a_handler_that_never_ends_holds_up_no_other_worker(workers, cause):
    """Of disconnect, run because another worker disconnects; and a callback."""
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        here, there = await near.connect(), await far.connect()
        if cause == "kick":
            sid = here.get_sid()
            await near.get("/slow_down")
            await far.get(f"/kick/{sid}")
            line = f"disconnect {sid}"
        else:
            there.on("question", lambda _: "Pie!")
            await near.get(f"/question_later/{there.get_sid()}")
            line = "answer%20('Pie!',)"
        assert (await near.get(f"/log?line={line}"))[0] == 200  # it runs
        other = await near.connect()
        await far.get("/announce/soup")
        assert await next_event(other) == ("announcement", "soup")
        await near.get("/release")


async def test_callbacks_of_clients_of_another_worker_are_forgotten(workers):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        silent = await far.connect(transports=["websocket"])
        never = asyncio.Event()

        @silent.on("question")
        async def answer(question):
            await never.wait()

        sid = silent.get_sid()
        assert (await near.get(f"/question/{sid}?timeout=0.05")) == (200, "no answer")
        assert (await near.get("/pending/0"))[0] == 204
        await near.get(f"/question_later/{sid}")
        assert (await near.get("/pending/1"))[0] == 204
        await silent.disconnect()
        assert (await near.get("/pending/0"))[0] == 204


async def test_an_answer_that_comes_too_late_is_not_taken_for_another(workers):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        client = await far.connect(transports=["websocket"])
        answers: asyncio.Queue[str] = asyncio.Queue()

        @client.on("question")
        async def answer(question):
            return await answers.get()

        sid = client.get_sid()
        assert (await near.get(f"/question/{sid}?timeout=0.05")) == (200, "no answer")
        second = asyncio.create_task(near.get(f"/question/{sid}"))
        await answers.put("late")
        await answers.put("in time")
        assert await second == (200, "'in time'")


MESSAGES = [
    b"garbage",
    b"\x80\x04\x95",
    b"[]",
    b"null",
    b"{}",
    b'{"method":"callback"}',
    b'{"method":"disconnect","host_id":"x"}',
    b'{"method":["callback"],"host_id":"x"}',
    b"[" * 100_000,
]


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self._path = path

    def __reduce__(self):
        return open, (str(self._path), "w")


async def test_what_else_comes_over_redis_is_passed_over(workers, redis, tmp_path):
    async with browsing(workers[0]) as near, browsing(workers[1]) as far:
        client = await far.connect()
        for message in [*MESSAGES, pickle.dumps(Bomb(tmp_path / "ran"))]:
            redis.command("PUBLISH", "socketio", message)
        await near.get("/announce/pie")
        assert await next_event(client) == ("announcement", "pie")
    assert not (tmp_path / "ran").exists()


async def test_workers_follow_a_failover_by_sentinel(tmp_path, monkeypatch):
    """Nothing is lost but what is emitted in between, and nothing comes twice."""
    with redis_sentinel(tmp_path) as watched, ExitStack() as stack:
        monkeypatch.setenv("CHAT_SENTINEL", str(watched.sentinel.port))
        near, far = (stack.enter_context(serve("uvicorn", "chat_app:app", FOLDER)) for _ in "ab")
        wait_for_two(watched.master)
        async with browsing(near) as one, browsing(far) as other:
            await one.connect()
            client = await other.connect()
            await one.get("/announce/before")
            assert await next_event(client) == ("announcement", "before")
            watched.master.kill()
            await asyncio.to_thread(wait_for_two, watched.replica)
            for number in range(3):
                await one.get(f"/announce/{number}")
            assert [await next_event(client) for _ in range(3)] == [
                ("announcement", str(number)) for number in range(3)
            ]
