"""Fixtures of all test suites."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """The event loop of the async tests: MicroPie is written for asyncio."""
    return "asyncio"
