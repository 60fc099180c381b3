"""Threads, disconnects, batches and event loops, as App and its extensions handle them; public."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from micropie._threads import join, run_in_thread
from micropie.types import Receive

__all__ = ["Batcher", "LoopLocal", "join", "run_in_thread", "wait_for_disconnect"]

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")
Resource = TypeVar("Resource")


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client of an HTTP request has left; discards the rest of its body."""
    while (await receive())["type"] != "http.disconnect":
        pass


class LoopLocal(Generic[Resource]):
    """One resource for each event loop, since connections and tasks work in their own loop only.

    Loops may run at the same time, in several threads, or one after the other. A loop that ends as
    `asyncio.run` ends it closes its resource first.

    Args:
        make: returns a new resource for the running loop.
        close: closes one, in its loop; None if there is nothing to close.
    """

    def __init__(
        self,
        make: Callable[[], Resource],
        close: Callable[[Resource], Awaitable[None]] | None = None,
    ) -> None:
        self._make = make
        self._close = close
        # The resource, and the generator that holds it open.
        self._held: dict[
            asyncio.AbstractEventLoop, tuple[Resource, AsyncGenerator[Resource, None]]
        ] = {}

    def get(self) -> Resource:
        """Return the resource of the running loop; the first call makes it."""
        loop = asyncio.get_running_loop()
        held = self._held.get(loop)
        return self._hold(loop) if held is None else held[0]

    def peek(self) -> Resource | None:
        """Return the resource of the running loop, if it has one."""
        held = self._held.get(asyncio.get_running_loop())
        return None if held is None else held[0]

    async def close(self) -> None:
        """Close the resource of the running loop, if it has one; the next `get` makes another."""
        held = self._held.get(asyncio.get_running_loop())
        if held is not None:
            await held[1].aclose()

    def _hold(self, loop: asyncio.AbstractEventLoop) -> Resource:
        for other in list(self._held):
            if other.is_closed():  # and has not closed its generators: nobody can any more
                del self._held[other]
        holder = self._lifetime(loop)
        try:
            holder.__anext__().send(None)  # to its yield, for which it waits for nothing
        except StopIteration as started:
            self._held[loop] = started.value, holder
        return self._held[loop][0]

    async def _lifetime(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[Resource, None]:
        """Yield the resource; an event loop that ends closes the generators that it has begun."""
        resource = self._make()
        try:
            yield resource
        finally:
            self._held.pop(loop, None)
            if self._close is not None:
                await self._close(resource)


class Batcher(Generic[Job, Outcome]):
    """Runs jobs together that are submitted at the same moment.

    The first job schedules a batch, which starts at the end of this turn of the event loop with
    all jobs submitted until then. A batch runs in a task of its own: cancelling one submitter
    does not cancel the jobs of the others. Event loops do not share batches.

    Args:
        run: runs the jobs of a batch and returns a result for each, in their order. A result that
            is an Exception is raised by that `submit`, an Exception that *run* raises by all.
        max_size: the most jobs in a batch; None for no limit.
        serial: run one batch at a time in a loop; jobs submitted meanwhile go into the next.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Job]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        max_size: int | None = None,
        serial: bool = False,
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._serial = serial
        self._queues = LoopLocal(_Queue[Job, Outcome])

    def submit(self, job: Job) -> asyncio.Future[Outcome]:
        """Return a future of the result of *job*."""
        loop, queue = asyncio.get_running_loop(), self._queues.get()
        result: asyncio.Future[Outcome] = loop.create_future()
        queue.waiting.append((job, result))
        if not queue.is_scheduled:
            queue.is_scheduled = True
            task = loop.create_task(self._run_waiting(queue))
            queue.tasks.add(task)
            task.add_done_callback(queue.tasks.discard)
        return result

    async def drain(self) -> None:
        """Wait until the jobs submitted in this event loop are done."""
        queue = self._queues.peek()  # a loop that ends may have closed it already
        if queue is not None and queue.tasks:
            await asyncio.wait(queue.tasks)

    async def _run_waiting(self, queue: "_Queue[Job, Outcome]") -> None:
        try:
            while queue.waiting:
                count = self._max_size or len(queue.waiting)
                batch, queue.waiting = queue.waiting[:count], queue.waiting[count:]
                if not self._serial:
                    queue.is_scheduled = False
                await self._run_batch(batch)
        finally:
            if self._serial:
                queue.is_scheduled = False

    async def _run_batch(self, batch: list[tuple[Job, asyncio.Future[Outcome]]]) -> None:
        results: Sequence[Outcome | Exception]
        try:
            results = await self._run([job for job, _ in batch])
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # its submitter was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


class _Queue(Generic[Job, Outcome]):
    """The jobs of one event loop."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Job, asyncio.Future[Outcome]]] = []
        # Whether a task is going to run what is waiting.
        self.is_scheduled = False
        self.tasks: set[asyncio.Task[None]] = set()
