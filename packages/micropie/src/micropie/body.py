"""The body of a request: received once, within its limits and no slower than allowed."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from micropie.errors import BadRequest, ClientDisconnected, ContentTooLarge
from micropie.forms import FormLimits
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


# Bytes of a body received before anybody reads it: as much as servers hold themselves.
_MAX_AHEAD = 64 * 1024


class Body:
    """The body of one request, read at most once.

    Attributes:
        is_expected: the head of the request announces a body (RFC 9112, 6.3).

    Raises:
        BadRequest: Content-Length is no number, or given twice with different values.
    """

    def __init__(self, scope: Scope, receive: Receive, limits: BodyLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._length = _content_length(scope)
        self._began = False
        self._raw: bytes | None = None
        self._turn = asyncio.Lock()
        self._ahead: deque[Message] = deque()  # received by client_gone(), for a reader
        self._taken = asyncio.Event()
        if self._length is None:
            # HTTP/2 and 3 need neither header: there a type announces a body.
            names = {name for name, _ in scope["headers"]}
            new = scope.get("http_version", "1.1") not in ("1.0", "1.1")
            self.is_expected = b"transfer-encoding" in names or (new and b"content-type" in names)
        else:
            self.is_expected = self._length > 0

    async def read(self) -> bytes:
        """Return the whole body; the same again when called again.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413, 408 or 400, as `stream`.
        """
        if self._raw is None:
            self._raw = b"".join([chunk async for chunk in self.stream()])
        return self._raw

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body in chunks as they come.

        Raises:
            RuntimeError: it was streamed already, or was multipart and parsed.
            HTTPError: 413 for a body over the limit, 408 for a client that stalls, 400 for one
                that leaves or sends another length than it announced.
        """
        if self._raw is not None:
            yield self._raw
            return
        if self._began:
            raise RuntimeError("the body was read already, and was not kept")
        self._began = True
        limit, length = self._limits.max_size, self._length
        if limit is not None and length is not None and length > limit:
            raise ContentTooLarge(f"the body is over {limit} bytes")
        size = 0
        more = True
        while more:
            message = await self._next_message()
            chunk: bytes = message.get("body", b"")
            more = message.get("more_body", False)
            size += len(chunk)
            if limit is not None and size > limit:
                raise ContentTooLarge(f"the body is over {limit} bytes")
            if length is not None and (size > length or (size < length and not more)):
                raise BadRequest("the body is not as long as its Content-Length")
            if chunk:
                yield chunk

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

        What comes of the body meanwhile is kept for whoever reads it. A client that sends more
        than a little of it has to wait for the reader, and so has this.
        """
        while True:
            async with self._turn:
                message = await self._receive()
                self._ahead.append(message)
            if message["type"] == "http.disconnect":
                return
            while sum(len(kept.get("body", b"")) for kept in self._ahead) > _MAX_AHEAD:
                self._taken.clear()
                await self._taken.wait()

    async def _next_message(self) -> Message:
        try:
            async with asyncio.timeout(self._limits.timeout):
                message = await self._take()
        except TimeoutError:
            # The rest of the body may still come: it must not be taken for another request.
            error = BadRequest("no data came for too long", 408)
            error.headers = {**dict(error.headers or {}), "Connection": "close"}
            raise error from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        return message

    async def _take(self) -> Message:
        if not self._ahead:
            async with self._turn:  # two must never wait in receive() at once
                if not self._ahead:
                    return await self._receive()
        self._taken.set()
        return self._ahead.popleft()


def _content_length(scope: Scope) -> int | None:
    values = {value.strip() for name, value in scope["headers"] if name == b"content-length"}
    if not values:
        return None
    (value, *others) = values
    # int() would also take "+5" and "1_0".
    if others or not value.isdigit() or len(value) > 18:
        raise BadRequest("Content-Length must be one number")
    return int(value)
