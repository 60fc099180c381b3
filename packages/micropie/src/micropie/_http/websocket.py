"""WebSocket: one connection, from the handshake to the close."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

from micropie import codec
from micropie._headers import raw_headers
from micropie._http.channel import (
    INVALID_DATA,
    NORMAL,
    TOO_BIG,
    UNSUPPORTED_DATA,
    Channel,
    ConnectionClosed,
)
from micropie._http.request import WebSocketRequest
from micropie._sessions.session import Session
from micropie.types import Headers, HeadersInput, Message

# RFC 6455, 7.4, and IANA's registry: other codes stand for a missing close frame.
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))

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


class InvalidMessage(ValueError):
    """The client sent a message of the wrong kind; the connection stays open.

    A handler that lets it out closes the connection with `code`.

    Attributes:
        code: the close code of RFC 6455 that fits.
        reason: what was expected.
    """

    __module__ = "micropie"

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class WebSocket:
    """A WebSocket connection, as a `ws_` handler gets it.

    Whatever is sent, `accept` and `close` included, may take `websocket_send_timeout` seconds. If a
    client has not taken it by then, the connection counts as closed, with 1006.

    Args:
        request: the handshake.
        channel: its ASGI channel.
        start_session: stores a new session while the handshake can carry its cookie; takes an id
            for it, or None, and returns the headers to send.

    Attributes:
        request: the handshake.
    """

    __module__ = "micropie"

    def __init__(
        self,
        request: WebSocketRequest,
        channel: Channel,
        start_session: Callable[[str | None], Awaitable[Headers]],
    ) -> None:
        self.request = request
        self._channel = channel
        self._start_session = start_session

    @property
    def accepted(self) -> bool:
        """Whether the handshake was accepted."""
        return self._channel.accepted

    @property
    def closed(self) -> bool:
        """Whether either side has closed."""
        return self._channel.closed

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
            raise ConnectionClosed(*self._channel.closed_with)
        await self._channel.transmit(
            {"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw}
        )
        self._channel.accepted = True

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
            InvalidMessage: it is not JSON, or has more values than fit its limit, see
                `codec.loads`; its code is 1009 then.
            ConnectionClosed: there will be none.
        """
        message = await self._channel.next()
        try:
            data = message.encode() if isinstance(message, str) else message
            return codec.loads(data, self._channel.max_size)
        except codec.TooManyValues as error:
            raise InvalidMessage(TOO_BIG, str(error)) from None
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
        self._channel.check_sending()
        await self._channel.transmit({"type": "websocket.send", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message.

        Raises:
            TypeError: *data* is not bytes, a bytearray or a memoryview.
            ConnectionClosed: the client has left.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"send_bytes() takes bytes, not {type(data).__name__}")
        self._channel.check_sending()
        await self._channel.transmit({"type": "websocket.send", "bytes": bytes(data)})

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
        reason = reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")
        await self._channel.close(code, reason)

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Iterate over the messages; the iteration ends when the connection is closed."""
        return Incoming(self._channel.next)

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
        self._channel.mark_closed(code, reason)
        with suppress(ConnectionClosed):
            for part, message in zip(("start", "body"), denial, strict=True):
                await self._channel.transmit({**message, "type": f"websocket.http.response.{part}"})
            # In these turns (two, of uvloop 0.21) uvicorn loses the connection. Without that it
            # takes the handshake for unfinished when the App returns, and logs an error.
            for _ in range(3):
                await asyncio.sleep(0)

    async def _next_of(self, kind: type[T], expected: str) -> T:
        message = await self._channel.next()
        if not isinstance(message, kind):
            raise InvalidMessage(UNSUPPORTED_DATA, expected)
        return message


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
