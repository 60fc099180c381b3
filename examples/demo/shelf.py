"""The shelf: uploaded files, the latest of them, in a folder that goes when the app does."""

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from micropie import UploadFile


@dataclass(frozen=True)
class KeptFile:
    id: int
    path: Path
    size: int

    @property
    def name(self) -> str:
        """The uploaded file's name, as far as it is harmless: UploadFile.save() has seen to it."""
        return self.path.name


class Shelf:
    """Files by number. A visitor's file name never leads to a path, only a number does."""

    MAX_FILE_SIZE = 10_000_000  # bytes
    MAX_FILES = 20  # the oldest makes room for the next
    MAX_TOTAL_SIZE = 50_000_000

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._files: dict[int, KeptFile] = {}
        self._numbers = itertools.count(1)

    def open(self) -> None:
        """Make the folder."""
        self._folder = TemporaryDirectory(prefix="guestbook-")

    def close(self) -> None:
        """Delete the folder and all files; it need not have been made."""
        if self._folder is not None:
            self._folder.cleanup()

    def files(self) -> list[KeptFile]:
        """Return the files, the latest first."""
        return list(reversed(self._files.values()))

    def find(self, file_id: int) -> KeptFile | None:
        """Return the file of that number, or None."""
        return self._files.get(file_id)

    async def keep(self, upload: UploadFile) -> KeptFile:
        """Put a file of at most MAX_FILE_SIZE on the shelf, and take the oldest off if need be."""
        if self._folder is None:
            raise RuntimeError("the shelf is closed: this server sends no lifespan events")
        path = await upload.save(self._folder.name)
        file = KeptFile(next(self._numbers), path, upload.size)
        self._files[file.id] = file
        while len(self._files) > self.MAX_FILES or self._total_size() > self.MAX_TOTAL_SIZE:
            oldest = self._files.pop(min(self._files))
            await asyncio.to_thread(oldest.path.unlink)
        return file

    def _total_size(self) -> int:
        return sum(file.size for file in self._files.values())
