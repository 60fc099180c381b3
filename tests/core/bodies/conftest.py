"""A clock for the tests of bodies that come slowly."""

import asyncio

import pytest


class Clock:
    """The event loop's clock, which goes on as usual, and further when a test moves it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._real_time = loop.time
        self._ahead = 0.0
        loop.time = self._time  # type: ignore[method-assign]

    def _time(self) -> float:
        return self._real_time() + self._ahead

    def move(self, seconds: float) -> None:
        """Let what is due within *seconds* be due now."""
        self._ahead += seconds


@pytest.fixture
async def clock() -> Clock:
    """The clock of the loop that runs the test."""
    return Clock(asyncio.get_running_loop())
