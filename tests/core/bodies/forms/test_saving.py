"""UploadFile.save: where a file lands, and what is left when that fails."""

import asyncio
import errno
import os
import resource
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from support.asgi import PATIENCE, settled
from support.temporary_files import names
from support.uploads import LARGE, SIZES, SMALL, Uploads, content_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("both_kinds")]


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


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
async def test_a_large_file_is_moved_not_copied(
    upload: Uploads, spool_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await upload(LARGE)
    monkeypatch.setattr(shutil, "copyfileobj", None)
    path = await file.save(folder)
    assert path.stat().st_nlink == 1
    assert path.read_bytes() == content_of(LARGE)
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
    def fail(*args: object, **options: object) -> None:
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
        with pytest.raises(FileExistsError, match="not a regular file"):
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
    linking, go_on = threading.Event(), threading.Event()

    def slow_link(source: str, target: str, **options: int) -> None:
        linking.set()
        assert go_on.wait(PATIENCE)
        link(source, target, **options)

    monkeypatch.setattr(os, "link", slow_link)
    file = await upload(LARGE)
    saving = asyncio.create_task(file.save(folder))
    assert await asyncio.to_thread(linking.wait, PATIENCE)
    saving.cancel()
    await settled()
    assert not saving.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert names(folder) == ["a.txt"]
    assert await file.read() == content_of(LARGE)
