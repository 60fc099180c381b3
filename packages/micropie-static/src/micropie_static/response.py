"""Sending a file, or a part of it, in bounded memory."""

import asyncio
from contextlib import ExitStack
from io import FileIO

from micropie.concurrency import run_in_thread, wait_for_disconnect
from micropie.types import Message, RawHeaders, Receive, Scope, Send
from micropie_static.conditions import byte_range, precondition
from micropie_static.files import File, Variant

# Bytes that are read at once. A file of no more is opened and read in one thread hop, and sent in
# one message.
CHUNK = 256 * 1024

# Bytes of all headers of a request, 32 more for each (RFC 9113, 6.5.2); others allow 8 to 64 KiB.
# uvicorn with httptools limits neither these nor their number, and here they are joined, searched
# and sorted, which takes seconds a MB.
_MOST_HEADERS = 64 * 1024

# Granian, which alone takes paths, queues several messages for a slow client: 1.5 MiB in all of
# this size, and 2.2 MiB of CHUNK.
_PIECE = 128 * 1024

# How often a small file is opened that is cut short before it is read.
_MOST_READS = 10


def has_large_headers(scope: Scope) -> bool:
    """Tell whether the headers are larger than those of any client: a 431."""
    return sum(32 + len(name) + len(value) for name, value in scope["headers"]) > _MOST_HEADERS


async def serve_file(file: File, scope: Scope, receive: Receive, send: Send) -> bool:
    """Send *file*, as it is when it is opened; False if it is gone.

    The caller has made sure that the request has no large headers.
    """
    with ExitStack() as open_files:
        opened = await run_in_thread(_open, file, scope, open_files)
        if opened is None:
            return False
        start, content, length = opened
        await send(start)
        if isinstance(content, bytes):
            await send({"type": "http.response.body", "body": content})
        else:  # no path to a server that takes one: it would open what has that name by then
            queues = "http.response.pathsend" in scope.get("extensions", {})
            await _send_chunks(content, length, _PIECE if queues else CHUNK, receive, send)
        return True


def _open(
    file: File, scope: Scope, open_files: ExitStack
) -> tuple[Message, bytes | FileIO, int] | None:
    """Open *file*; None if it is gone. Blocks.

    Returns:
        the head of the response; the bytes to send, or, for many, the open file where these begin;
        their number.

    Raises:
        EOFError: whenever it was read, it had just become shorter.
        OSError: it can't be opened, though it exists and is not forbidden.
    """
    request: dict[bytes, str] = {}
    for name, raw in scope["headers"]:
        value, given = raw.decode("latin-1"), request.get(name)
        request[name] = value if given is None else f"{given}, {value}"
    for _ in range(_MOST_READS):
        found = file.open(request.get(b"accept-encoding", ""), open_files)
        if found is None:
            return None
        variant, content = found
        status, headers, offset, length = _head(scope["method"], request, variant)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        content.seek(offset)
        if length > CHUNK:
            return start, content, length
        body = content.read(length)
        content.close()
        if len(body) == length:
            return start, body, length
    raise EOFError(f"{variant.path} became shorter whenever it was read")


def _head(
    method: str, request: dict[bytes, str], variant: Variant
) -> tuple[int, RawHeaders, int, int]:
    """Return status and headers, and offset and length of the bytes to send from the file.

    Conditions and ranges are those of GET and HEAD.
    """
    status, offset, length = 200, 0, variant.size
    if method in ("GET", "HEAD"):
        status = precondition(request, variant)
    if method == "GET" and status == 200:
        status, offset, length = byte_range(request, variant)
    if status == 304:  # without what describes the body
        return 304, [pair for pair in variant.headers if not pair[0].startswith(b"content-")], 0, 0
    headers = list(variant.headers) if status in (200, 206) else []
    if status == 412:
        length = 0
    elif status == 416:
        headers.append((b"content-range", b"bytes */%d" % variant.size))
    elif status == 206:
        content_range = b"bytes %d-%d/%d" % (offset, offset + length - 1, variant.size)
        headers.append((b"content-range", content_range))
    headers.append((b"content-length", b"%d" % length))
    return status, headers, offset, 0 if method == "HEAD" else length


async def _send_chunks(file: FileIO, length: int, size: int, receive: Receive, send: Send) -> None:
    """Send *length* bytes in chunks of *size*, each read after the one before it was sent.

    Raises:
        EOFError: the file was truncated; only a closed connection tells the client.
    """
    left = asyncio.ensure_future(wait_for_disconnect(receive))
    try:
        while length and not left.done():
            chunk = await run_in_thread(file.read, min(size, length))
            if not chunk:
                raise EOFError(f"{file.name} became shorter while it was sent")
            length -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": length > 0})
    finally:
        left.cancel()
