"""An App's synchronous code: handlers and generators, in threads that are bounded apart."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextvars import Context, copy_context
from functools import partial
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from micropie._errors import ClientDisconnected
from micropie._threads import (
    CONVERTER,
    EXECUTOR,
    INLINE,
    ThreadJob,
    Threads,
    apply_changes,
    nothing,
    run_through,
    settle,
)

T = TypeVar("T")

_END: Any = object()


class Workers:
    """The threads of one App's synchronous handlers, and of its synchronous generators.

    A generator has its thread for as long as its client takes. So that slow clients can't take
    those of the handlers, generators have *size* threads of their own.
    """

    def __init__(self, size: int, queue: int) -> None:
        self._handlers = Threads(size, queue)
        self._generators = Threads(size, queue)

    async def call(
        self, function: Callable[[], T], until_disconnect: Callable[[], Awaitable[None]]
    ) -> tuple[T, "ThreadedGenerator[Any] | None"]:
        """Return `function()`, called in a thread, and the generator if that is or has one.

        The generator goes on in the same thread.

        Args:
            function: the handler, with its arguments.
            until_disconnect: waits until the client has left.

        Raises:
            Overloaded: enough wait for a thread already.
            ClientDisconnected: the client left before there was one; *function* was not called.
        """
        before = copy_context()
        context = before.copy()
        future = asyncio.get_running_loop().create_future()
        job = partial(self._handle, future, context, function)
        if not self._handlers.start(job):
            watch = asyncio.ensure_future(until_disconnect())
            try:
                await asyncio.wait({future, watch}, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                future.cancel()  # a thread may have it by now, and nobody hears what it raises
                raise
            finally:
                watch.cancel()
                has_left = self._handlers.withdraw(job)
            if has_left:
                raise ClientDisconnected
        try:
            answer: tuple[T, ThreadedGenerator[Any] | None] = await future
        finally:
            apply_changes(context, before)
        return answer

    def iterate(
        self, generator: Generator[T, None, None], returned: "ThreadedGenerator[T] | None"
    ) -> "ThreadedGenerator[T]":
        """Return *generator*, to be advanced in a thread: that of *returned* if it is the same.

        Raises:
            Overloaded: enough wait for a thread already.
        """
        if returned is not None and returned.generator is generator:
            return returned
        return ThreadedGenerator(generator, copy_context(), self._generators)

    async def finish(self) -> None:
        """Let the threads end, those of files too, and wait a while for those at work."""
        pools = self._handlers, self._generators, EXECUTOR, CONVERTER
        await asyncio.gather(*(pool.finish() for pool in pools))

    def _handle(
        self,
        future: asyncio.Future[Any],
        context: Context,
        function: Callable[[], Any],
        free: Callable[[], object],
    ) -> bool:
        """Call a handler, and serve the generator that it returns: a job."""
        steps: SimpleQueue[ThreadJob | None] | None = None

        def answer() -> tuple[Any, ThreadedGenerator[Any] | None]:
            nonlocal steps
            result = context.run(function)
            body = result[1] if isinstance(result, tuple) and len(result) > 1 else result
            if INLINE or not isinstance(body, Generator):
                return result, None
            self._generators.enter()
            self._handlers.leave()
            threaded = ThreadedGenerator(body, context)
            steps = threaded.steps
            return result, threaded

        settle(future, answer, (), lambda: steps is None and free())
        if steps is None:
            return True
        serve(steps, self._generators.leave)
        return False


class _Turns(SimpleQueue[ThreadJob | None]):
    """The queue of a thread where there are none: the event loop runs each job in its next turn."""

    def put(self, job: ThreadJob | None, *_: Any) -> None:
        if job is not None:
            asyncio.get_running_loop().call_soon(job, nothing)


class ThreadedGenerator(Generic[T]):
    """A synchronous generator, advanced in one thread, and one context, from first step to close.

    Theory of operation. Its thread takes steps out of `steps`, and answers each, until it takes
    None, at the close or when this object is dropped. Until a thread is free `_turn` is pending;
    then the generator has not begun, and the close takes it out of the queue instead.
    """

    _turn: asyncio.Future[bool] | None = None

    def __init__(
        self, generator: Generator[T, None, None], context: Context, threads: Threads | None = None
    ) -> None:
        """Wait for one of *threads*; None if the current one is to serve the generator.

        Raises:
            Overloaded: enough wait already.
        """
        self.generator = generator
        self._context = context
        self.steps: SimpleQueue[ThreadJob | None] = _Turns() if INLINE else SimpleQueue()
        if threads is not None and not INLINE:
            self._threads, self._job = threads, partial(serve, self.steps)
            if not threads.start(self._job):
                self._turn = asyncio.get_running_loop().create_future()
                self._put(partial(settle, self._turn, bool, ()))

    def __aiter__(self) -> "ThreadedGenerator[T]":
        return self

    async def __anext__(self) -> T:
        """Return the next item, as soon as there is a thread."""
        if self._turn is not None:
            await self._turn
        item: Any = await run_through(self._put, self._context, next, self.generator, _END)
        if item is _END:
            raise StopAsyncIteration
        return item  # type: ignore[no-any-return] # T, if it is not _END

    async def aclose(self) -> None:
        """Close the generator, where it ran."""
        # It is not running: a cancelled step has waited for its thread.
        if self._turn is None or not self._threads.withdraw(self._job):
            await run_through(self._put_last, self._context, self.generator.close)

    def release(self) -> None:
        """Let the thread go, if the close has not: the generator has not begun."""
        self.steps.put(None)

    __del__ = release

    def _put(self, job: ThreadJob) -> None:
        self.steps.put(lambda free: job(nothing))

    def _put_last(self, job: ThreadJob) -> None:
        self.steps.put(lambda free: not job(free))


def serve(steps: SimpleQueue[ThreadJob | None], free: Callable[[], object]) -> bool:
    """Do steps until one returns False, or there is a None in the place of one: a job."""
    while (step := steps.get()) is not None:
        if not step(free):
            return True
    free()
    return True
