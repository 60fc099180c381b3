"""A form's temporary files, however its parsing ended: none is left."""

import asyncio
import os
import resource
import tempfile
import threading
from pathlib import Path

import pytest

from micropie._bodies.uploads import Files
from micropie._errors import BadRequest
from support.asgi import PATIENCE, settled
from support.bodies import MIB
from support.forms import BOUNDARY, END, file, parse
from support.temporary_files import names, on_disk

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("both_kinds")]

LARGE_PARTS = [
    file(b"f", b"f", b"")[:-2],
    *[b"x" * MIB] * 3,
    b"\r\n" + file(b"g", b"g", b"y" * 2 * MIB) + END,
]


async def test_closing_deletes_all_temporary_files(spool_folder: Path) -> None:
    files = Files()
    await parse(LARGE_PARTS, files)
    assert on_disk(spool_folder) == 2
    await files["f"].read(1)
    await files.close()
    assert on_disk(spool_folder) == 0
    await files.close()


async def test_a_refused_body_leaves_no_file(files: Files) -> None:
    with pytest.raises(BadRequest):
        await parse([*LARGE_PARTS[:3], b"\r\n--" + BOUNDARY + b"bad"], files)


@pytest.mark.parametrize("steps", range(0, 40, 2))
async def test_a_parse_cancelled_anywhere_leaves_no_file(steps: int) -> None:
    files = Files()
    parsing = asyncio.create_task(parse(LARGE_PARTS, files))
    for _ in range(steps):
        await asyncio.sleep(0.0002)
    parsing.cancel()
    await asyncio.wait({parsing})
    await files.close()


async def test_a_file_made_after_the_cancellation_is_deleted(
    monkeypatch: pytest.MonkeyPatch, spool_folder: Path
) -> None:
    gettempdir = tempfile.gettempdir
    reached, go_on = threading.Event(), threading.Event()

    def slow_gettempdir() -> str:
        reached.set()
        assert go_on.wait(PATIENCE)
        return gettempdir()

    monkeypatch.setattr(tempfile, "gettempdir", slow_gettempdir)
    files = Files()
    parsing = asyncio.create_task(parse(LARGE_PARTS, files))
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    for _ in range(3):  # whoever cancels may do so again
        parsing.cancel()
        await settled()
    assert not parsing.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await parsing
    assert on_disk(spool_folder) == 1
    await files.close()


@pytest.mark.usefixtures("named")
async def test_a_cancelled_close_deletes_all_files(
    monkeypatch: pytest.MonkeyPatch, spool_folder: Path
) -> None:
    unlink = os.unlink
    reached, go_on = threading.Event(), threading.Event()

    def slow_unlink(path: str) -> None:
        reached.set()
        assert go_on.wait(PATIENCE)
        unlink(path)

    files = Files()
    await parse(LARGE_PARTS, files)
    monkeypatch.setattr(os, "unlink", slow_unlink)
    closing = asyncio.create_task(files.close())
    assert await asyncio.to_thread(reached.wait, PATIENCE)
    closing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert names(spool_folder) == []


async def test_a_full_disk_is_an_error_that_leaves_no_file(files: Files) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            await parse(LARGE_PARTS, files)
        await files.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
