"""UploadFile: reading it, and what it leaves behind."""

import asyncio
import os
import shutil
import stat
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest

from micropie._bodies.spool import BATCH_SIZE, MOST_NAMELESS, Spool
from micropie._bodies.uploads import CHUNK_SIZE
from support.asgi import PATIENCE
from support.temporary_files import names, on_disk
from support.uploads import LARGE, SIZES, SMALL, Uploads, content_of

pytestmark = pytest.mark.anyio

# Reading.


@pytest.mark.parametrize("size", SIZES)
async def test_an_upload_gives_back_what_was_sent(upload: Uploads, size: int) -> None:
    file = await upload(size)
    assert file.size == size
    assert await file.read() == content_of(size)
    assert await file.read() == b""


@pytest.mark.usefixtures("both_kinds")
async def test_only_content_above_1_mib_goes_to_disk(upload: Uploads, spool_folder: Path) -> None:
    await upload(BATCH_SIZE)
    assert on_disk(spool_folder) == 0
    await upload(BATCH_SIZE + 1)
    assert on_disk(spool_folder) == 1


# Emscripten has the flag, and no file system that knows it.
nameless = pytest.mark.skipif(
    not hasattr(os, "O_TMPFILE") or sys.platform == "emscripten",
    reason="needs files without a name",
)


@nameless
async def test_a_temporary_file_has_no_name_that_a_killed_process_could_leave(
    upload: Uploads, spool_folder: Path
) -> None:
    await upload(LARGE)
    assert (names(spool_folder), on_disk(spool_folder)) == ([], 1)


@nameless
async def test_many_uploads_leave_descriptors_for_other_things(
    upload: Uploads, spool_folder: Path, folder: Path
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    files = [await upload(BATCH_SIZE + 1 + n) for n in range(MOST_NAMELESS + 5)]
    assert len(os.listdir("/proc/self/fd")) - before == MOST_NAMELESS
    assert len(names(spool_folder)) == 5
    paths = [await file.save(folder) for file in files[-10:]]
    assert [len(await file.read()) for file in files[-10:]] == [file.size for file in files[-10:]]
    assert [path.stat().st_size for path in paths] == [file.size for file in files[-10:]]


async def test_a_file_that_comes_in_tiny_chunks_takes_little_memory() -> None:
    spool = Spool()
    tracemalloc.start()
    try:
        for number in range(BATCH_SIZE // 4):
            await spool.write(number.to_bytes(4))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await spool.close()
    assert peak < 3 * BATCH_SIZE


@pytest.mark.usefixtures("named")
async def test_a_temporary_file_is_for_its_owner_only(upload: Uploads, spool_folder: Path) -> None:
    await upload(LARGE)
    (private,) = names(spool_folder)
    assert stat.S_IMODE((spool_folder / private).stat().st_mode) == 0o700


@pytest.mark.usefixtures("named")
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files in /proc")
async def test_uploads_that_nobody_reads_keep_no_file_open(upload: Uploads) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await upload(LARGE)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_reading_goes_on_from_the_position(upload: Uploads, size: int) -> None:
    file, content = await upload(size), content_of(size)
    assert await file.read(10) == content[:10]
    assert await file.read(0) == b""
    assert await file.read(10) == content[10:20]
    await file.seek(5)
    assert b"".join([chunk async for chunk in file]) == content[5:]
    await file.seek(size + 10)
    assert await file.read() == b""


async def test_iterating_gives_chunks_of_bounded_size(upload: Uploads) -> None:
    file = await upload(LARGE + 1)
    sizes = [len(chunk) async for chunk in file]
    assert max(sizes) == CHUNK_SIZE
    assert sum(sizes) == LARGE + 1


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_upload_answers_the_mapping_spelling(upload: Uploads, size: int) -> None:
    file = await upload(size, "ä.png", **{"content-type": "image/png"})
    assert file["filename"] == file.filename == "ä.png"
    assert file["content_type"] == file.content_type == "image/png"
    received = b""
    while (chunk := await file["content"].get()) is not None:
        received += chunk
    assert received == content_of(size)
    assert await file["content"].get() is None
    with pytest.raises(KeyError, match="size"):
        file["size"]


async def test_an_upload_without_a_type_is_binary(upload: Uploads) -> None:
    file = await upload()
    assert file.content_type == "application/octet-stream"
    assert file.headers == {}
    assert repr(file) == "UploadFile('a.txt', 'application/octet-stream', 100 bytes)"


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_closed_upload_says_that_it_is_closed(
    upload: Uploads, size: int, folder: Path
) -> None:
    file = await upload(size)
    await file.close()
    await file.close()
    for use in (file.read(), file.seek(0), file.save(folder)):
        with pytest.raises(ValueError, match="this upload is closed"):
            await use
    assert names(folder) == []


# Closing.


@pytest.mark.usefixtures("named")
async def test_closing_an_upload_whose_file_is_gone_is_no_error(
    upload: Uploads, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = await upload(LARGE)
    (spool_folder / names(spool_folder)[0] / "content").unlink()
    await file.close()
    file = await upload(LARGE)
    shutil.rmtree(spool_folder / names(spool_folder)[0])
    await file.close()
    assert caplog.text == ""


@pytest.mark.usefixtures("logged", "named")
async def test_a_temporary_file_that_cannot_be_deleted_is_logged(
    upload: Uploads, spool_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = await upload(LARGE)
    private = spool_folder / names(spool_folder)[0]
    (private / "stranger").touch()
    await file.close()
    assert "could not be deleted" in caplog.text
    shutil.rmtree(private)


async def test_an_upload_that_is_being_read_can_be_closed(upload: Uploads) -> None:
    file = await upload(LARGE)
    await file.read(10)
    await file.close()
    with pytest.raises(ValueError, match="closed"):
        await file.read()


@pytest.mark.usefixtures("both_kinds")
@pytest.mark.parametrize("closed", ["before the move", "after the move"])
async def test_closing_during_a_save_leaves_other_files_alone(
    upload: Uploads, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    link = os.link

    def interrupted_link(source: str, target: str, **options: int) -> None:
        if closed == "after the move":
            link(source, target, **options)
        begun.set()
        assert go_on.wait(PATIENCE)
        if closed == "before the move":
            link(source, target, **options)

    monkeypatch.setattr(os, "link", interrupted_link)
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "content"  # as the temporary file is called in its folder
    mine.write_text("mine")
    file = await upload(LARGE)
    saving = asyncio.create_task(file.save(folder))
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await file.close()
    go_on.set()
    if closed == "after the move":
        assert (await saving).read_bytes() == content_of(LARGE)
    else:
        with pytest.raises(ValueError, match="closed"):
            await saving
        assert names(folder) == []
    assert mine.read_text() == "mine"
