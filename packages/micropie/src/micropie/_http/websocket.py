"""WebSocket: one connection, from the handshake to the close."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from math import inf
from typing import Any, Generic, TypeVar

from micropie import codec
from micropie._blocked import DONE, Blocked
from micropie._headers import raw_headers
from micropie._http.request import WebSocketRequest
from micropie._sessions.session import Session
from micropie.types import Headers, HeadersInput, Message, Receive, Scope, Send

# RFC 6455, 7.4.1.
NORMAL, UNSUPPORTED_DATA, NO_STATUS, ABNORMAL = 1000, 1003, 1005, 1006
INVALID_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1007, 1008, 1009, 1011
TRY_AGAIN_LATER = 1013  # IANA's registry

# RFC 6455, 7.4, and IANA's registry: other codes stand for a missing close frame.
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))

# Seconds for the server to hand over the code of a close that made a send fail: it has it at hand.
_FAREWELL = 1.0

# The two messages of an HTTP response.
Denial = tuple[Message, Message]

T = TypeVar("T")


def check_close(code: object, reason: object) -> None:
    """Reject a code or reason that a close frame can't carry.

    Raises:
        TypeError: they are not an int and a str.
        ValueError: the code may not be sent.
    """
    if not isinstance(code, int) or not isinstance(reason, str):
        raise TypeError(f"a close takes an int and a str, not {code!r} and {reason!r}")
    if not any(code in codes for codes in _SENDABLE):
        raise ValueError(f"the close code {code} may not be sent; use 1000, or 3000 to 4999")


class ConnectionClosed(Exception):
    """The WebSocket is closed; a handler may let this out.

    Attributes:
        code: the close code of RFC 6455; 1005 for none, 1006 for a connection that broke, or whose
            client did not take a message in time.
        reason: what the side that closed gave, or "".
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class InvalidMessage(ValueError):
    """The client sent a message of the wrong kind; the connection stays open.

    A handler that lets it out closes the connection with `code`.

    Attributes:
        code: the close code of RFC 6455 that fits.
        reason: what was expected.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WebSocket:
    """A WebSocket connection, as a `ws_` handler gets it.

    Whatever is sent, `accept` and `close` included, may take `websocket_send_timeout` seconds. If a
    client has not taken it by then, the connection counts as closed, with 1006.

    Theory of operation. The connection is open until `_mark_closed` notes the code that counts: the
    first that comes, from the client, from `close`, or from `_give_up`. The server tells everything
    through `receive`, which one task waits in, as a rule; `_receivers` has all that do. A send that
    fails knows of no code: it leaves the reading to them, or reads itself, until the code has come.
    `_give_up` can't count on the server, which may be stuck, and wakes the receivers itself.

    Args:
        request: the handshake.
        receive: the ASGI channel.
        send: the ASGI channel.
        max_size: bytes of a message from the client; None for no limit.
        send_timeout: seconds that a send may take; None for no limit.
        start_session: stores a new session while the handshake can carry its cookie; takes an id
            for it, or None, and returns the headers to send.

    Attributes:
        request: the handshake.
        accepted: whether the handshake was accepted.
        closed: whether either side has closed.
    """

    def __init__(
        self,
        request: WebSocketRequest,
        receive: Receive,
        send: Send,
        max_size: int | None,
        send_timeout: float | None,
        start_session: Callable[[str | None], Awaitable[Headers]],
    ) -> None:
        self.request = request
        self.accepted = False
        self.closed = False
        self._receive = receive
        self._send = send
        self._max_size = inf if max_size is None else max_size
        self._send_timeout = send_timeout
        self._start_session = start_session
        self._closed_with: tuple[int, str] = (ABNORMAL, "")
        self._send_tells = _send_tells(request.scope)
        # The next message, awaited before the handler asks for it.
        self._ahead: asyncio.Future[Message] | None = None
        # The tasks that wait for the server; each with its `cancelling()` of then, as
        # asyncio.timeout() keeps it, to tell a cancellation of `_give_up` from any other.
        self._receivers: dict[asyncio.Task[Any], int] = {}
        self._has_given_up = False
        self._turn: asyncio.Future[None] | None = None  # done when a receiver has ended

    @property
    def session(self) -> Session:
        """The browser's session; what changes in it is stored when the handler ends."""
        return self.request.session

    @session.setter
    def session(self, data: Mapping[str, Any]) -> None:
        self.request.session = data

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, in its order of preference."""
        return list(self.request.scope.get("subprotocols", ()))

    async def accept(
        self,
        subprotocol: str | None = None,
        headers: HeadersInput | None = None,
        session_id: str | None = None,
    ) -> None:
        """Accept the handshake.

        A session that is new, and has got values already, is stored now, because only the
        handshake can carry its cookie.

        Args:
            subprotocol: one of `subprotocols`, or None.
            headers: extra headers of the handshake's response, as pairs or a dict.
            session_id: the id to give a new session, instead of a random one.

        Raises:
            RuntimeError: it was accepted already.
            ValueError: the client did not offer *subprotocol*, or *session_id* can't stand in a
                cookie.
            HTTPError: 503, the new session could not be stored.
            ConnectionClosed: the client has left.
        """
        if self.accepted:
            raise RuntimeError("the WebSocket was accepted already")
        if subprotocol is not None and subprotocol not in self.subprotocols:
            raise ValueError(f"the client did not offer the subprotocol {subprotocol!r}")
        raw = raw_headers(headers) + raw_headers(await self._start_session(session_id))
        if self.closed:
            raise ConnectionClosed(*self._closed_with)
        await self._transmit(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw}
        )
        self.accepted = True

    async def receive_text(self) -> str:
        """Return the next message.

        Raises:
            InvalidMessage: it is binary.
            ConnectionClosed: there will be none.
        """
        return await self._next_of(str, "expected a text message")

    async def receive_bytes(self) -> bytes:
        """Return the next message.

        Raises:
            InvalidMessage: it is text.
            ConnectionClosed: there will be none.
        """
        return await self._next_of(bytes, "expected a binary message")

    async def receive_json(self) -> Any:
        """Return the value of the next message, text or binary.

        Raises:
            InvalidMessage: it is not JSON.
            ConnectionClosed: there will be none.
        """
        message = await self._next()
        try:
            return codec.loads(message.encode() if isinstance(message, str) else message)
        except ValueError:
            raise InvalidMessage(INVALID_DATA, "expected JSON") from None

    async def send_text(self, text: str) -> None:
        """Send a text message.

        Raises:
            TypeError: *text* is not a str.
            ValueError: it holds a lone surrogate, which can't be encoded.
            ConnectionClosed: the client has left.
        """
        if not isinstance(text, str):
            raise TypeError(f"send_text() takes a str, not {type(text).__name__}")
        if not text.isascii():
            text.encode()  # raises for a lone surrogate; Granian would send an empty text
        self._check_sending()
        await self._transmit({"type": "websocket.send", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            TypeError: *data* is not bytes, a bytearray or a memoryview.
            ConnectionClosed: the client has left.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}")
        self._check_sending()
        await self._transmit({"type": "websocket.send", "bytes": bytes(data)})

    async def send_json(self, value: Any) -> None:
        """Send a text message of *value* as JSON.

        Raises:
            TypeError, ValueError: it has no JSON form.
            ConnectionClosed: the client has left.
        """
        await self.send_text(codec.dumps(value).decode())

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection; before `accept` this refuses it. Closing twice does nothing.

        Args:
            code: a close code of RFC 6455: 1000, or 3000 to 4999 for meanings of one's own.
            reason: at most 123 bytes of UTF-8; more is cut off.

        Raises:
            TypeError: *code* is not an int, or *reason* not a str.
            ValueError: *code* may not be sent.
        """
        check_close(code, reason)
        if self.closed:
            return
        reason = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
        self._mark_closed(code, reason)
        # Granian closes only when nobody receives any more.
        self._stop_looking_ahead()
        with suppress(ConnectionClosed):  # the client was faster, or takes nothing
            await self._transmit({"type": "websocket.close", "code": code, "reason": reason})

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over the messages; the iteration ends when the connection is closed."""
        return Incoming(self._next)

    def iter_text(self) -> AsyncIterator[str]:
        """Iterate over messages of text; one that is binary raises InvalidMessage."""
        return Incoming(self.receive_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Iterate over binary messages; one of text raises InvalidMessage."""
        return Incoming(self.receive_bytes)

    def iter_json(self) -> AsyncIterator[Any]:
        """Iterate over the values of messages; one that is not JSON raises InvalidMessage."""
        return Incoming(self.receive_json)

    async def _end(self, code: int, reason: str, denial: Denial | None) -> None:
        """Close, or refuse the handshake with *denial* (ASGI, WebSocket Denial Response)."""
        if denial is None or self.accepted or self.closed:
            await self.close(code, reason)
            return
        self._mark_closed(code, reason)
        with suppress(ConnectionClosed):
            for part, message in zip(("start", "body"), denial, strict=True):
                await self._transmit({**message, "type": f"websocket.http.response.{part}"})
            # In this turn uvicorn loses the connection, without which it takes the handshake for
            # unfinished when the App returns, and logs an error.
            await asyncio.sleep(0)

    async def _next_of(self, kind: type[T], expected: str) -> T:
        message = await self._next()
        if not isinstance(message, kind):
            raise InvalidMessage(UNSUPPORTED_DATA, expected)
        return message

    async def _next(self) -> str | bytes:
        if self.closed or not self.accepted:
            self._check_open()
        message: Message
        if not self._send_tells:
            message = await self._receive_ahead()
        elif self._receivers:
            message = await self._receive_now()
        else:
            # Here, and not there: a message that has arrived costs no more than that.
            steps = self._receive().__await__()
            try:
                waits_for = next(steps)
            except StopIteration as received:
                message = received.value
            else:
                message = await self._receive_now(Blocked(steps, waits_for))
        if message["type"] == "websocket.disconnect":
            raise self._disconnected(message)
        data: str | bytes | None = message.get("text")
        if data is None:
            data = message.get("bytes") or b""
        # At most four bytes a character.
        if len(data) * 4 > self._max_size and _size(data) > self._max_size:
            del message, data  # not for as long as the traceback of what is raised
            await self.close(TOO_BIG, "the message is too big")
            raise ConnectionClosed(*self._closed_with)
        return data

    async def _receive_now(self, blocked: Blocked | None = None) -> Message:
        """Return the server's next message; `_give_up` may end the waiting for it."""
        task: Any = asyncio.current_task()
        cancelling = self._receivers[task] = task.cancelling()
        try:
            message: Message = await (blocked or self._receive())
            return message
        except asyncio.CancelledError:
            if not self._has_given_up or task.uncancel() > cancelling:
                raise
            raise ConnectionClosed(*self._closed_with) from None
        finally:
            del self._receivers[task]
            if self._turn is not None and not self._turn.done():
                self._turn.set_result(None)

    async def _receive_ahead(self) -> Message:
        """Return the next message, which `_check_sending` may have begun to receive."""
        while True:
            ahead = self._look_ahead()
            await asyncio.wait({ahead})  # being cancelled, it leaves the message for the next call
            if self.closed:  # another task may have closed
                raise ConnectionClosed(*self._closed_with)
            if self._ahead is ahead:  # and another may have taken this message
                self._ahead = None
                return ahead.result()

    def _look_ahead(self) -> asyncio.Future[Message]:
        if self._ahead is None:
            self._ahead = asyncio.ensure_future(self._receive())
        return self._ahead

    def _stop_looking_ahead(self) -> None:
        if self._ahead is not None:
            self._ahead.cancel()

    def _check_sending(self) -> None:
        if self.closed or not self.accepted:
            self._check_open()
        if not self._send_tells and self._look_ahead().done():
            message = self._look_ahead().result()
            if message["type"] == "websocket.disconnect":
                raise self._disconnected(message)

    def _disconnected(self, message: Message) -> ConnectionClosed:
        # A server may leave the code out, or send None for the reason.
        return self._mark_closed(message.get("code") or NO_STATUS, message.get("reason") or "")

    def _check_open(self) -> None:
        if self.closed:
            raise ConnectionClosed(*self._closed_with)
        if not self.accepted:
            raise RuntimeError("await ws.accept() before receiving or sending")

    def _mark_closed(self, code: int, reason: str = "") -> ConnectionClosed:
        """Count the connection as closed; return the error that says so from now on."""
        if not self.closed:
            self.closed, self._closed_with = True, (code, reason)
        return ConnectionClosed(*self._closed_with)

    async def _transmit(self, message: Message) -> None:
        try:
            steps = self._send(message).__await__()
            if (waits_for := next(steps, DONE)) is DONE:
                return
        except OSError:  # ASGI: what send() raises after the client has left
            raise await self._left() from None
        await self._finish(Blocked(steps, waits_for))

    def _send_soon(self, message: Message) -> Awaitable[None] | None:
        """Send *message*, as far as the client need not be waited for; return the rest of that.

        Raises:
            ConnectionClosed, OSError: the client has left.
        """
        self._check_sending()
        if not self._send_tells:
            # Other servers may bind what they do to the task that they are called in.
            return self._transmit(message)
        steps = self._send(message).__await__()
        waits_for = next(steps, DONE)
        return None if waits_for is DONE else self._finish(Blocked(steps, waits_for))

    async def _finish(self, blocked: Blocked) -> None:
        try:
            async with asyncio.timeout(self._send_timeout):
                await blocked
        except TimeoutError:
            raise self._give_up() from None
        except OSError:
            raise await self._left() from None

    async def _left(self) -> ConnectionClosed:
        """Return the error for a client that has left, with its code if the server knows that."""
        receive = self._receive_now if self._send_tells else self._receive_ahead
        with suppress(TimeoutError, ConnectionClosed):
            async with asyncio.timeout(_FAREWELL):
                while not self.closed:
                    if self._receivers:
                        if self._turn is None or self._turn.done():
                            self._turn = asyncio.get_running_loop().create_future()
                        await asyncio.wait({self._turn})
                    elif (message := await receive())["type"] == "websocket.disconnect":
                        self._disconnected(message)
        return self._mark_closed(ABNORMAL)

    def _give_up(self) -> ConnectionClosed:
        """Count the connection as broken, whatever the server says; wake the receivers."""
        if not self._has_given_up:  # else a receiver would be cancelled twice
            self._has_given_up = True
            self._stop_looking_ahead()
            for task in self._receivers:
                task.cancel()
        return self._mark_closed(ABNORMAL, "the client takes no messages")


class Incoming(Generic[T]):
    """Iterates over what *receive* returns, until the connection is closed."""

    def __init__(self, receive: Callable[[], Awaitable[T]]) -> None:
        self._receive = receive

    def __aiter__(self) -> "Incoming[T]":
        return self

    async def __anext__(self) -> T:
        try:
            return await self._receive()
        except ConnectionClosed:
            raise StopAsyncIteration from None


def _size(data: str | bytes) -> int:
    """Return the bytes of *data*, of text in UTF-8."""
    if isinstance(data, str) and not data.isascii():
        return len(data.encode("utf-8", "surrogatepass"))
    return len(data)


def _send_tells(scope: Scope) -> bool:
    """Tell whether send() raises when the client has left.

    It does since ASGI 2.4. Older servers, Hypercorn, Daphne and Granian among them, drop what is
    sent, and a handler that only sends would go on forever.
    """
    version: str = scope.get("asgi", {}).get("spec_version", "2.0")
    return tuple(map(int, version.split("."))) >= (2, 4)
