"""Event loops of their own, that run in threads at the same time as the test's."""

import asyncio
import gc
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from micropie import SessionBackend
from support.sessions import ID, LONG, PATIENT

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


# What every backend that opens connections promises about event loops.


def use_in_one_loop_after_another(backend: SessionBackend) -> None:
    async def use(number: int) -> None:
        await backend.startup()
        await backend.save(ID, {"number": number}, LONG)
        assert await backend.load(ID) == {"number": number}
        await backend.shutdown()

    for number in range(3):
        asyncio.run(use(number))


def use_after_a_loop_that_closed_nothing(backend: SessionBackend) -> None:
    asyncio.run(backend.save(ID, {"a": 1}, LONG))

    async def use() -> None:
        assert await backend.load(ID) == {"a": 1}
        await backend.shutdown()

    asyncio.run(use())
    asyncio.run(backend.shutdown())
    gc.collect()  # now, while the warnings of what the first loop left open are ignored


def write_in_two_loops_at_the_same_time(backend: SessionBackend) -> None:
    async def count(key: str) -> None:
        for number in range(10):
            assert await backend.merge(ID, {key: number}, (), LONG)

    async def count_all(keys: str) -> None:
        await asyncio.gather(*map(count, keys))

    with loop_in_a_thread() as one, loop_in_a_thread() as other:
        one.run(backend.save(ID, {"saved": 1}, LONG))
        for counting in [one.start(count_all("abc")), other.start(count_all("xyz"))]:
            counting.result(PATIENT)
        assert other.run(backend.load(ID)) == {"saved": 1, **dict.fromkeys("abcxyz", 9)}
