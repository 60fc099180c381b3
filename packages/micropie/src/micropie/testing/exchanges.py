"""The server's side of a test client: calls an app, and hands on its messages as they come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from contextvars import copy_context

import httpx2

from micropie._errors import FAILURES
from micropie._http.channel import ABNORMAL, NORMAL, ConnectionClosed
from micropie.types import ASGIApp, Message, RawHeaders, Scope

# Bytes that an app may send ahead of a client that reads slowly; Uvicorn buffers as many.
_AHEAD = 65_536

# Seconds that an app which was cancelled may take to end.
_CANCELLED = 1.0


class TimedOut(httpx2.ReadTimeout, TimeoutError):
    """Nothing came in time: the error of httpx2, and that of asyncio."""


class Exchange:
    """One connection to an app, which runs in a task of its own.

    Theory of operation. What the app sends is queued until the client takes it; when more than
    _AHEAD bytes are queued, the app waits, as for a slow client. The queue ends with None, when the
    app has returned or raised. The client is gone when it has left, or when nothing more is to be
    sent; then the app receives a disconnect, and to send is an OSError (ASGI 2.4).

    Args:
        app: the app.
        scope: of the connection.
        timeout: seconds that the client waits for a message; None: forever.
        raises: whether the client wants to be raised what the app failed with.

    Attributes:
        ended: whether the client has seen the app's end, or waits for it no longer.
        has_raised: whether the client has been raised the failure.
    """

    def __init__(self, app: ASGIApp, scope: Scope, timeout: float | None, raises: bool) -> None:
        self.timeout = timeout
        self._app, self._scope, self._raises = app, scope, raises
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._size = 0  # of what is queued
        self._room, self._gone = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.ended = False
        self._deadline: asyncio.Timeout | None = None  # of the client, while it waits
        self._reported: list[BaseException] = []
        self._error: Exception | None = None
        self.has_raised = False
        context = copy_context()
        context.run(FAILURES.set, self._reported)
        self._task = asyncio.get_running_loop().create_task(self._run(), context=context)

    @property
    def failure(self) -> BaseException | None:
        """What the app said that it failed with, or raised; None: nothing."""
        return self._reported[0] if self._reported else self._error

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            if not (isinstance(error, OSError) and self._gone.is_set()):
                self._error = error
        finally:
            self._queue.put_nowait(None)

    async def _receive(self) -> Message:
        raise NotImplementedError

    async def _send(self, message: Message) -> None:
        if self._gone.is_set():
            raise OSError("the client has left")
        self._size += _size(message)
        self._queue.put_nowait(message)
        if self._size > _AHEAD:
            self._room.clear()
            await self._room.wait()

    async def next(self, timeout: float | None) -> Message | None:
        """Return the app's next message; None when it has ended.

        Raises:
            TimedOut: none came within *timeout* seconds, and the app received nothing either.
        """
        if self.ended:
            return None
        try:
            async with asyncio.timeout(timeout) as self._deadline:
                message = await self._queue.get()
        except TimeoutError:
            raise TimedOut(f"the app sent nothing for {timeout:g} seconds") from None
        finally:
            self._deadline = None
        if message is None:
            self.ended = True
        else:
            self._size -= _size(message)
        if self._size <= _AHEAD:
            self._room.set()
        return message

    def raise_failure(self) -> None:
        """Raise what the app failed with, if the client wants that."""
        if self._raises and self.failure is not None:
            self.has_raised = True
            raise self.failure

    async def leave(self, grace: float | None) -> None:
        """Leave, as a client that closes its connection; wait for the app's end.

        After *grace* seconds (None: never) it is cancelled.
        """
        self._gone.set()
        try:
            async with asyncio.timeout(grace):
                while not self.ended:
                    await self.next(None)
        except TimeoutError:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CANCELLED)
            self.ended = True


class HttpExchange(Exchange):
    """One request.

    Attributes:
        body: the chunks of the request's body that are left; None when all have been sent.
        is_streamed: whether the client takes the response chunk by chunk; else all of it must come
            within `timeout`.
    """

    body: AsyncIterator[bytes] | None
    is_streamed: bool
    _ends_at: float | None = None  # seconds of the event loop's clock
    _complete = False  # whether the app has sent the last chunk

    async def _receive(self) -> Message:
        if self.body is not None and not self._gone.is_set():
            try:
                chunk = await anext(self.body, None)
            except Exception as error:  # the test's own, which has nobody else to go to
                self._error, self._raises = error, True
                self._gone.set()
                return {"type": "http.disconnect"}
            deadline = self._deadline
            if self.timeout is not None and deadline is not None and not deadline.expired():
                deadline.reschedule(_now() + self.timeout)
            if chunk is None:
                self.body = None
            return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and self._scope["method"] == "HEAD":
            message = {**message, "body": b""}
        await super()._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._complete = True
            self._gone.set()

    async def head(self) -> tuple[int, RawHeaders]:
        """Return status and headers of the response.

        Raises:
            TimedOut: they did not come in time.
            RuntimeError: the app ended without a response.
            Exception: what the app failed with.
        """
        try:
            message = await self.next(self.timeout)
            if self._raises and self.failure is not None:
                while await self.next(self.timeout):
                    pass
                self.raise_failure()
        except BaseException:
            await self.leave(0)
            raise
        if message is None:
            if self._error is None:
                raise RuntimeError("the app returned without a response")
            self._complete = True
            return 500, []  # as servers answer
        if message["type"] != "http.response.start":
            await self.leave(0)
            raise RuntimeError(f"the app began its response with {message['type']!r}")
        if self.timeout is not None and not self.is_streamed:
            self._ends_at = _now() + self.timeout
        return message["status"], [*message.get("headers", ())]

    async def chunk(self) -> bytes | None:
        """Return the next chunk of the response's body; None after the last.

        Raises:
            TimedOut: it did not come in time.
            httpx2.RemoteProtocolError: the response ended before it was complete.
            Exception: what the app failed with.
        """
        while True:
            try:
                message = await self._next_in_time()
            except TimedOut:
                if not self._complete:
                    raise
                return None  # what the app does after its response may take as long as it likes
            if message is None:
                self.raise_failure()
                if not self._complete:
                    raise httpx2.RemoteProtocolError("the app ended in the middle of a response")
                return None
            if message.get("body"):
                return bytes(message["body"])

    async def _next_in_time(self) -> Message | None:
        if self._ends_at is None:
            return await self.next(self.timeout)
        with suppress(TimedOut):
            left = self._ends_at - _now()
            if left > 0:  # else what is queued, and refilled as it is taken, would go on forever
                return await self.next(left)
        raise TimedOut(
            f"the response did not end within {self.timeout:g} seconds; read one that never does "
            "with `with client.stream(...)`"
        )


class WebSocketExchange(Exchange):
    """One WebSocket.

    Attributes:
        closed_with: code and reason, once either side has closed.
    """

    closed_with: tuple[int, str] | None = None

    def __init__(self, app: ASGIApp, scope: Scope, timeout: float | None, raises: bool) -> None:
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._told.put_nowait({"type": "websocket.connect"})
        super().__init__(app, scope, timeout, raises)

    async def _receive(self) -> Message:
        message = await self._told.get()
        if message["type"] == "websocket.disconnect":
            self._told.put_nowait(message)  # for whoever asks again
        return message

    async def _send(self, message: Message) -> None:
        await super()._send(message)
        if message["type"] == "websocket.close":
            self.close(message.get("code", NORMAL), message.get("reason") or "")

    def close(self, code: int, reason: str) -> None:
        """Count the connection as closed, by whichever side was first; the app is told."""
        if self.closed_with is None:
            self.closed_with = code, reason
            self._told.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self._gone.set()

    def tell(self, data: str | bytes) -> None:
        """Send a message to the app.

        Raises:
            ConnectionClosed: either side has closed the connection, or the app has ended.
            Exception: what the app failed with.
        """
        if self.closed_with is not None or self._task.done():
            raise self._closed()
        key = "text" if isinstance(data, str) else "bytes"
        self._told.put_nowait({"type": "websocket.receive", key: data})

    async def message(self, timeout: float | None) -> str | bytes:
        """Return the app's next message.

        Raises:
            TimedOut: none came within *timeout* seconds.
            ConnectionClosed: there will be none.
            Exception: what the app failed with.
        """
        with suppress(TimedOut) if self.closed_with else nullcontext():
            while (message := await self.next(timeout)) is not None:
                if message["type"] == "websocket.send":
                    data: str | bytes | None = message.get("text")
                    return message["bytes"] if data is None else data
        raise self._closed()

    def _closed(self) -> ConnectionClosed:
        self.raise_failure()
        return ConnectionClosed(*(self.closed_with or (ABNORMAL, "the app has ended")))

    async def leave(self, grace: float | None) -> None:
        """Close the connection if it is open; wait for the app's end, as Exchange does."""
        self.close(NORMAL, "")
        await super().leave(grace)


def _size(message: Message) -> int:
    """Return the bytes of *message*, or the characters, which is near enough."""
    return len(message.get("body") or message.get("bytes") or message.get("text") or "")


def _now() -> float:
    return asyncio.get_running_loop().time()
