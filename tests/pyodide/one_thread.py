"""A pytest plugin for a Python that has one thread, one process and no network: Pyodide's.

Which tests are left out there is listed nowhere. Whoever calls for what is missing gets an error,
as from Python itself; and a test that fails after the *test* called for it, or its fixtures did, is
reported as skipped, with what it called for. MicroPie's own code has no such excuse: an App must
work without threads, so a test in which it starts one fails.
"""

import os
import re
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

ROOT = Path(__file__).parents[2]
MICROPIE = str(ROOT / "packages")
# Whose calls are a test's own.
TESTS = (str(ROOT / "tests"), str(ROOT / "packages/micropie/src/micropie/testing"))


class Missing(RuntimeError):
    """What was called for is not there."""


class Needs:
    """What the running test has called for and could not get."""

    def __init__(self) -> None:
        self.now: list[str] = []

    def note(self, what: str) -> None:
        """Take note of *what* if it is a test that asks, and not MicroPie."""
        frame = sys._getframe(1)
        while frame is not None:
            file = frame.f_code.co_filename
            if file.startswith(TESTS) and not file.startswith(HERE):
                self.now.append(what)
                return
            if file.startswith(MICROPIE):
                return
            frame = frame.f_back


HERE = str(Path(__file__).parent)
needs = Needs()


def refusing(what: str) -> Callable[..., NoReturn]:
    """Return a function that can't do what it is called for."""

    def refused(*args: object, **kwargs: object) -> NoReturn:
        needs.note(what)
        raise Missing(what)

    return refused


def noting(function: Callable[..., Any], what: str) -> Callable[..., Any]:
    """Return *function*, which works, but not quite as tests of it expect."""

    def noted(*args: Any, **kwargs: Any) -> Any:
        needs.note(what)
        return function(*args, **kwargs)

    return noted


def pytest_configure() -> None:
    """Put an error, or a watch, in the place of what is missing."""
    threading.Thread.start = refusing("another thread")
    # Events, semaphores and barriers wait here, for somebody else to wake them.
    threading.Condition.wait = refusing("another thread")
    threading.main_thread = noting(threading.main_thread, "another thread")
    subprocess.Popen.__init__ = refusing("another process")
    socket.socket.__init__ = refusing("a network")
    # The file system in memory ignores the first, and O_EXCL follows the second.
    os.umask = noting(os.umask, "a umask")
    os.symlink = noting(os.symlink, "symbolic links")


def pytest_runtest_logstart() -> None:
    needs.now.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, Any, Any]:
    """Turn a failure that had to come into a skip; before the report, which takes a while."""
    if call.excinfo is not None and not call.excinfo.errisinstance(pytest.skip.Exception):
        wanted = [*needs.now, *missing_in(call.excinfo.value)]
        if wanted:
            call.excinfo = skipped(f"needs {wanted[0]}")
    return (yield)


def missing_in(error: BaseException | None) -> Iterator[str]:
    """Yield what *error* says is missing: a fixture's is raised again for each of its tests."""
    while error is not None:
        if isinstance(error, Missing):
            yield str(error)
        elif isinstance(error, AttributeError) and not is_from_micropie(error):
            # Python has no such function on Emscripten: os.mkfifo, signal.alarm.
            absent = re.search(r"module '?(os|signal)'? .*has no attribute '(\w+)'", str(error))
            if absent:
                yield ".".join(absent.groups())
        error = error.__cause__ or error.__context__


def is_from_micropie(error: BaseException) -> bool:
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if file.startswith(MICROPIE) and not file.startswith(TESTS):
            return True
        traceback = traceback.tb_next
    return False


def skipped(reason: str) -> pytest.ExceptionInfo[BaseException]:
    try:
        raise pytest.skip.Exception(reason, _use_item_location=True)
    except pytest.skip.Exception as error:
        return pytest.ExceptionInfo.from_exception(error)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many were left out, and why."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", ())
    )
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"left out: {count:4}  {reason}")
