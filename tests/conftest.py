"""Fixtures for every test."""

import pytest

# Failing comparisons of shared tests show their values, as those of other tests do.
pytest.register_assert_rewrite(
    "micropie.testing", "support.examples", "support.faults", "support.races"
)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Name the event loop of the async tests: MicroPie is written for asyncio."""
    return "asyncio"
