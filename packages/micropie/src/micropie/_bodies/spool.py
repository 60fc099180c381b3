"""Where the bytes of an uploaded file live: in memory while few, then in a temporary file."""

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar
from weakref import WeakSet

from micropie._errors import logger
from micropie._threads import EXECUTOR, run_in_thread

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

# Files without a name at a time. Each of them is open, and many a process may open 1024 at most;
# further ones have a name, and are closed while nobody reads them.
MOST_NAMELESS = 256

# Content up to this size stays in memory; more goes to disk in batches of this size. Starlette
# and Django draw the line at 1 and 2.5 MiB. A smaller batch costs a thread hop more often.
BATCH_SIZE = 1024**2


class Spool:
    """Takes bytes chunk by chunk, then gives them back, from memory or from a temporary file.

    Theory of operation. All file work happens in threads. A temporary file has no name where the
    system can do that, so that a process that is killed leaves none. Such a file is gone as soon as
    it is closed; it stays open until then, in `_file`. A file with a name is in a folder of its
    own, `_folder`, until that is deleted; it is open only while it is written, and once it has been
    asked for: a form of a thousand files must not use up the process's file descriptors.
    """

    def __init__(self) -> None:
        self.size = 0
        # Filled again once it is in the file: a new one would be got from the system page by page.
        self._batch = BytesIO()
        self._memory: BytesIO | None = None
        self._folder = ""  # of the temporary file, as long as it is ours to delete
        self._path = ""  # of that file; kept after the close, so that a late reader fails
        self._file: BinaryIO | None = None
        self._is_linkable = False  # a file on disk that is nobody else's yet
        self._closed = False
        self._turn = asyncio.Lock()

    async def write(self, chunk: bytes | bytearray) -> None:
        """Append *chunk*."""
        self.size += len(chunk)
        self._batch.write(chunk)
        if self._batch.tell() > BATCH_SIZE:
            await run_in_thread(self._write_batch)

    async def finish(self, memory: int = BATCH_SIZE) -> None:
        """Make what was written readable, from its start.

        Args:
            memory: bytes that may stay in memory; BATCH_SIZE at most do.
        """
        if not self._is_linkable and self.size <= memory:
            self._memory = self._batch
            self._memory.seek(0)
        else:
            await run_in_thread(self._write_last_batch)
        self._batch = BytesIO()

    @property
    def in_memory(self) -> int:
        """The bytes of memory that the finished content takes."""
        return 0 if self._memory is None else self.size

    async def read(self, size: int = -1) -> bytes:
        """Return up to *size* bytes from the current position; all that are left if negative."""
        if self._memory is not None:
            return self._memory.read(size)
        async with self._turn:
            data: bytes = await (await self._opened()).read(size)
        return data

    async def seek(self, position: int) -> None:
        """Go to *position*, in bytes from the start."""
        if self._memory is not None:
            self._memory.seek(position)
            return
        async with self._turn:
            await (await self._opened()).seek(position)

    async def in_turn(self, job: Callable[[], T]) -> T:
        """Return `job()`, called in a thread while nothing else uses the content."""
        async with self._turn:
            self._check_open()
            return await run_in_thread(job)

    def save_as(self, path: "Path") -> None:
        """Make the new file *path* of the content, by moving where the file system allows.

        Blocking: call it in a job of `in_turn`. The content stays readable, whatever then becomes
        of the new file. A file that is copied gets its name, if possible, only when it is whole.

        Raises:
            FileExistsError: there is something at *path* already, a symbolic link included.
        """
        if os.path.lexists(path):  # before anything is copied; to link or open it decides
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if self._move(path):
            return
        if (nameless := _open_nameless(path.parent)) is not None:
            with nameless:
                self._copy(nameless)
                nameless.flush()
                if _link(_path_of(nameless), path):
                    return
        target = open(path, "xb")  # noqa: SIM115 - closed below
        try:
            with target:
                self._copy(target)  # closing may fail too: what is small is written only then
        except BaseException:
            os.unlink(path)
            raise

    async def close(self) -> None:
        """Forget the content and delete the temporary file; safe at any time and twice."""
        self._closed = True
        self._memory = None
        self._batch = BytesIO()
        if self._file is not None or self._folder:
            await run_in_thread(self._discard)

    async def _opened(self) -> Any:
        """Return the temporary file as aiofiles has it, opened if it was not."""
        import aiofiles.threadpool

        self._check_open()
        file = self._file or await run_in_thread(self._open_file)
        return aiofiles.threadpool.wrap(file, executor=EXECUTOR)

    def _write_batch(self) -> None:
        # One large write: each one gives up the interpreter's lock and has to get it back.
        file = self._file or self._create_file()
        with self._batch.getbuffer() as batch, batch[: self._batch.tell()] as written:
            file.write(written)
        self._batch.seek(0)
        if self._closed:  # while this ran, perhaps before there was a file to delete
            self._discard()

    def _write_last_batch(self) -> None:
        self._write_batch()
        if self._folder:
            self._close_file()
        elif self._file is not None:
            self._file.seek(0)

    def _create_file(self) -> BinaryIO:
        import tempfile  # here: with what it imports, it takes as long to load as the core

        self._check_open()
        if len(_nameless) < MOST_NAMELESS:
            self._file = _open_nameless(tempfile.gettempdir())
        if self._file is not None:
            _nameless.add(self)
            self._path = _path_of(self._file)
        else:
            # The folder is for its owner only, so the file may have the permissions that new files
            # have, and keep them when it moves.
            self._folder = tempfile.mkdtemp(prefix="micropie-")
            _named.add(self)
            self._path = os.path.join(self._folder, "content")
            self._file = open(self._path, "xb")  # noqa: SIM115 - until finish()
        self._is_linkable = True
        return self._file

    def _open_file(self) -> BinaryIO:
        self._check_open()
        if self._file is None:
            self._file = open(self._path, "rb")  # noqa: SIM115 - until close()
        return self._file

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _move(self, path: "Path") -> bool:
        """Tell whether the temporary file could become *path*."""
        # Windows can't move a file that is open; Emscripten has no links.
        if not self._is_linkable or os.name == "nt" or not hasattr(os, "link"):
            return False
        self._open_file()
        # Unlike a rename, a link never replaces anything.
        if not _link(self._path, path):
            return False
        self._is_linkable = False
        if self._folder:
            self._delete_file()
        return True

    def _copy(self, target: BinaryIO) -> None:
        import shutil  # here: it loads every format of archives

        if self._memory is not None:
            target.write(self._memory.getbuffer())
            return
        file = self._open_file()
        position = file.tell()
        file.seek(0)
        shutil.copyfileobj(file, target, BATCH_SIZE)
        file.seek(position)

    def _discard(self) -> None:
        # A read that was abandoned in its thread holds the file's own lock until it is through.
        with suppress(OSError):  # a full disk; nothing of it is wanted any more
            self._close_file()
        _nameless.discard(self)
        if self._folder:
            self._delete_file()

    def _delete_file(self) -> None:
        folder, self._folder = self._folder, ""
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            with suppress(FileNotFoundError):
                os.rmdir(folder)
        except OSError:
            logger.exception("the temporary file %s could not be deleted", self._path)
        _named.discard(self)

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this upload is closed: files are gone once the response is sent")


# The spools with a file on disk, without a name and with one.
_nameless: WeakSet[Spool] = WeakSet()
_named: WeakSet[Spool] = WeakSet()


async def wait_for_deletions(timeout: float) -> None:
    """Wait until the temporary files that have a name now are gone; *timeout* seconds at most.

    A server that stops may have cancelled their requests; the process ends before their threads do.
    """
    left = asyncio.get_running_loop().time() + timeout
    named = set(_named)
    while _named & named and asyncio.get_running_loop().time() < left:  # noqa: ASYNC110 - of threads
        await asyncio.sleep(0.01)


def _open_nameless(folder: "str | Path") -> BinaryIO | None:
    """Return a new file in *folder* that has no name; None where there are no such files."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:  # such as NFS, which has none; whatever else it is, the next way tells
        return None
    return open(descriptor, "w+b")


def _link(source: str, path: "Path") -> bool:
    """Give the file *source* the name *path*; False if it can't have it.

    Raises:
        FileExistsError: there is something at *path* already.
    """
    try:
        # Given the descriptor of a folder, which counts for nothing beside an absolute path,
        # os.link() follows a link, as that in /proc to a file without a name (open(2), O_TMPFILE).
        os.link(source, path, src_dir_fd=0)
    except FileExistsError:
        raise
    except OSError:
        return False  # another file system, or one without links, or no /proc
    return True


def _path_of(nameless: BinaryIO) -> str:
    return f"/proc/self/fd/{nameless.fileno()}"
