"""A coroutine that has been started: it may be done already, without anybody having waited."""

from collections.abc import Generator
from typing import Any


class Started:
    """The rest of a coroutine whose first step has been run, by `next()`.

    A coroutine that needs not wait for anything is done with its first step. Whoever would set a
    timer or take a lock, in case it must wait, then knows that there is no need.

    Args:
        steps: what the coroutine's `__await__` gave.
        waits_for: what the first step gave, for the event loop.
    """

    __slots__ = ("_steps", "_waits_for")

    def __init__(self, steps: Generator[Any, Any, None], waits_for: Any) -> None:
        self._steps = steps
        self._waits_for = [waits_for]

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self

    def __iter__(self) -> "Started":
        return self

    def __next__(self) -> Any:
        return self._waits_for.pop() if self._waits_for else next(self._steps)

    def throw(self, error: BaseException) -> Any:
        """Let the coroutine handle *error*, as `yield from` does."""
        return self._steps.throw(error)

    def close(self) -> None:
        """End the coroutine, as `yield from` does."""
        self._steps.close()
