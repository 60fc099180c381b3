"""Blocking code off the event loop: pools of threads, and the way into one and back.

Where threads can't be started, it runs on the event loop: all blocking code goes through here.
"""

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from functools import partial
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

from micropie._errors import Overloaded, logger

T = TypeVar("T")

# What a thread does: a function that never raises, and returns True if the thread may do another
# job. Its argument is to be called before the result is told to anybody: it counts the thread as
# free, so that who hears of the result and asks for a thread at once gets this one.
ThreadJob = Callable[[Callable[[], object]], bool]

# Emscripten, so Pyodide: browsers and edge runtimes.
INLINE = sys.platform == "emscripten"

# Seconds after which an idle thread ends: no App and no event loop has to see to that.
_IDLE = 10.0
# Seconds that a shutdown waits for threads at work.
_GRACE = 10.0

_UNSET: Any = object()


class Threads(concurrent.futures.Executor):
    """A pool of at most *size* threads, with at most *queue* jobs waiting for one.

    Theory of operation. A job goes to an idle thread, else to a new one, else it waits. A thread
    that has done its job takes the next one waiting; if there is none, it is idle, and after _IDLE
    seconds it ends. A thread is idle exactly while its queue is in `_idle`: whoever takes the queue
    out puts one job in. The lock guards all this, because jobs come from several event loops, and
    threads need none to go on. Threads are daemons: a job that hangs does not hold up the exit.
    """

    def __init__(self, size: int, queue: float = inf) -> None:
        self._size = size
        self._queue = queue
        self._count = 0
        self._idle: list[SimpleQueue[ThreadJob]] = []
        self._waiting: deque[ThreadJob] = deque()
        self._lock = threading.Lock()

    def start(self, job: ThreadJob) -> bool:
        """Give *job* to a thread; return False if it waits for one.

        Raises:
            Overloaded: the queue is full.
        """
        if INLINE:
            asyncio.get_running_loop().call_soon(job, nothing)
            return True
        with self._lock:
            if self._idle:
                self._idle.pop().put(job)
                return True
            if self._count < self._size:
                self._add_thread(job)
                return True
            if len(self._waiting) >= self._queue:
                raise Overloaded
            self._waiting.append(job)
            return False

    def withdraw(self, job: ThreadJob) -> bool:
        """Take *job* out of the queue; return False if it is not there: a thread has it."""
        with self._lock:
            is_waiting = job in self._waiting
            if is_waiting:
                self._waiting.remove(job)
        return is_waiting

    def submit(  # type: ignore[override] # its names are positional-only in typeshed
        self, function: Callable[..., T], *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[T]:
        """Start `function(*args, **kwargs)`; the way of libraries that take an Executor."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()

        def job(free: Callable[[], object]) -> bool:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)
            free()
            return True

        self.start(job)
        return future

    def enter(self) -> None:
        """Count the calling thread, another pool's until now, as one of this.

        Raises:
            Overloaded: there are enough.
        """
        with self._lock:
            if self._count < self._size:
                self._count += 1
            elif self._idle:
                self._idle.pop().put(_end)  # one ends, uncounted: the calling thread is for it
            else:
                raise Overloaded

    def leave(self, free: object = None) -> bool:
        """Count the calling thread no longer; another one takes the next job that waits."""
        with self._lock:
            self._count -= 1
            if self._waiting:
                self._add_thread(self._waiting[0])
                self._waiting.popleft()  # not before: the system may have no more threads
        return False

    async def finish(self, grace: float = _GRACE) -> None:
        """Let the threads end; wait *grace* seconds for those at work. Later jobs start others."""
        end = monotonic() + grace
        while self._count and monotonic() < end:
            with self._lock:
                while self._idle:
                    self._idle.pop().put(self.leave)
            await asyncio.sleep(0.005)
        if self._count:
            logger.warning("shutdown waits no longer for %d busy threads", self._count)

    def _add_thread(self, job: ThreadJob) -> None:
        jobs: SimpleQueue[ThreadJob] = SimpleQueue()
        jobs.put(job)
        threading.Thread(target=self._work, args=(jobs,), name="micropie", daemon=True).start()
        self._count += 1

    def _work(self, jobs: SimpleQueue[ThreadJob]) -> None:
        free = partial(self._free, jobs)
        while self._next(jobs)(free):
            pass

    def _free(self, jobs: SimpleQueue[ThreadJob]) -> None:
        with self._lock:
            if self._waiting:
                jobs.put(self._waiting.popleft())
            else:
                self._idle.append(jobs)

    def _next(self, jobs: SimpleQueue[ThreadJob]) -> ThreadJob:
        try:
            return jobs.get(timeout=_IDLE)
        except Empty:
            with self._lock:
                if jobs in self._idle:
                    self._idle.remove(jobs)
                    return self.leave
            return jobs.get()


# For work with files, which is short whoever asks for it. As many threads as an event loop has of
# its own, which are left to name resolution and to users' code.
EXECUTOR = Threads(min(32, (os.cpu_count() or 1) + 4))

# For bodies that take long to convert. One thread: an event loop that wants its turn waits for one
# other at most, and files for none.
CONVERTER = Threads(1)


def nothing() -> None:
    """Stand in for the argument of a ThreadJob where no thread becomes free after it."""


def _end(free: object) -> bool:
    """Let a thread end whose place another has taken: a job."""
    return False


def settle(
    future: asyncio.Future[T],
    function: Callable[..., T],
    args: tuple[Any, ...],
    free: Callable[[], object],
) -> bool:
    """Set *future*, of another thread's event loop, to what `function(*args)` does: a job."""
    result: Any = None
    error: BaseException | None = None
    try:
        result = function(*args)
    except StopIteration as stop:  # a future can't carry it, and would never be done
        error = RuntimeError("StopIteration escaped from a handler")
        error.__cause__ = stop
    except BaseException as raised:
        error = raised
    free()
    with suppress(RuntimeError):  # the event loop is closed, and nobody waits
        future.get_loop().call_soon_threadsafe(_set, future, result, error)
    del error  # its traceback has this frame
    return True


def _set(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if not future.done():
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


async def run_through(
    put: Callable[[ThreadJob], Any], context: Context, function: Callable[..., T], *args: Any
) -> T:
    """Return `function(*args)`, called in *context* by the thread that *put* gives a job to.

    What it sets there is set in the current context too. A cancellation waits for the thread.
    """
    before = copy_context()
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    put(partial(settle, future, context.run, (function, *args)))
    try:
        return await join(future)
    finally:
        apply_changes(context, before)


def apply_changes(context: Context, before: Context) -> None:
    """Set what was set in *context*, once a copy of *before*, in the current context as well.

    As with code that runs in the current one, so that `async` or not makes no difference.
    """
    for variable, value in context.items():
        if before.get(variable, _UNSET) is not value:
            variable.set(value)


async def run_in_thread(function: Callable[..., T], *args: Any) -> T:
    """Return `function(*args)`, called in a thread that has ended when this returns or raises.

    For short work, with files say: a few threads do all of it. They see the caller's context, and
    what *function* sets there stays set. A thread can't be cancelled. One that is left behind still
    uses the file that its caller closes, and creates the file that its caller never hears of; so a
    cancellation waits for it.
    """
    return await run_through(EXECUTOR.start, copy_context(), function, *args)


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
