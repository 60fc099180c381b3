"""Servers to be attacked, and how to tell that an attack did no harm."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import pytest

from support.bodies import END, MULTIPART
from support.raw_http import whole
from support.servers import CLIENT_TIMEOUT, Server, serve

FOLDER = Path(__file__).parents[1] / "core" / "serving" / "bad_input"

# Name in the tests -> the server, its options, and more of its environment.
TARGETS = {
    "uvicorn": ("uvicorn", ("--http", "httptools"), {}),
    "uvicorn-h11": ("uvicorn", ("--http", "h11"), {"MICROPIE_TEST_WITHOUT_ORJSON": "1"}),
    "hypercorn": ("hypercorn", ("--keep-alive", "2"), {}),
    "granian": ("granian", (), {}),
}


def on(*targets: str) -> pytest.MarkDecorator:
    """Run a test on these alone."""
    return pytest.mark.parametrize("running", targets, indirect=True)


# One server is enough where only MicroPie's own work counts.
on_uvicorn = on("uvicorn", "uvicorn-h11")


@contextmanager
def attacked(
    name: str,
    folder: Path,
    options: Sequence[str],
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run the server *name*; in *folder* are its `temporary` files, and those it is sent."""
    temporary, uploads = folder / "tmp", folder / "uploads"
    temporary.mkdir()
    uploads.mkdir()
    told = {"TMPDIR": str(temporary), "MICROPIE_TEST_UPLOADS": str(uploads), **environment}
    with serve(name, "bad_input_app:app", FOLDER, options=options, environment=told) as server:
        server.temporary, server.uploads = temporary, uploads
        yield server


def wait_until(condition: Callable[[], object], timeout: float = CLIENT_TIMEOUT) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


def multipart(*parts: bytes, end: bytes = END, content_type: str = MULTIPART) -> bytes:
    """Return a request whose body is these parts."""
    return whole("/sizes", b"".join(parts) + end, content_type)
