"""UploadFile: reading, saving, and what it leaves behind."""

import asyncio
import errno
import os
import resource
import shutil
import stat
import tempfile
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from micropie._bodies.spool import BATCH_SIZE, Spool
from micropie._bodies.uploads import CHUNK_SIZE, UploadFile, safe_filename

pytestmark = pytest.mark.anyio

SIZES = [0, 100, BATCH_SIZE, BATCH_SIZE + 1, 3 * BATCH_SIZE + 7]
SMALL, LARGE = 100, 2 * BATCH_SIZE


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.fixture(autouse=True)
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; every test must leave it empty."""
    folder = tmp_path / "spool"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert names(folder) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    folder.mkdir()
    return folder


class Uploads:
    """Makes uploads, and closes them in the end."""

    def __init__(self) -> None:
        self._made: list[UploadFile] = []

    async def __call__(
        self, size: int = SMALL, filename: str = "a.txt", **headers: str
    ) -> UploadFile:
        spool = Spool()
        file = UploadFile(filename, headers, spool)
        self._made.append(file)
        content = content_of(size)
        for start in range(0, size, 65_536):
            await spool.write(content[start : start + 65_536])
        await spool.finish()
        return file

    async def close(self) -> None:
        for file in self._made:
            await file.close()


@pytest.fixture
async def upload() -> AsyncIterator[Uploads]:
    uploads = Uploads()
    yield uploads
    await uploads.close()


# Reading


@pytest.mark.parametrize("size", SIZES)
async def test_an_upload_gives_back_what_was_sent(upload: Uploads, size: int) -> None:
    file = await upload(size)
    assert file.size == size
    assert await file.read() == content_of(size)
    assert await file.read() == b""


async def test_only_content_above_1_mib_goes_to_disk(upload: Uploads, spool_folder: Path) -> None:
    await upload(BATCH_SIZE)
    assert names(spool_folder) == []
    await upload(BATCH_SIZE + 1)
    assert len(names(spool_folder)) == 1


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


async def test_a_temporary_file_is_for_its_owner_only(upload: Uploads, spool_folder: Path) -> None:
    await upload(LARGE)
    (private,) = names(spool_folder)
    assert stat.S_IMODE((spool_folder / private).stat().st_mode) == 0o700


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


# Saving


@pytest.mark.parametrize("size", SIZES)
async def test_save_in_a_folder_stores_the_whole_content(
    upload: Uploads, size: int, folder: Path
) -> None:
    file = await upload(size, "a.txt")
    await file.read(10)
    assert await file.save(folder) == folder / "a.txt"
    assert (folder / "a.txt").read_bytes() == content_of(size)
    assert await file.read() == content_of(size)[10:]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_save_at_an_exact_path_replaces_a_file(
    upload: Uploads, size: int, folder: Path
) -> None:
    target = folder / ".name of my own"
    target.write_text("old")
    with target.open() as reader:
        assert await (await upload(size)).save(str(target)) == target
        assert reader.read() == "old"
    assert target.read_bytes() == content_of(size)
    assert names(folder) == [target.name]


async def test_a_large_file_is_moved_not_copied(
    upload: Uploads, spool_folder: Path, folder: Path
) -> None:
    file = await upload(LARGE)
    inode = (spool_folder / names(spool_folder)[0] / "content").stat().st_ino
    path = await file.save(folder)
    assert path.stat().st_ino == inode
    assert path.stat().st_nlink == 1
    assert names(spool_folder) == []


async def test_a_moved_upload_can_be_read_and_saved_again(upload: Uploads, folder: Path) -> None:
    file = await upload(LARGE)
    first = await file.save(folder)
    second = await file.save(folder)
    assert (first.name, second.name) == ("a.txt", "a-1.txt")
    second.write_text("changed")
    assert first.read_bytes() == content_of(LARGE)
    first.unlink()
    assert await file.read() == content_of(LARGE)


async def test_a_saved_file_outlives_the_upload(upload: Uploads, folder: Path) -> None:
    for size in (SMALL, LARGE):
        file = await upload(size)
        path = await file.save(folder)
        await file.close()
        assert path.read_bytes() == content_of(size)


@pytest.mark.skipif(
    not os.path.isdir("/dev/shm")
    or os.stat("/dev/shm").st_dev == os.stat(tempfile.gettempdir()).st_dev,
    reason="needs two file systems",
)
async def test_a_file_is_copied_to_another_file_system(upload: Uploads) -> None:
    file = await upload(LARGE)
    await file.read(10)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        path = await file.save(other)
        assert path.read_bytes() == content_of(LARGE)
        assert await file.read() == content_of(LARGE)[10:]


async def test_a_copy_that_fails_leaves_nothing(
    upload: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(os, "link", fail)
    monkeypatch.setattr(shutil, "copyfileobj", fail)
    file = await upload(LARGE)
    for target in (folder, folder / "exact"):
        with pytest.raises(OSError, match="disk full"):
            await file.save(target)
    assert names(folder) == []


async def test_a_small_file_that_does_not_fit_leaves_nothing(upload: Uploads, folder: Path) -> None:
    file = await upload(SMALL)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL - 1, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            await file.save(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(folder) == []


async def test_a_replacement_that_fails_leaves_the_old_file(
    upload: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise PermissionError("in use")

    monkeypatch.setattr(os, "replace", fail)
    (folder / "old").write_text("old")
    file = await upload(LARGE)
    with pytest.raises(PermissionError, match="in use"):
        await file.save(folder / "old")
    assert names(folder) == ["old"]
    assert await file.read() == content_of(LARGE)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
async def test_a_saved_file_has_the_permissions_of_a_new_file(
    upload: Uploads, folder: Path, size: int, umask: int
) -> None:
    before = os.umask(umask)
    try:
        file = await upload(size)
        for path in (await file.save(folder), await file.save(folder / "exact")):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    finally:
        os.umask(before)


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_saving_at_once_under_one_name_loses_nothing(
    upload: Uploads, folder: Path, size: int
) -> None:
    files = [await upload(size + n, "same.tar.gz") for n in range(20)]
    paths = await asyncio.gather(*(file.save(folder) for file in files))
    assert len(set(paths)) == 20
    assert [path.stat().st_size for path in paths] == [size + n for n in range(20)]
    assert set(names(folder)) == {
        "same.tar.gz",
        *(f"same.tar-{n}.gz" for n in range(1, 20)),
    }


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_one_upload_saved_many_times_at_once_is_whole_each_time(
    upload: Uploads, folder: Path, size: int
) -> None:
    file = await upload(size)
    paths = await asyncio.gather(*(file.save(folder) for _ in range(8)))
    assert all(path.read_bytes() == content_of(size) for path in paths)
    assert len({path.stat().st_ino for path in paths}) == 8


async def test_a_thousand_files_of_one_name_do_not_slow_down_the_next(
    upload: Uploads, folder: Path
) -> None:
    for name in ("a.txt", *(f"a-{n}.txt" for n in range(1, 1000))):
        (folder / name).touch()
    path = await (await upload()).save(folder)
    assert len(path.stem) == len("a-") + 16
    assert path.suffix == ".txt"


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_link_in_the_folder_is_neither_followed_nor_replaced(
    upload: Uploads, tmp_path: Path, folder: Path, size: int
) -> None:
    outside = tmp_path / "outside"
    (folder / "a.txt").symlink_to(outside)
    assert (await (await upload(size)).save(folder)).name == "a-1.txt"
    assert not outside.exists()
    assert (folder / "a.txt").is_symlink()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_an_exact_path_that_is_no_regular_file_is_left_alone(
    upload: Uploads, tmp_path: Path, folder: Path, size: int
) -> None:
    (tmp_path / "outside").write_text("old")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(folder / "pipe")
    file = await upload(size)
    for name in ("link", "dangling", "pipe"):
        with pytest.raises(FileExistsError, match="no regular file"):
            await file.save(folder / name)
    assert (tmp_path / "outside").read_text() == "old"
    assert len(names(folder)) == 3


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_a_folder_that_is_not_there_is_not_made(
    upload: Uploads, folder: Path, size: int
) -> None:
    file = await upload(size)
    for path in (str(folder / "no" / "a.txt"), f"{folder}/no/"):
        with pytest.raises(FileNotFoundError):
            await file.save(path)
    assert names(folder) == []


async def test_a_cancelled_save_is_over_when_it_raises(
    upload: Uploads, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def slow_link(source: str, target: str) -> None:
        time.sleep(0.05)
        link(source, target)

    monkeypatch.setattr(os, "link", slow_link)
    file = await upload(LARGE)
    saving = asyncio.create_task(file.save(folder))
    await asyncio.sleep(0.01)
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert names(folder) == ["a.txt"]
    assert await file.read() == content_of(LARGE)


# Names


HOSTILE_NAMES = {
    "report.pdf": "report.pdf",
    "übersicht 日本語 😀.txt": "übersicht 日本語 😀.txt",
    "": "file",
    ".": "file",
    "..": "file",
    "...": "file",
    "/": "file",
    "a/": "file",
    "../../etc/passwd": "passwd",
    "/etc/passwd": "passwd",
    "..\\..\\windows\\system.ini": "system.ini",
    "C:\\fakepath\\photo.jpg": "photo.jpg",
    "C:evil.txt": "C_evil.txt",
    "a.txt:stream": "a.txt_stream",
    "..\x00/../x.txt": "x.txt",
    "a\x00b.txt": "ab.txt",
    "a\r\nb\t\x1b[0m.txt": "ab[0m.txt",
    "\x7f\x85": "file",
    "photo\u202egpj.exe": "photogpj.exe",
    "lone\ud800surrogate": "lonesurrogate",
    ".htaccess": "htaccess",
    "...bashrc": "bashrc",
    " . .profile": "profile",
    "name. . ": "name",
    "name.txt.": "name.txt",
    "what?*<>|.txt": "what_____.txt",
    'say "hi".txt': "say _hi_.txt",
    "con": "_con",
    "NUL.txt": "_NUL.txt",
    "Aux .tar.gz": "_Aux .tar.gz",
    "com1": "_com1",
    "LPT¹.doc": "_LPT¹.doc",
    "conin$": "_conin$",
    "console.txt": "console.txt",
    "com10": "com10",
    "\ufffd\ufffd.bin": "\ufffd\ufffd.bin",
    "a" * 300 + ".txt": "a" * 196 + ".txt",
    "日" * 100 + ".txt": "日" * 65 + ".txt",
    "x." + "y" * 300: "x." + "y" * 19,
    "." * 300 + "a" * 300: "a" * 200,
    "a" * 195 + " " * 100 + ".txt": "a" * 195 + " .txt",
}


@pytest.mark.parametrize("filename", HOSTILE_NAMES, ids=ascii)
async def test_a_hostile_name_is_harmless_on_disk(
    upload: Uploads, tmp_path: Path, folder: Path, filename: str
) -> None:
    path = await (await upload(SMALL, filename)).save(folder)
    assert path == folder / HOSTILE_NAMES[filename]
    assert names(folder) == [path.name]
    assert names(tmp_path) == ["saved", "spool"]


@pytest.mark.parametrize("filename", HOSTILE_NAMES, ids=ascii)
def test_a_safe_name_is_safe_again(filename: str) -> None:
    name = safe_filename(filename)
    assert safe_filename(name) == name
    assert 0 < len(os.fsencode(name)) <= 201


# Closing


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


@pytest.mark.usefixtures("logged")
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


@pytest.mark.parametrize("closed", ["before the move", "after the move"])
async def test_closing_during_a_save_leaves_other_files_alone(
    upload: Uploads, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    link = os.link

    def interrupted_link(source: str, target: str) -> None:
        if closed == "after the move":
            link(source, target)
        begun.set()
        assert go_on.wait(10)
        if closed == "before the move":
            link(source, target)

    monkeypatch.setattr(os, "link", interrupted_link)
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / "content"  # as the temporary file is called in its folder
    mine.write_text("mine")
    file = await upload(LARGE)
    saving = asyncio.create_task(file.save(folder))
    assert await asyncio.to_thread(begun.wait, 10)
    await file.close()
    go_on.set()
    if closed == "after the move":
        assert (await saving).read_bytes() == content_of(LARGE)
    else:
        with pytest.raises(ValueError, match="closed"):
            await saving
        assert names(folder) == []
    assert mine.read_text() == "mine"
