"""Blocking code off the event loop: worker threads that see the request's context.

Where threads can't be started, it runs on the event loop: all blocking code goes through here.
"""

import asyncio
import concurrent.futures
import contextvars
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")

_END: Any = object()


class Inline(concurrent.futures.Executor):
    """Runs each job on the event loop, between the steps of its tasks."""

    def submit(  # type: ignore[override] # its names are positional-only in typeshed
        self, function: Callable[..., T], *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Call *function* in the next turn of the running event loop."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except Exception as error:
                    future.set_exception(error)

        asyncio.get_running_loop().call_soon(run)
        return future


# Emscripten, so Pyodide: browsers and edge runtimes. None is the event loop's own threads.
EXECUTOR = Inline() if sys.platform == "emscripten" else None


def start(
    executor: concurrent.futures.Executor | None, function: Callable[..., T], *args: Any
) -> asyncio.Future[T]:
    """Start `function(*args)` in a thread of *executor*; None for the event loop's own threads."""
    if isinstance(executor, Inline):  # not by run_in_executor(): Pyodide's has ways of its own
        return asyncio.wrap_future(executor.submit(function, *args))
    return asyncio.get_running_loop().run_in_executor(executor, function, *args)


class Workers:
    """At most *size* threads, started when first needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: concurrent.futures.Executor | None = EXECUTOR

    def submit(
        self, context: contextvars.Context, function: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Start `function(*args)` in a thread, inside *context*."""
        if self._pool is None:
            # Through the package, which loads the module only when it is asked for this.
            executor = concurrent.futures.ThreadPoolExecutor
            self._pool = executor(self._size, thread_name_prefix="micropie")
        return start(self._pool, context.run, _guarded, function, *args)

    async def run(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Return `function(*args, **kwargs)`, called in a thread with a copy of the context."""

        def call() -> T:
            return function(*args, **kwargs)

        return await self.submit(contextvars.copy_context(), call)

    async def iterate(self, generator: Generator[T, None, None]) -> AsyncGenerator[T, None]:
        """Return an async generator that advances *generator* in threads.

        The first item is fetched before this returns, so what fails at once raises here. All
        steps share one context, as those of an async generator do.
        """
        context = contextvars.copy_context()
        try:
            first = await self._advance(context, generator)
        except asyncio.CancelledError:
            await self.submit(context, generator.close)
            raise

        async def items() -> AsyncGenerator[T, None]:
            item = first
            try:
                while item is not _END:
                    yield item
                    item = await self._advance(context, generator)
            finally:
                await self.submit(context, generator.close)

        return items()

    async def _advance(
        self, context: contextvars.Context, generator: Generator[T, None, None]
    ) -> T:
        # A running generator can't be closed: let the thread come back first.
        return await join(self.submit(context, next, generator, _END))

    def shutdown(self) -> None:
        """Let the threads end; later calls start new ones."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = EXECUTOR


async def run_in_thread(function: Callable[..., T], *args: Any) -> T:
    """Return `function(*args)`, called in a thread that has ended when this returns or raises.

    A thread can't be cancelled. One that is left behind still uses the file that its caller
    closes, and creates the file that its caller never hears of; so a cancellation waits for it.
    """
    return await join(start(EXECUTOR, function, *args))


async def join(future: asyncio.Future[T]) -> T:
    """Return the result of *future*, which a thread sets; a cancellation is raised only then."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not future.cancelled():
            future.exception()  # retrieved, or asyncio would log it as lost
        raise cancelled
    return future.result()


async def to_thread(function: Callable[..., T], *args: Any) -> T:
    """Return `function(*args)`, called in a thread with a copy of the context.

    When cancelled, it leaves the thread to itself.
    """
    return await start(EXECUTOR, contextvars.copy_context().run, function, *args)


def _guarded(function: Callable[..., T], *args: Any) -> T:
    """Call *function*; a future can't carry StopIteration, and would never be done."""
    try:
        return function(*args)
    except StopIteration as error:
        raise RuntimeError("StopIteration escaped from a handler") from error
