"""An awaitable that has been started: it may be done already, without anybody having waited."""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Started(Generic[T]):
    """Runs *awaitable* to its first wait, at once; it can be awaited for the rest.

    A coroutine that needs not wait for anything is done by then, and whoever would have had to
    set a timer or to take a lock, in case it must wait, knows that there is no need.

    Raises:
        BaseException: what *awaitable* raised before it had to wait.
    """

    __slots__ = ("_iterator", "_yielded", "is_done", "result")

    result: T  # once it is done

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._iterator = awaitable.__await__()
        try:
            # What the event loop would get, and will get when this is awaited.
            self._yielded: list[Any] = [next(self._iterator)]
            self.is_done = False
        except StopIteration as end:
            self.result = end.value
            self.is_done = True

    def __await__(self) -> Generator[Any, Any, T]:
        result: T = yield from self
        return result

    def __iter__(self) -> "Started[T]":
        return self

    def __next__(self) -> Any:
        return self._yielded.pop() if self._yielded else next(self._iterator)

    def throw(self, error: BaseException) -> Any:
        """Let what is awaited handle *error*, as `yield from` does."""
        # Optional for awaitables, and there are some without: Granian's.
        if not hasattr(self._iterator, "throw"):
            raise error
        return self._iterator.throw(error)

    def close(self) -> None:
        """End what is awaited, as `yield from` does."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()
