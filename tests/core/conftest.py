"""Fixtures of the core's tests."""

import logging
from collections.abc import Iterator

import pytest


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """What MicroPie logs, for tests that expect errors; in others an error fails the test."""
    handler = Records()
    logging.getLogger("micropie").addHandler(handler)
    yield handler.records
    logging.getLogger("micropie").removeHandler(handler)


@pytest.fixture(autouse=True)
def nothing_goes_wrong_unnoticed(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> Iterator[None]:
    """Fail tests in which MicroPie or asyncio logged an error that the test does not ask about."""
    yield
    if "logged" not in request.fixturenames:
        records = [*caplog.get_records("setup"), *caplog.get_records("call")]
        errors = [record for record in records if record.levelno >= logging.WARNING]
        assert not errors, "; ".join(record.getMessage() for record in errors)
    else:
        # "Task exception was never retrieved" is a bug wherever it shows.
        assert not [record for record in caplog.get_records("call") if record.name == "asyncio"]
