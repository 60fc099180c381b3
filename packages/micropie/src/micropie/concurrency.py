"""Threads, disconnects and batches that survive a cancelled request; public, for extensions too."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from micropie._threads import join, run_in_thread
from micropie.types import Receive

__all__ = ["Batcher", "join", "run_in_thread", "wait_for_disconnect"]

Job = TypeVar("Job")
Result = TypeVar("Result")


async def wait_for_disconnect(receive: Receive) -> None:
    """Return when the client of an HTTP request has left; discards the rest of its body."""
    while (await receive())["type"] != "http.disconnect":
        pass


class Batcher(Generic[Job, Result]):
    """Runs jobs together that are submitted at the same moment.

    The first job schedules a batch, which starts at the end of this turn of the event loop with
    all jobs submitted until then. A batch runs in a task of its own: cancelling one submitter
    does not cancel the jobs of the others. Works in one event loop after another.

    Args:
        run: runs the jobs of a batch and returns a result for each, in their order. A result that
            is an Exception is raised by that `submit`, an Exception that *run* raises by all.
        max_size: the most jobs in a batch; None for no limit.
        serial: run one batch at a time; jobs submitted meanwhile go into the next.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Job]], Awaitable[Sequence[Result | Exception]]],
        *,
        max_size: int | None = None,
        serial: bool = False,
    ) -> None:
        self._run = run
        self._max_size = max_size
        self._serial = serial
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[Job, asyncio.Future[Result]]] = []
        # Whether a task is going to run what is waiting.
        self._is_scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, job: Job) -> asyncio.Future[Result]:
        """Return a future of the result of *job*."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._tasks = loop, [], set()
            self._is_scheduled = False
        result: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((job, result))
        if not self._is_scheduled:
            self._is_scheduled = True
            task = loop.create_task(self._run_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return result

    async def drain(self) -> None:
        """Wait until the jobs submitted in this event loop are done."""
        if self._tasks and self._loop is asyncio.get_running_loop():
            await asyncio.wait(self._tasks)

    async def _run_waiting(self) -> None:
        try:
            while self._waiting:
                count = self._max_size or len(self._waiting)
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                if not self._serial:
                    self._is_scheduled = False
                await self._run_batch(batch)
        finally:
            if self._serial:
                self._is_scheduled = False

    async def _run_batch(self, batch: list[tuple[Job, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | Exception]
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
