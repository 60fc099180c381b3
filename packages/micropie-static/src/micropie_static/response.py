"""A file on its way to the client: all of it or a part, in bounded memory."""

import asyncio
import logging
import os
import stat
from collections.abc import Awaitable, Callable, MutableMapping
from io import FileIO
from typing import Any

from micropie_static.conditions import CONDITIONS, byte_range, precondition
from micropie_static.files import File, RawHeaders, Variant, identity
from micropie_static.threads import in_thread

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Bytes that are read at once. A file of no more is opened and read in one turn of a thread, and
# sent in one message.
CHUNK = 256 * 1024

_READ = CONDITIONS | {b"accept-encoding"}

_logger = logging.getLogger("micropie")


class FileResponse:
    """The answer to one request, a GET or HEAD unless a handler makes it; close it in the end."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._method = scope["method"]
        self._extensions = scope.get("extensions") or {}
        self._request: dict[bytes, str] = {}
        for name, raw in scope["headers"]:
            if name in _READ:
                value = raw.decode("latin-1")
                given = self._request.get(name)
                self._request[name] = value if given is None else f"{given}, {value}"
        self._file: FileIO | None = None
        self._path = ""
        self._status = 200
        self._headers: RawHeaders = []
        self._body = b""
        self._offset = 0
        self._length = 0  # bytes to send from the file

    def open(self, file: File) -> bool:
        """Open *file*, and read it if it is small; False if it is not what it was. Blocks.

        Raises:
            OSError: it can't be opened, and not because it is gone or forbidden.
        """
        variant = file.best(self._request.get(b"accept-encoding", ""))
        try:
            if variant is not file.original and _has_changed(file.original):
                return False  # and the variant is of what it was before
            self._file = FileIO(variant.path, "rb", opener=_open)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        except PermissionError as error:
            _logger.warning("a file is not served: %s", error)
            return False
        if _identity(self._file) != variant.identity:
            self.close()
            return False
        self._path = variant.path
        self._decide(variant)
        if self._length > CHUNK:
            self._file.seek(self._offset)
            return True
        return self._read(self._file)

    async def send(self, receive: Receive, send: Send) -> None:
        """Send what was opened."""
        start = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        if self._file is None:
            await send({"type": "http.response.body", "body": self._body})
        elif "http.response.zerocopysend" in self._extensions:
            message = {"type": "http.response.zerocopysend", "file": self._file}
            await send(message | {"offset": self._offset, "count": self._length})
        elif self._is_whole and "http.response.pathsend" in self._extensions:
            await send({"type": "http.response.pathsend", "path": self._path})
        else:
            await self._send_chunks(self._file, receive, send)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _is_whole(self) -> bool:
        return self._status == 200

    def _decide(self, variant: Variant) -> None:
        """Set status and headers, and which bytes follow."""
        self._offset, self._length = 0, variant.size
        part = None
        if self._method in ("GET", "HEAD"):
            self._status = precondition(self._request, variant.etag, variant.mtime)
            if self._method == "GET" and self._status == 200:
                try:
                    part = byte_range(self._request, variant.etag, variant.mtime, variant.size)
                except ValueError:
                    self._status = 416
        self._headers = list(variant.headers)
        if self._status == 304:  # without what describes the body
            self._headers = [pair for pair in self._headers if not pair[0].startswith(b"content-")]
        elif self._status == 412:
            self._headers = []
        elif self._status == 416:
            self._headers = [(b"content-range", b"bytes */%d" % variant.size)]
        if self._status != 200:
            self._length = 0
        if part is not None:
            self._status = 206
            self._offset, self._length = part
            last = self._offset + self._length - 1
            content_range = b"bytes %d-%d/%d" % (self._offset, last, variant.size)
            self._headers.append((b"content-range", content_range))
        if self._status != 304:
            self._headers.append((b"content-length", b"%d" % self._length))
        if self._method == "HEAD":
            self._length = 0

    def _read(self, file: FileIO) -> bool:
        """Read the whole body; False if the file has become too short for it meanwhile."""
        if self._offset:
            file.seek(self._offset)
        self._body = file.read(self._length)
        self.close()
        return len(self._body) == self._length

    async def _send_chunks(self, file: FileIO, receive: Receive, send: Send) -> None:
        """Send the file chunk by chunk, each read when the one before it has left.

        Raises:
            EOFError: the file became shorter; only a connection cut short tells the client.
        """
        left = asyncio.ensure_future(_client_left(receive))
        try:
            while self._length and not left.done():
                chunk = await in_thread(file.read, min(CHUNK, self._length))
                if not chunk:
                    raise EOFError(f"{self._path} became shorter while it was sent")
                self._length -= len(chunk)
                more = self._length > 0
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
        finally:
            left.cancel()


def _open(path: str, flags: int) -> int:
    # A FIFO that has taken a file's place would be waited for, for ever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _has_changed(variant: Variant) -> bool:
    return identity(os.stat(variant.path)) != variant.identity


def _identity(file: FileIO) -> tuple[int, ...] | None:
    status = os.fstat(file.fileno())
    return identity(status) if stat.S_ISREG(status.st_mode) else None


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
