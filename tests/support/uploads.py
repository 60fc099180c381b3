"""Uploads as the parser of forms makes them, of any size."""

import os
from contextlib import suppress
from pathlib import Path

from micropie._bodies.spool import BATCH_SIZE, Spool
from micropie._bodies.uploads import UploadFile

SIZES = [0, 100, BATCH_SIZE, BATCH_SIZE + 1, 3 * BATCH_SIZE + 7]

SMALL, LARGE = 100, 2 * BATCH_SIZE


def names(folder: Path) -> list[str]:
    """Return what is in *folder*."""
    return sorted(os.listdir(folder))


def on_disk(folder: Path) -> int:
    """Return how many temporary files are in *folder*, with a name or without."""
    nameless = set()
    if os.path.isdir("/proc/self/fd"):
        for number in os.listdir("/proc/self/fd"):
            with suppress(OSError):  # that of the listing itself
                nameless.add(os.readlink(f"/proc/self/fd/{number}"))
    unnamed = [path for path in nameless if path.startswith(f"{folder}/#")]
    return len(names(folder)) + len(unnamed)


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


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
