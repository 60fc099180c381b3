"""The body of a request: received once, within its limits and no slower than allowed."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from micropie._bodies.forms import FormLimits
from micropie._bodies.started import Started
from micropie._errors import (
    BadRequest,
    ClientDisconnected,
    ContentTooLarge,
    ExplainedError,
    RequestTimeout,
)
from micropie._lazy import lazy
from micropie.types import Message, Receive, Scope


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What an App accepts as a body.

    Attributes:
        max_size: bytes; None for no limit.
        timeout: seconds without a chunk; None for no limit.
        form: the limits of forms.
    """

    max_size: int | None
    timeout: float | None
    form: FormLimits


class Body:
    """The body of one request, read at most once.

    Args:
        scope: the request's.
        names: its headers, the last one of each name.
        receive: the ASGI channel.
        limits: of size and time.
    """

    _taken: asyncio.Event | None = None  # something out of _ahead; made by client_gone
    # To receive. Made by the first who must wait for a message: nobody can be in the way before.
    _turn: asyncio.Lock | None = None
    _message: Message  # the last one received
    _late: Started | None = None  # the receiving of the next one
    _raw: bytes | None = None
    _began = False
    _is_complete = False
    _size = 0  # bytes received

    def __init__(
        self, scope: Scope, names: dict[bytes, bytes], receive: Receive, limits: BodyLimits
    ) -> None:
        self._scope = scope
        self._names = names
        self._receive = receive
        self._limits = limits
        self._ahead: list[Message] = []  # received, and left to a reader to come
        value = names.get(b"content-length", b"")
        # As nearly all are, with nothing repeated that could be another. `_length` judges the rest.
        is_alone = len(names) == len(scope["headers"]) and b"transfer-encoding" not in names
        if is_alone and value.isdigit() and len(value) <= _DIGITS:
            self._length = int(value)

    @property
    def is_expected(self) -> bool:
        """Whether the head of the request announces a body (RFC 9112, 6.3).

        Raises:
            BadRequest: Content-Length is no number, given twice with different values, or given
                beside Transfer-Encoding (RFC 9112, 6.3).
        """
        length = self._length
        if length is not None:
            return length > 0
        # HTTP/2 and 3 need neither header: there a type announces a body.
        names = self._names
        return b"transfer-encoding" in names or (self._is_new_http and b"content-type" in names)

    @lazy
    def _length(self) -> int | None:
        return _content_length(self._names, self._scope["headers"])

    @property
    def _is_new_http(self) -> bool:
        return self._scope.get("http_version", "1.1") not in ("1.0", "1.1")

    async def read(self) -> bytes:
        """Return the whole body; the same again when called again.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413, 408 or 400, as `stream`.
        """
        data = self.arrived()
        return await self.rest() if data is None else data

    def arrived(self) -> bytes | None:
        """Return the whole body if it has come with the head, as most have; else begin to read.

        Returns:
            None if `rest` is to be awaited for it.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413, 408 or 400, as `stream`.
        """
        if self._raw is None:
            self._begin()
            message = self._message_at_once()
            if message is None:
                return None
            data = message.get("body")
            if not data or len(data) != self._length or message.get("more_body", False):
                self._ahead.insert(0, message)  # for `rest`, which looks closer
                return None
            self._is_complete = True
            self._raw = data
        return self._raw

    async def rest(self) -> bytes:
        """Return the whole body that has not `arrived`.

        Raises:
            HTTPError: 413, 408 or 400, as `stream`.
        """
        first = await self._next_chunk()
        self._raw = first if self._is_complete else await self._with_the_rest(first)
        return self._raw

    async def _with_the_rest(self, first: bytes) -> bytes:
        # A list of chunks would take twenty times their size if they are tiny.
        data = bytearray(first)
        while not self._is_complete:
            data += await self._next_chunk()
        return bytes(data)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in chunks as they come.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413 for a body over the limit, 408 for a client that stalls, 400 for one
                that leaves, sends another length than it announced, or announced none properly.
        """
        if self._raw is not None:
            yield self._raw
            return
        self._begin()
        while not self._is_complete:
            chunk = await self._next_chunk()
            if chunk:
                yield chunk

    def _begin(self) -> None:
        if self._began:
            raise RuntimeError("the body was read already, and was not kept")
        limit, length = self._limits.max_size, self._length
        self._began = True
        if limit is not None and length is not None and length > limit:
            raise ContentTooLarge(f"the body is over {limit} bytes")

    async def _next_chunk(self) -> bytes:
        return self._chunk_of(self._message_at_once() or await self._late_message())

    def _message_at_once(self) -> Message | None:
        """Return the next message; None if it is to be waited for."""
        if self._ahead:
            return self._take_ahead()
        if self._turn is not None or self._late is not None:
            return None
        receiving = self._receive_message().__await__()
        waits_for = next(receiving, _DONE)
        if waits_for is _DONE:
            return self._message
        self._late = Started(receiving, waits_for)
        return None

    def _take_ahead(self) -> Message:
        if self._taken is not None:
            self._taken.set()
        return self._ahead.pop(0)

    async def _receive_message(self) -> None:
        # Kept, because what a coroutine returns to `next` comes as an exception, and slower.
        self._message = await self._receive()

    async def _late_message(self) -> Message:
        late, self._late = self._late, None
        if self._turn is None:
            self._turn = asyncio.Lock()
        try:
            async with asyncio.timeout(self._limits.timeout), self._turn:
                if self._ahead:  # client_gone was the one before
                    return self._take_ahead()
                await (late or self._receive_message())
                return self._message
        except TimeoutError:
            error = RequestTimeout("no data came for too long")
            # The rest of the body may still come: it must not be taken for another request. But
            # in newer HTTP such a header is an error (RFC 9113, 8.2.2).
            raise (error if self._is_new_http else _and_close(error)) from None

    def _chunk_of(self, message: Message) -> bytes:
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk: bytes = message.get("body", b"")
        self._is_complete = not message.get("more_body", False)
        self._size += len(chunk)
        limit, length, size = self._limits.max_size, self._length, self._size
        if limit is not None and size > limit:
            raise ContentTooLarge(f"the body is over {limit} bytes")
        if length is not None and (size > length or (size < length and self._is_complete)):
            raise BadRequest("the body is not as long as its Content-Length")
        return chunk

    def replayed(self) -> Receive:
        """Return a channel that gives the body once more, to another app.

        Raises:
            RuntimeError: it was read and not kept.
        """
        raw = self._raw
        if raw is None:
            if self._began:
                raise RuntimeError("a hook read the body of a request for a mounted app")
            return self._receive
        messages = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Message:
            return messages.pop() if messages else await self._receive()

        return receive

    async def client_gone(self) -> None:
        """Wait until the client has left.

        Only who receives the body hears of that, so this does, and keeps it for a reader; behind
        much of a body that nobody reads, the departure stays hidden.
        """
        self._taken = asyncio.Event()
        if self._turn is None:
            self._turn = asyncio.Lock()
        while True:
            async with self._turn:
                message = await self._receive()
            if message["type"] == "http.disconnect":
                return
            self._ahead.append(message)
            while len(self._ahead) >= _MESSAGES_AHEAD:
                self._taken.clear()
                await self._taken.wait()


# Of a Content-Length: an exabyte is enough, and int() takes its time for thousands of them.
_DIGITS = 18

# Where a coroutine that has to wait would say for what.
_DONE = object()

# Servers hand on what one read from the socket gave, 64 to 256 KiB at most.
_MESSAGES_AHEAD = 8


def _content_length(
    names: dict[bytes, bytes], headers: Iterable[tuple[bytes, bytes]]
) -> int | None:
    found = names.get(b"content-length")
    if found is None:
        return None
    if b"transfer-encoding" in names:
        # A proxy may have gone by the other one, and see another request in what follows.
        raise _and_close(BadRequest("Content-Length and Transfer-Encoding exclude each other"))
    # int() would also take "+5" and "1_0".
    found = found.strip()
    is_one = {value.strip() for name, value in headers if name == b"content-length"} == {found}
    if not is_one or not found.isdigit() or len(found) > _DIGITS:
        raise BadRequest("Content-Length must be one number")
    return int(found)


def _and_close(error: ExplainedError) -> ExplainedError:
    """Let the server close the connection after the answer to HTTP/1."""
    error.headers = {"Connection": "close"}
    return error
