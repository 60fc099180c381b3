"""Fixtures for every test, and what scripts/test runs on one Python only."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Folders and modules whose tests look at other programs more than at Python: browsers, databases
# that fail, the processes that examples and pages of the documentation start.
ONCE = (
    "composition",
    "demo",
    "docs",
    "examples",
    "packaging/test_bundle.py",
    "packaging/test_scripts.py",
    "redis/test_faults.py",
    "redis/test_processes.py",
    "socketio/test_many.py",
    "socketio/test_node_client.py",
    "socketio/test_workers.py",
    "sql_sessions/test_faults.py",
    "sql_sessions/test_processes.py",
    "static/test_browser.py",
)

# Failing comparisons of shared tests show their values, as those of other tests do.
pytest.register_assert_rewrite("micropie.testing", "support")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests in ONCE."""
    if any(item.path.is_relative_to(TESTS / path) for path in ONCE):
        item.add_marker("once")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Name the event loop of the async tests: MicroPie is written for asyncio."""
    return "asyncio"
