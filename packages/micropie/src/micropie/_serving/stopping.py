"""Stopping: how an App hears that its server wants to stop, and what it ends then."""

import asyncio
import signal
from asyncio import AbstractEventLoop
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Protocol


class Stoppable(Protocol):
    """What may last longer than a server wants to wait."""

    def stop(self) -> None:
        """End soon; called in the event loop that it runs in, maybe more than once."""


class Stopping:
    """Whether the server wants to stop an App, and what is open in it.

    Theory of operation. ASGI tells an app of the stop when all connections are closed, which
    streams and WebSockets would put off forever. So their Apps listen to what tells the server:

    - the signals that it handles, whose handlers are called by ours (uvicorn, Granian);
    - in a worker of Hypercorn, which gets no signal, a task that ends;
    - where neither can be seen, `lifespan.shutdown`.

    An App listens from the start of its lifespan to its end, or, where it has none, from the first
    time that something is opened. When the stop begins, all that is open is told, and whatever is
    opened later. An App may be served in several event loops, each of which has its own set.

    Attributes:
        has_begun: whether the server wants to stop.
    """

    def __init__(self) -> None:
        self.has_begun = False
        self._has_listened = False

    def enter(self, thing: Stoppable) -> None:
        """Count *thing* as open; it is told at once if the stop has begun already."""
        self.opened().add(thing)
        if self.has_begun:
            thing.stop()

    def opened(self) -> set[Stoppable]:
        """Return what is open in the running event loop; the first call begins to listen."""
        loop = asyncio.get_running_loop()
        try:
            opened = _opened[loop][self]
        except KeyError:
            for other in [other for other in _opened if other.is_closed()]:
                del _opened[other]
            opened = _opened.setdefault(loop, {})[self] = set()
            self._has_listened = False
        if not self._has_listened:
            self._has_listened = True
            _listen()
        return opened

    def start(self) -> None:
        """Begin to listen: the lifespan starts."""
        self.has_begun = False
        self.opened()
        self._has_listened = False  # Hypercorn does not wait for its stop yet

    def begin(self) -> None:
        """Stop what is open in the running event loop."""
        self.has_begun = True
        for thing in tuple(self.opened()):
            thing.stop()

    async def finish(self) -> None:
        """Wait until nothing is open, but not forever; listen no longer: the lifespan ends.

        A server that has closed a connection, as Granian, may not have waited for its handler.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + _LONGEST_STOP
        while self.opened() and loop.time() < end:  # noqa: ASYNC110 - rare, and short
            await asyncio.sleep(0.01)
        del _opened[loop][self]
        if not any(_opened.values()):
            for number in _SIGNALS:
                handler = signal.getsignal(number)
                if isinstance(handler, _Handler):
                    _handle(number, handler.server)


# What is open, by App, in each event loop.
_opened: dict[AbstractEventLoop, dict[Stopping, set[Stoppable]]] = {}

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# Seconds for all that is open to end. All have bounds of their own, which user code may ignore.
_LONGEST_STOP = 12.0

# The coroutine function, of `hypercorn.utils`, in which the server waits to be told to stop,
# whether that is by a signal, by the main process or by the program that it is embedded in.
_HYPERCORN_WAITS = "raise_shutdown"


def _listen() -> None:
    """Have the Apps of the running event loop hear that its server wants to stop."""
    loop = asyncio.get_running_loop()
    # Whoever does not handle SIGTERM is not a server: a test, a notebook, a script that means
    # something else by Ctrl-C.
    if callable(signal.getsignal(signal.SIGTERM)):
        for number in _SIGNALS:
            handler: Any = signal.getsignal(number)
            if callable(handler) and not isinstance(handler, _Handler):
                _handle(number, _Handler(handler))
    for task in asyncio.all_tasks():
        if getattr(task.get_coro(), "__qualname__", "") == _HYPERCORN_WAITS:
            task.add_done_callback(partial(_tell, loop))


def _handle(number: int, handler: Any) -> None:
    with suppress(ValueError):  # threads but the main one can't, nor are they sent any signal
        signal.signal(number, handler)


def _tell(loop: AbstractEventLoop, _: object = None) -> None:
    for stopping in tuple(_opened.get(loop, ())):
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(stopping.begin)


class _Handler:
    """A signal handler that tells the Apps, and then calls the one which the server has set.

    With `loop.add_signal_handler` that one does nothing, and the event loop hears of the signal by
    itself; ours does not stand in its way.
    """

    def __init__(self, server: Callable[[int, FrameType | None], Any]) -> None:
        self.server = server

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for loop in tuple(_opened):
            _tell(loop)
        self.server(number, frame)
