"""Blocking code off the event loop: worker threads that see the request's context."""

import asyncio
import concurrent.futures
import contextvars
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, TypeVar

from micropie.concurrency import join

T = TypeVar("T")

_END: Any = object()


class Workers:
    """At most *size* threads, started when first needed."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: concurrent.futures.ThreadPoolExecutor | None = None

    def submit(
        self, context: contextvars.Context, function: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Start `function(*args)` in a thread, inside *context*."""
        if self._pool is None:
            # Through the package, which loads the module only when it is asked for this.
            executor = concurrent.futures.ThreadPoolExecutor
            self._pool = executor(self._size, thread_name_prefix="micropie")
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._pool, context.run, _guarded, function, *args)

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
            self._pool = None


def _guarded(function: Callable[..., T], *args: Any) -> T:
    """Call *function*; a future can't carry StopIteration, and would never be done."""
    try:
        return function(*args)
    except StopIteration as error:
        raise RuntimeError("StopIteration escaped from a handler") from error
