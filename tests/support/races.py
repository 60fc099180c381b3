"""Races between processes: one app in several, on one store, and what may not get lost."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from micropie import App, SessionBackend
from support.servers import HOST, Server, serve

STORE = "RACE_STORE"  # the environment variable with the URL of the store
FOLDER = "RACE_FOLDER"  # and the one with the folder through which requests are held up

APP = "support.races:make_app"
PROCESSES = 4
TOGETHER = 100  # requests of one browser at the same time, the same number in each process
ROUNDS = 20  # of the first race: 2,000 writes
PATIENT = 60.0  # seconds; the machine may be busy with other tests


# In the processes of the server


def make_backend(url: str) -> SessionBackend:
    """Return the backend for *url*, one of Redis or of SQLAlchemy."""
    if url.startswith("redis"):
        from micropie_redis import RedisSessionBackend

        return RedisSessionBackend(url, socket_timeout=PATIENT)
    from micropie_sql_sessions import SQLSessionBackend

    return SQLSessionBackend(url, timeout=PATIENT)


class Race(App):
    """Handlers that wait, with their session loaded, until the test lets them all go at once."""

    def __init__(self, folder: Path, session_backend: SessionBackend) -> None:
        super().__init__(session_backend)
        self._folder = folder
        self._gates: dict[str, asyncio.Task[None]] = {}

    async def index(self):
        return dict(self.session)

    async def login(self):
        self.request.regenerate_session()
        self.session["user"] = "alice"

    async def logout(self):
        self.session.clear()

    async def note(self, gate, key):
        (self._folder / gate / key).touch()
        if gate not in self._gates:  # one looks after it for all that wait
            opened = _until((self._folder / f"{gate}.open").exists)
            self._gates[gate] = asyncio.create_task(opened)
        await asyncio.shield(self._gates[gate])
        self.session[key] = key


def make_app() -> Race:
    """Return the app that the environment describes."""
    return Race(Path(os.environ[FOLDER]), make_backend(os.environ[STORE]))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENT):
        while not condition():  # noqa: ASYNC110 - it comes true through another process
            await asyncio.sleep(0.01)


# In the process of the test


@contextmanager
def race_servers(store: str, folder: Path) -> Iterator[list[Server]]:
    """Run the app under uvicorn in PROCESSES processes that share the store with that URL.

    Not as workers of one uvicorn, where chance decides which of them a connection belongs to.
    """
    tests = Path(__file__).parents[1]
    options = (
        *("--factory", "--log-level", "warning"),
        # On a busy machine a connection may have nothing to do for longer than the usual 5 s.
        *("--timeout-keep-alive", "600"),
    )
    environment = {STORE: store, FOLDER: str(folder)}
    each = [
        serve("uvicorn", APP, tests, options=options, environment=environment)
        for _ in range(PROCESSES)
    ]
    with ExitStack() as stack, ThreadPoolExecutor(PROCESSES) as starting:
        yield list(starting.map(stack.enter_context, each))


class Connection:
    """A connection to one of the processes, with the cookie of the browser it belongs to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.cookie = ""

    async def get(self, target: str) -> "Answer":
        """Return the answer to a GET."""
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        self._writer.write(f"GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{cookie}\r\n".encode())
        async with asyncio.timeout(PATIENT):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            split = (line.partition(": ") for line in lines)
            fields = [(name.lower(), value) for name, _, value in split]
            body = await self._reader.readexactly(int(dict(fields).get("content-length", "0")))
        cookies = [value for name, value in fields if name == "set-cookie"]
        return Answer(int(status.split()[1]), cookies, body)


class Answer:
    """A response: its status, its Set-Cookie headers and its body."""

    def __init__(self, status: int, cookies: list[str], body: bytes) -> None:
        self.status = status
        self.cookies = cookies
        self._body = body

    @property
    def json(self) -> Any:
        return json.loads(self._body)


@asynccontextmanager
async def connections(servers: list[Server]) -> AsyncIterator[list[Connection]]:
    """Open TOGETHER connections, as many to each process; one process's next to another's."""
    async with AsyncExitStack() as stack:
        opened = []
        for number in range(TOGETHER):
            port = servers[number % PROCESSES].port
            reader, writer = await asyncio.open_connection(HOST, port)
            stack.callback(writer.close)
            opened.append(Connection(reader, writer))
        yield opened


class Crowd:
    """Requests to /note, each with a key of its own, that wait in their handlers.

    Args:
        folder: the one that the app was told of.
        senders: the connections to send them on, one each.
    """

    def __init__(self, folder: Path, senders: list[Connection]) -> None:
        gate = uuid.uuid4().hex
        self.keys = [f"k{number}" for number in range(len(senders))]
        self._arrived = folder / gate
        self._open = folder / f"{gate}.open"
        self._arrived.mkdir()
        self._tasks = [
            asyncio.create_task(sender.get(f"/note/{gate}/{key}"))
            for sender, key in zip(senders, self.keys, strict=True)
        ]

    async def gather(self) -> None:
        """Wait until all are in their handlers, each with the session as it was before."""
        await _until(lambda: len(os.listdir(self._arrived)) == len(self.keys))

    async def let_go(self) -> list[Answer]:
        """Return the answers."""
        self._open.touch()
        return await asyncio.gather(*self._tasks)


async def log_in(senders: list[Connection]) -> None:
    """Make all of *senders* connections of one browser that has just logged in."""
    for sender in senders:
        sender.cookie = ""
    (set_cookie,) = (await senders[0].get("/login")).cookies
    for sender in senders:
        sender.cookie = set_cookie.partition(";")[0]


class RacesAcrossProcesses:
    """Tests of a store; a subclass has a fixture `store` of its scope that returns its URL."""

    pytestmark = pytest.mark.anyio

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("race")

    @pytest.fixture(scope="class")
    @classmethod
    def servers(cls, store: str, folder: Path) -> Iterator[list[Server]]:
        with race_servers(store, folder) as running:
            yield running

    async def test_of_many_requests_that_set_a_key_each_none_loses_it(self, servers, folder):
        async with connections(servers) as senders:
            for _ in range(ROUNDS):
                await log_in(senders)
                crowd = Crowd(folder, senders)
                await crowd.gather()
                answers = await crowd.let_go()
                assert {(answer.status, *answer.cookies) for answer in answers} == {(204,)}
                stored = (await senders[0].get("/")).json
                assert stored == {"user": "alice"} | {key: key for key in crowd.keys}

    async def test_no_slower_request_undoes_a_logout(self, servers, folder):
        async with connections(servers) as senders:
            for _ in range(PROCESSES):
                # Each process does the logout once.
                senders = senders[1:] + senders[:1]
                browser, *others = senders
                await log_in(senders)
                before = Crowd(folder, others[::2])
                after = Crowd(folder, others[1::2])
                await before.gather()
                await after.gather()
                answers = await before.let_go()
                assert len((await browser.get("/")).json) == 1 + len(before.keys)
                assert (await browser.get("/logout")).status == 204
                answers += await after.let_go()
                assert {(answer.status, *answer.cookies) for answer in answers} == {(204,)}
                for sender in senders[:PROCESSES]:
                    assert (await sender.get("/")).json == {}
