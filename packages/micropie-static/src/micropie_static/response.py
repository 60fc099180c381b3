"""Sending a file, or a part of it, in bounded memory."""

import asyncio
import logging
import os
import stat
from collections.abc import Iterable
from io import FileIO

from micropie.concurrency import run_in_thread, wait_for_disconnect
from micropie.types import RawHeaders, Receive, Scope, Send
from micropie_static.conditions import byte_range, precondition
from micropie_static.files import File, Variant, best_variant

# Bytes that are read at once. A file of no more is opened and read in one thread hop, and sent in
# one message.
CHUNK = 256 * 1024

_logger = logging.getLogger("micropie")


async def serve_file(
    candidates: Iterable[File], scope: Scope, receive: Receive, send: Send
) -> bool:
    """Send the first of *candidates*, made in a thread, that can be opened; False if none can."""
    response = _FileResponse(scope)
    try:
        if not await run_in_thread(any, map(response.open, candidates)):
            return False
        await response.send(receive, send)
        return True
    finally:
        response.close()


class _FileResponse:
    """The response to one request; conditions and ranges are those of GET and HEAD."""

    def __init__(self, scope: Scope) -> None:
        self._method = scope["method"]
        self._extensions = scope.get("extensions") or {}
        self._request: dict[bytes, str] = {}
        for name, raw in scope["headers"]:
            value, given = raw.decode("latin-1"), self._request.get(name)
            self._request[name] = value if given is None else f"{given}, {value}"
        self._file: FileIO | None = None
        self._body = b""

    def open(self, file: File) -> bool:
        """Open *file*, and read it if it is small; False if it has changed. Blocks.

        Raises:
            OSError: it can't be opened, though it exists and is not forbidden.
        """
        variant = best_variant(file, self._request.get(b"accept-encoding", ""))
        try:
            # A compressed variant is outdated when the file itself has changed.
            original = best_variant(file, "")
            if variant is not original and original.is_changed(os.stat(original.path)):
                return False
            self._file = FileIO(variant.path, "rb", opener=_open)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            return False
        except PermissionError as error:
            _logger.warning("a file is not served: %s", error)
            return False
        status = os.fstat(self._file.fileno())
        if not stat.S_ISREG(status.st_mode) or variant.is_changed(status):
            self.close()
            return False
        self._path = variant.path
        self._decide(variant)
        if self._offset:
            self._file.seek(self._offset)
        if self._length > CHUNK:
            return True
        self._body = self._file.read(self._length)
        self.close()
        return len(self._body) == self._length  # or the file was truncated meanwhile

    async def send(self, receive: Receive, send: Send) -> None:
        """Send what was opened."""
        start = {"type": "http.response.start", "status": self._status, "headers": self._headers}
        await send(start)
        if self._file is None:
            await send({"type": "http.response.body", "body": self._body})
        elif "http.response.zerocopysend" in self._extensions:
            message = {"type": "http.response.zerocopysend", "file": self._file}
            await send(message | {"offset": self._offset, "count": self._length})
        elif self._status == 200 and "http.response.pathsend" in self._extensions:
            await send({"type": "http.response.pathsend", "path": self._path})
        else:
            await self._send_chunks(self._file, receive, send)

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _decide(self, variant: Variant) -> None:
        """Set status, headers, and the offset and length of the bytes to send from the file."""
        self._headers: RawHeaders
        size = variant.status.st_size
        self._status, self._offset, self._length = 200, 0, size
        if self._method in ("GET", "HEAD"):
            self._status = precondition(self._request, variant)
        if self._method == "GET" and self._status == 200:
            self._status, self._offset, self._length = byte_range(self._request, variant)
        if self._status == 304:  # without what describes the body
            headers = [pair for pair in variant.headers if not pair[0].startswith(b"content-")]
            self._headers, self._length = headers, 0
            return
        self._headers = list(variant.headers) if self._status in (200, 206) else []
        if self._status == 412:
            self._length = 0
        elif self._status == 416:
            self._headers.append((b"content-range", b"bytes */%d" % size))
        elif self._status == 206:
            last = self._offset + self._length - 1
            content_range = b"bytes %d-%d/%d" % (self._offset, last, size)
            self._headers.append((b"content-range", content_range))
        self._headers.append((b"content-length", b"%d" % self._length))
        if self._method == "HEAD":
            self._length = 0

    async def _send_chunks(self, file: FileIO, receive: Receive, send: Send) -> None:
        """Send the file chunk by chunk, each read after the one before it was sent.

        Raises:
            EOFError: the file was truncated; only a closed connection tells the client.
        """
        left = asyncio.ensure_future(wait_for_disconnect(receive))
        try:
            while self._length and not left.done():
                chunk = await run_in_thread(file.read, min(CHUNK, self._length))
                if not chunk:
                    raise EOFError(f"{self._path} became shorter while it was sent")
                self._length -= len(chunk)
                more = self._length > 0
                await send({"type": "http.response.body", "body": chunk, "more_body": more})
        finally:
            left.cancel()


def _open(path: str, flags: int) -> int:
    # Opening a FIFO, which may have taken the file's place, would block forever.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
