"""Uploaded files as handlers meet them, and the safe way into a folder."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from micropie._bodies.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

# Bytes that iterating gives at once: few thread hops, and little memory.
CHUNK_SIZE = 256 * 1024


class UploadFile:
    """A file that came with a form. It lives until the response has been sent.

    Args:
        filename: as the client sent it, so never use it as a path; "" if there was none.
        headers: those of the form's part, names in lower case.
        spool: holds the content.
    """

    def __init__(self, filename: str, headers: Mapping[str, str], spool: Spool) -> None:
        self.filename = filename
        self.headers = dict(headers)
        self._spool = spool

    @property
    def content_type(self) -> str:
        """The type that the client gave; "application/octet-stream" if it gave none."""
        return self.headers.get("content-type", "application/octet-stream")

    @property
    def size(self) -> int:
        """The length of the content in bytes."""
        return self._spool.size

    async def read(self, n: int = -1) -> bytes:
        """Return up to *n* bytes from the current position, all that are left if negative."""
        return await self._spool.read(n)

    async def seek(self, n: int) -> None:
        """Go to position *n*, in bytes from the start."""
        await self._spool.seek(n)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what is left from the current position, in chunks."""
        while chunk := await self.read(CHUNK_SIZE):
            yield chunk

    async def save(self, path: str | os.PathLike[str]) -> "Path":
        """Store the whole content as a file; a large one is moved there, not copied, if possible.

        The upload can be read and saved again afterwards; its position stays the same.

        Args:
            path: a folder, where the file gets a safe, unused name made from `filename`; or the
                exact path, where an existing file is replaced in one step: who opens it sees the
                old content or the new.

        Returns:
            The path of the new file.

        Raises:
            FileNotFoundError: the folder does not exist.
            FileExistsError: at the exact path is a symbolic link or a device.
        """
        from pathlib import Path  # here: it takes a twentieth of the time to import the core

        def save() -> Path:
            target = Path(path)
            if target.is_dir():
                return _save_in(target, safe_filename(self.filename), self._spool)
            _check_replaceable(path)
            _replace(target, self._spool)
            return target

        return await self._spool.in_turn(save)

    async def close(self) -> None:
        """Forget the content and delete the temporary file; the App does this by itself."""
        await self._spool.close()

    def __getitem__(self, key: str) -> Any:
        """Return "filename", "content_type" or "content", whose `await get()` yields chunks."""
        if key == "content":
            return UploadContent(self)
        if key in ("filename", "content_type"):
            return getattr(self, key)
        raise KeyError(key)

    def __repr__(self) -> str:
        return f"UploadFile({self.filename!r}, {self.content_type!r}, {self.size} bytes)"


class UploadContent:
    """The content of an upload, read like a queue."""

    def __init__(self, file: UploadFile) -> None:
        self._file = file

    async def get(self) -> bytes | None:
        """Return the next chunk, or None at the end."""
        return await self._file.read(CHUNK_SIZE) or None


class Files(dict[str, UploadFile]):
    """The uploaded files of a form: name -> the first file of that name."""

    def __init__(self) -> None:
        super().__init__()
        self._lists: dict[str, list[UploadFile]] = {}
        self._closed = False

    def add(self, name: str, file: UploadFile) -> None:
        """Append *file* to those of *name*.

        Raises:
            ValueError: they are closed, so nothing would delete this one.
        """
        if self._closed:
            raise ValueError("the form is closed: its response is on its way already")
        self.setdefault(name, file)
        self._lists.setdefault(name, []).append(file)

    def getlist(self, name: str) -> list[UploadFile]:
        """Return all files of *name*, in the order of the form."""
        return list(self._lists.get(name, ()))

    async def close(self) -> None:
        """Delete all temporary files, and refuse further ones; safe to call twice."""
        self._closed = True
        cancelled: asyncio.CancelledError | None = None
        for files in self._lists.values():
            for file in files:
                try:
                    await file.close()
                except asyncio.CancelledError as error:
                    cancelled = error  # the others are deleted nevertheless
        if cancelled is not None:
            raise cancelled


def safe_filename(filename: str) -> str:
    """Return *filename* as a name that is harmless in any folder of any system.

    No path, no control characters, nothing that a shell hides, a command takes for an option, or
    Windows takes for a device or a stream of another file. Unicode stays as it is.
    """
    name = re.split(r"[/\\]", filename)[-1]
    name = re.sub(_UNSAFE, "", name)
    name = re.sub(_RESERVED, "_", name)
    # A leading dot hides a file, and a dash makes it an option; trailing dots and spaces are not
    # there for Windows.
    stem, suffix = os.path.splitext(name.lstrip("-. ").rstrip(". "))
    suffix = _cut(suffix, _MAX_SUFFIX)
    stem = _cut(stem, _MAX_NAME - len(suffix.encode()))
    name = (stem + suffix).rstrip(". ")
    if re.fullmatch(_DEVICE, name.partition(".")[0].rstrip()):
        name = "_" + name
    return name or "file"


# Compiled on first use: that takes as long as importing the rest of this module.
#
# Control characters, lone surrogates, line separators, and the marks that reverse the reading
# order, which let "photo\u202egpj.exe" look like a picture.
_UNSAFE = "[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\u200e\u200f]"
_RESERVED = '[<>:"|?*]'
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_DEVICE = "(?i)(?:con|prn|aux|nul|conin\\$|conout\\$|(?:com|lpt)[0-9¹²³])"
# File systems take 255 bytes (ext4, APFS) or 255 characters (NTFS); leave room for a number.
_MAX_NAME = 200
_MAX_SUFFIX = 20
_MAX_NUMBER = 999


def _cut(text: str, size: int) -> str:
    """Return the start of *text* that fits *size* bytes of UTF-8."""
    return text.encode()[:size].decode("utf-8", "ignore")


def _save_in(folder: "Path", name: str, spool: Spool) -> "Path":
    """Save as *name* in *folder*, or as name-1, name-2 and so on if that exists."""
    stem, suffix = os.path.splitext(name)
    number = 0
    while True:
        path = folder / name
        try:
            spool.save_as(path)
        except FileExistsError:
            number += 1
            # Thousands of uploads of one name must not each try all the numbers before.
            mark = number if number <= _MAX_NUMBER else os.urandom(8).hex()
            name = f"{stem}-{mark}{suffix}"
        else:
            return path


def _replace(path: "Path", spool: Spool) -> None:
    """Save as *path* by way of another name, so that no reader sees a part of it."""
    part = path.with_name(f".{os.urandom(8).hex()}.part")
    spool.save_as(part)
    try:
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _check_replaceable(path: str | os.PathLike[str]) -> None:
    if os.fspath(path).endswith(("/", os.sep)):
        raise FileNotFoundError(f"there is no folder {os.fspath(path)!r} to save an upload in")
    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        raise FileExistsError(f"{os.fspath(path)!r} is not a regular file; it is not replaced")
