"""Browsers of an app whose session store fails, and what they must be answered."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from micropie import App
from support import processes
from support.asgi import Answer
from support.races import STORE, make_backend
from support.sessions import Browser

TIMEOUT = 2.0  # seconds: what backends are told that are to find a database silent
SLACK = 25.0  # seconds, for a machine that is busy with other tests
PATIENCE = 60.0  # seconds until something that must happen has happened


class Notes(App):
    async def index(self):
        return dict(self.session)

    async def process(self):
        return os.getpid()

    async def note(self, **values):
        self.session.update(values)
        return "noted"

    async def forget(self, name):
        del self.session[name]

    async def login(self):
        self.request.regenerate_session()

    async def logout(self):
        self.session.clear()


def make_app() -> Notes:
    """Return the app, on the store that the environment names (support.races)."""
    return Notes(make_backend(os.environ[STORE]))


class User(Browser):
    """A browser whose answers must come in time."""

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        begin = time.monotonic()
        answer = await super().request(method, url, **options)
        assert time.monotonic() - begin < TIMEOUT + SLACK
        return answer


async def users_of(app: App, number: int = 1) -> list[User]:
    """Return browsers with a session each, which holds their number."""
    users = [User(app) for _ in range(number)]
    for index, user in enumerate(users):
        assert (await user.get(f"/note?number={index}")).status == 200
    return users


async def statuses(users: Iterable[Browser], url: str) -> set[int]:
    """Return how requests to *url*, one of each user at the same time, are answered."""
    answers = await asyncio.gather(*(user.get(url) for user in users))
    return {answer.status for answer in answers}


async def check_numbers(users: Iterable[Browser]) -> None:
    """Check that each user gets the session that is theirs."""
    answers = await asyncio.gather(*(user.get("/") for user in users))
    numbers = [answer.json["number"] for answer in answers]
    assert numbers == [str(index) for index in range(len(numbers))]


async def leave(user: Browser, moment: Awaitable[object]) -> None:
    """Have the server cancel a request of *user* when *moment* has come, as if the client left."""
    cookie = ("Cookie", f"session_id={user.session_id}")
    async with user.client.open("GET", "/", headers=[cookie]) as exchange:
        await moment
        exchange.cancel()
        await exchange.ended()


async def leave_while_paused(users: Iterable[Browser], server: Any) -> None:
    """Let *users* leave when they have asked a database that does not answer, which then does."""

    async def asked() -> bool:
        return processes.is_asked(server.port)

    server.pause()
    moment = asyncio.create_task(until(asked))
    await asyncio.gather(*(leave(user, moment) for user in users))
    server.resume()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until the coroutine function *condition* returns True."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - it comes true in another process
            await asyncio.sleep(0.02)


class Writer:
    """A browser that sets one key after another, and remembers what was acknowledged.

    Args:
        user: what it asks: a User, or a connection of support.races.
    """

    def __init__(self, user: Any) -> None:
        self.user = user
        self.stored: list[str] = []
        self.refused = 0
        self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        for number in range(100_000):
            try:
                status = (await self.user.get(f"/note?k{number}=1")).status
            except (OSError, asyncio.IncompleteReadError):
                return  # the app itself is gone
            assert status in (200, 503)
            if status == 200:
                self.stored.append(f"k{number}")
            else:
                self.refused += 1

    def check(self) -> None:
        """Raise what went wrong so far, if anything did."""
        if self._task.done():
            self._task.result()

    async def stop(self) -> None:
        """Send nothing more; a request that is on its way is given up."""
        self.check()
        self._task.cancel()
        await asyncio.wait([self._task])


class Writers:
    """Several of them at the same time."""

    def __init__(self, users: Iterable[Any]) -> None:
        self._writers = [Writer(user) for user in users]

    async def store(self, more: int) -> None:
        """Wait until each has had so many *more* keys acknowledged."""
        await self._gain(more, lambda writer: len(writer.stored))

    async def be_refused(self) -> None:
        """Wait until each has been answered 503 once more."""
        await self._gain(1, lambda writer: writer.refused)

    async def stop(self) -> dict[Any, list[str]]:
        """Send nothing more; return what was acknowledged to each user."""
        for writer in self._writers:
            await writer.stop()
        return {writer.user: writer.stored for writer in self._writers}

    async def _gain(self, more: int, count: Callable[[Writer], int]) -> None:
        wanted = [count(writer) + more for writer in self._writers]

        async def enough() -> bool:
            for writer in self._writers:
                writer.check()
            return all(count(writer) >= n for writer, n in zip(self._writers, wanted, strict=True))

        await until(enough)
