"""Event loops of their own, that run in threads at the same time as the test's."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from support.sessions import PATIENT

T = TypeVar("T")


class Loop:
    """An event loop that runs in a thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def start(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Let it run *coroutine*."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what *coroutine* returns in it."""
        return self.start(coroutine).result(PATIENT)


@contextmanager
def loop_in_a_thread() -> Iterator[Loop]:
    """Run an event loop in a thread; it ends as `asyncio.run` ends one."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def live() -> None:
        ends = asyncio.Event()
        begun.set_result((asyncio.get_running_loop(), ends))
        await ends.wait()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    loop, ends = begun.result(PATIENT)
    try:
        yield Loop(loop)
    finally:
        loop.call_soon_threadsafe(ends.set)
        thread.join(PATIENT)
        assert not thread.is_alive()
