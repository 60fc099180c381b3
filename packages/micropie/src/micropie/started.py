"""An awaitable that has been started: it may be done already, without anybody having waited."""

from collections.abc import Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Started(Generic[T]):
    """The rest of something awaited whose first step has been run, by `next()`.

    Something awaited that needs not wait for anything is done with its first step. Whoever would
    set a timer or take a lock, in case it must wait, then knows that there is no need.

    Args:
        awaited: what `__await__` gave.
        waits_for: what the first step gave, for the event loop.
    """

    __slots__ = ("_awaited", "_waits_for")

    def __init__(self, awaited: Generator[Any, Any, T], waits_for: Any) -> None:
        self._awaited = awaited
        self._waits_for = [waits_for]

    def __await__(self) -> Generator[Any, Any, T]:
        result: T = yield from self
        return result

    def __iter__(self) -> "Started[T]":
        return self

    def __next__(self) -> Any:
        return self._waits_for.pop() if self._waits_for else next(self._awaited)

    def throw(self, error: BaseException) -> Any:
        """Let what is awaited handle *error*, as `yield from` does."""
        # Optional for awaitables, and there are some without: Granian's.
        if not hasattr(self._awaited, "throw"):
            raise error
        return self._awaited.throw(error)

    def close(self) -> None:
        """End what is awaited, as `yield from` does."""
        if hasattr(self._awaited, "close"):
            self._awaited.close()
