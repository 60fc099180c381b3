"""The rest of a coroutine, awaited after its first step has shown that it has to wait."""

from collections.abc import Generator
from typing import Any

# What next() returns for a coroutine that has ended. Nothing else will do: Granian's awaitables
# yield themselves.
DONE: Any = object()


class Blocked:
    """The rest of a coroutine whose first step, run by next(), did not complete it.

    A `receive()` that has its message ready completes in its first step, and so does a `send()` to
    a client that reads. To try that before a timer is set and a lock taken halves the time of a
    POST, and a WebSocket's message needs no timer.

    Args:
        steps: what the coroutine's `__await__` returned.
        waits_for: what the first step yielded to the event loop.
    """

    __slots__ = ("_steps", "_waits_for")

    def __init__(self, steps: Generator[Any, Any, Any], waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = [waits_for]

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield from self)

    def __iter__(self) -> "Blocked":
        return self

    def __next__(self) -> Any:
        return self._waits_for.pop() if self._waits_for else next(self._steps)

    def throw(self, error: BaseException) -> Any:
        """Let the coroutine handle *error*, as `yield from` does."""
        return self._steps.throw(error)

    def close(self) -> None:
        """End the coroutine, as `yield from` does."""
        self._steps.close()
