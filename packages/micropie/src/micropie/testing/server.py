"""What clients of one app share: its lifespan, and, for synchronous clients, its event loop."""

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from contextvars import copy_context
from typing import Any, TypeVar

from micropie._errors import FAILURES
from micropie._serving.lifespan import ANSWER_TIMEOUT, MountedLifespan
from micropie.testing.exchanges import TimedOut
from micropie.types import ASGIApp

T = TypeVar("T")

# Seconds that a thread which was told to end may take.
_ENDING = 5.0

_lock = threading.Lock()


class Life:
    """One life of an app in one event loop: begins with its first client, ends with its last.

    Args:
        app: the app.

    Attributes:
        loop: the event loop, which is the running one.
        state: what the app wants in the scope of each request.
    """

    _lives: "dict[tuple[int, asyncio.AbstractEventLoop], Life]" = {}  # noqa: RUF012

    def __init__(self, app: ASGIApp) -> None:
        self.loop = asyncio.get_running_loop()
        self.state: dict[str, Any] = {}
        self._app = app
        self._clients = 0
        self._failures: list[BaseException] = []
        self._lifespan: MountedLifespan | None = None
        self._started = asyncio.run_coroutine_threadsafe(self._start(), self.loop)

    @classmethod
    def join(cls, app: ASGIApp) -> "Life":
        """Return the life of *app* in the running event loop, with one client more."""
        key = id(app), asyncio.get_running_loop()
        with _lock:
            for ended in [ended for ended in cls._lives if ended[1].is_closed()]:
                del cls._lives[ended]
            if key not in cls._lives:
                cls._lives[key] = cls(app)
            life = cls._lives[key]
            life._clients += 1
            return life

    async def started(self) -> None:
        """Wait until the app has started, in whichever event loop this is awaited.

        Raises:
            Exception: what its start failed with.
        """
        await asyncio.shield(asyncio.wrap_future(self._started))

    async def _start(self) -> None:
        context = copy_context()
        context.run(FAILURES.set, self._failures)
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        lifespan = context.run(MountedLifespan, "", self._app, scope)
        try:
            if await lifespan.start():
                self._lifespan, self.state = lifespan, lifespan.state
        except RuntimeError:
            self._raise_failure()
            raise

    async def leave(self) -> None:
        """Count one client less; after the last one, stop the app.

        Raises:
            Exception: what a shutdown handler failed with.
            RuntimeError: the event loop has stopped, and is not closed.
        """
        with _lock:
            self._clients -= 1
            if self._clients:
                return
            self._lives.pop((id(self._app), self.loop), None)
        if self.loop is asyncio.get_running_loop():
            await self._stop()
        elif self.loop.is_running():
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._stop(), self.loop))
        elif not self.loop.is_closed():
            raise RuntimeError("close the client in the event loop that it was first used in")

    async def _stop(self) -> None:
        if self._lifespan is not None:
            await self._lifespan.stop()
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failures:
            raise self._failures[0]


class Portal:
    """A thread with an event loop, in which an app serves its synchronous clients.

    The thread is a daemon, and ends when no client is left, also when none of them was closed.
    """

    _portals: "dict[int, Portal]" = {}  # noqa: RUF012

    def __init__(self, app: ASGIApp) -> None:
        self._app = app  # kept: so that no other app has its id
        self._clients = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="micropie.testing", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _serve(self) -> None:
        with asyncio.Runner() as runner:
            self._loop, self._end = runner.get_loop(), asyncio.Event()
            self._ready.set()
            runner.run(_wait(self._end))

    @classmethod
    def join(cls, app: ASGIApp, client: object) -> "tuple[Portal, weakref.finalize[..., Any]]":
        """Return the portal of *app*, and what tells it that *client* leaves."""
        with _lock:
            portal = cls._portals.get(id(app)) or cls._portals.setdefault(id(app), cls(app))
            portal._clients += 1
        return portal, weakref.finalize(client, portal._leave)

    def _leave(self) -> None:
        with _lock:
            self._clients -= 1
            if self._clients:
                return
            self._portals.pop(id(self._app), None)
        self._loop.call_soon_threadsafe(self._end.set)

    def wait_closed(self) -> None:
        """Wait until the thread has ended, unless other clients are left."""
        if not self._clients:
            self._thread.join(_ENDING)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = ANSWER_TIMEOUT) -> T:
        """Return what *coroutine* returns, which sees to its own time-outs.

        Raises:
            TimedOut: the event loop was blocked for *timeout* seconds; None: never.
        """
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            while not wait([future], timeout).done:
                turn = threading.Event()
                self._loop.call_soon_threadsafe(turn.set)
                if not turn.wait(timeout):
                    raise TimedOut(
                        f"the app has blocked its event loop for {timeout:g} seconds or more: "
                        "something in it waits without `await`"
                    )
        except BaseException:
            future.cancel()
            raise
        return future.result()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
