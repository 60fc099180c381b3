"""What an App does after a response: the functions given to `_after_response`."""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from contextvars import copy_context
from functools import partial
from typing import Any

from micropie._errors import FAILURES, cancelled_within, logger, report
from micropie._http.connection import Afterward, Connection
from micropie._http.request import Request
from micropie._http.urls import whole_path
from micropie._scope_keys import REQUEST_STATE
from micropie._serving.stopping import Stopping
from micropie._threads import Threads, settle

# Seconds after which a stop cancels the functions at work, and more for a thread to end.
_STOP_WAITS, _THREAD_WAITS = 10.0, 1.0
# Requests whose functions are at work; those of any more stay with the server until they are done.
_MOST_AT_WORK = 1000


def add_afterward(connection: Connection, function: Any, args: Any, kwargs: Any) -> None:
    """Have *function* called when the response to *connection* is out.

    Raises:
        TypeError: it is not a function.
        RuntimeError: there is no such response, or it is out already.
    """
    if not callable(function):
        if inspect.iscoroutine(function):
            function.close()  # or Python would warn as well
        raise TypeError(f"_after_response takes a function and its arguments, not {function!r}")
    if not isinstance(connection, Request):
        raise RuntimeError("a WebSocket has no response, and nothing comes after it")
    if connection._is_answered and not connection._is_streamed:
        raise RuntimeError("the response was sent already")
    afterward = partial(function, *args, **kwargs), copy_context()
    connection._afterwards = [*(connection._afterwards or ()), afterward]


class Afterwards:
    """The functions that one App runs after its responses.

    Theory of operation. A request keeps its functions, each with the context of the call that
    registered it. Once the last byte is out they go up to the App that the server called, which
    runs them in a task, one after the other: the server is free for the connection's next request.
    The task counts as open, so the end of the lifespan waits for it. Without a lifespan nothing
    would, so the ASGI call does, and the server waits for that.

    Args:
        size: threads for the functions that are not coroutine functions.
        stopping: the App's.

    Attributes:
        has_lifespan: whether the end of one will wait for the functions.
    """

    def __init__(self, size: int, stopping: Stopping) -> None:
        self.has_lifespan = False
        self._stopping = stopping
        self._threads = Threads(size)
        self._at_work = 0

    async def begin(self, request: Request, is_answered: bool) -> None:
        """Run the functions of *request*, if the response has gone out as it should."""
        own, request._afterwards = request._afterwards or [], None
        if not is_answered or request._discards_shared_session:
            return
        if request._files is not None:  # now: a function must never find them open by chance
            await request._files.close()
        handed_up = request.state._afterwards
        if REQUEST_STATE in request.scope:
            handed_up += own
            return
        work = _Work(asyncio.create_task(self._run(request, [*own, *handed_up])))
        handed_up.clear()  # or the contexts in it would make a cycle
        self._stopping.enter(work)
        self._at_work += 1
        work.task.add_done_callback(partial(self._end, work))
        is_test = FAILURES.get() is not None  # whose client waits for the end of the call
        if not self.has_lifespan or is_test or self._at_work > _MOST_AT_WORK:
            await asyncio.wait({work.task})

    async def finish(self) -> None:
        """Let the threads end: the lifespan is over."""
        self.has_lifespan = False
        await self._threads.finish(_THREAD_WAITS)

    def _end(self, work: "_Work", _: object) -> None:
        self._at_work -= 1
        self._stopping.opened().discard(work)

    async def _run(self, request: Request, functions: Iterable[Afterward]) -> None:
        what = request.method, whole_path(request.scope)
        for function, context in functions:
            name = getattr(function.func, "__qualname__", repr(function.func))
            try:
                if inspect.iscoroutinefunction(function):
                    result: Any = function()
                else:
                    result = await self._call(partial(context.run, function))
                if inspect.iscoroutine(result):
                    await asyncio.create_task(result, context=context)
            except Exception as error:
                report(error)
                logger.error("%s %r: %s, after the response, failed", *what, name, exc_info=error)
            except asyncio.CancelledError as error:
                logger.error("%s %r: %s, after the response, was cancelled", *what, name)
                cancelled_within(error)

    async def _call(self, function: Callable[[], Any]) -> Any:
        """Return `function()`, called in a thread, for which a cancellation does not wait."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = partial(settle, future, function, ())
        self._threads.start(job)
        try:
            return await future
        finally:
            self._threads.withdraw(job)


class _Work:
    """A task that runs functions; a stop cancels it in a while."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task

    def stop(self) -> None:
        asyncio.get_running_loop().call_later(_STOP_WAITS, self.task.cancel)
