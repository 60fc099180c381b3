"""Fixtures for every test, what scripts/test runs on few Pythons, and what may be skipped."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# Folders and modules whose tests look at other programs more than at Python: browsers, databases
# that fail, the processes that examples and pages of the documentation start, what uv and type
# checkers make of the packages.
ONCE = (
    "command/test_new.py",
    "command/test_run.py",
    "composition",
    "demo",
    "docs",
    "examples",
    "packaging",
    "redis/test_faults.py",
    "redis/test_processes.py",
    "socketio/test_many.py",
    "socketio/test_node_client.py",
    "socketio/test_workers.py",
    "sql_sessions/test_faults.py",
    "sql_sessions/test_processes.py",
    "static/test_browser.py",
)

# What real servers do with the core differs between them, not between neighbouring Pythons.
SERVED = (
    "core/serving/bad_input",
    "core/serving/test_lifespan_servers.py",
    "core/serving/test_servers.py",
    "core/serving/websockets/test_servers.py",
)

# Failing comparisons of shared tests show their values, as those of other tests do.
pytest.register_assert_rewrite("micropie.testing", "support")


@cache  # Called for each of thousands of tests, which are in some 150 files.
def _markers(path: Path) -> list[str]:
    places = {"once": ONCE, "served": SERVED}
    return [
        name
        for name, paths in places.items()
        if any(path.is_relative_to(TESTS / place) for place in paths)
    ]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests in ONCE and SERVED."""
    for name in _markers(item.path):
        item.add_marker(name)


# A test that imports a package, or runs a server, that is not installed is skipped: for the core's
# tests pytest is enough. But not in scripts/test, which sets INSTALL and has everything.


@contextmanager
def packages_may_be_missing() -> Iterator[None]:
    """Skip what needs a package that is not installed."""
    from support.programs import INSTALL  # not before `support` is registered above

    try:
        yield
    except ModuleNotFoundError as error:
        if os.environ.get(INSTALL):
            raise
        pytest.skip(f"{error.name} is not installed", allow_module_level=True)


class Module(pytest.Module):
    """A module of tests, whose imports may be missing."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        with packages_may_be_missing():
            try:
                return list(super().collect())
            except self.CollectError as error:
                if isinstance(error.__cause__, ModuleNotFoundError):
                    raise error.__cause__ from None
                raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Module:
    """Collect a module of tests as the class above does."""
    return Module.from_parent(parent, path=module_path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """Let fixtures miss packages."""
    with packages_may_be_missing():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """Let tests miss packages."""
    with packages_may_be_missing():
        return (yield)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Name the event loop of the async tests: MicroPie is written for asyncio."""
    return "asyncio"
