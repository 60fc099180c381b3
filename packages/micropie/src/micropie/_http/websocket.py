"""WebSocket: one connection, from the handshake to the close."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from micropie import codec
from micropie._headers import raw_headers
from micropie._http.request import WebSocketRequest
from micropie._sessions.session import Session
from micropie.types import Headers, HeadersInput, Message, Receive, Scope, Send

# RFC 6455, 7.4.1.
NORMAL, UNSUPPORTED_DATA, NO_STATUS, ABNORMAL = 1000, 1003, 1005, 1006
INVALID_DATA, POLICY_VIOLATION, INTERNAL_ERROR = 1007, 1008, 1011

# RFC 6455, 7.4, and IANA's registry: other codes stand for a missing close frame.
_SENDABLE = (range(1000, 1004), range(1007, 1015), range(3000, 5000))


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
        code: the close code of RFC 6455; 1005 for none, 1006 for a connection that broke.
        reason: what the other side gave, or "".
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

    Args:
        request: the handshake.
        receive: the ASGI channel.
        send: the ASGI channel.
        start_session: stores a new session while the handshake can carry its cookie; takes an id
            for it, or None, and returns the headers to send.

    Attributes:
        request: the handshake.
        accepted: whether `accept` was called.
        closed: whether either side has closed.
    """

    def __init__(
        self,
        request: WebSocketRequest,
        receive: Receive,
        send: Send,
        start_session: Callable[[str | None], Awaitable[Headers]],
    ) -> None:
        self.request = request
        self.accepted = False
        self.closed = False
        self._receive = receive
        self._send = send
        self._start_session = start_session
        self._closed_with: tuple[int, str] = (ABNORMAL, "")
        self._send_tells = _send_tells(request.scope)
        # The next message, awaited before the handler asks for it.
        self._ahead: asyncio.Future[Message] | None = None

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
        message = await self._next()
        if not isinstance(message, str):
            raise InvalidMessage(UNSUPPORTED_DATA, "expected a text message")
        return message

    async def receive_bytes(self) -> bytes:
        """Return the next message.

        Raises:
            InvalidMessage: it is text.
            ConnectionClosed: there will be none.
        """
        message = await self._next()
        if not isinstance(message, bytes):
            raise InvalidMessage(UNSUPPORTED_DATA, "expected a binary message")
        return message

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
        self.closed = True
        self._closed_with = (code, reason)
        # Granian closes only when nobody receives any more.
        self._stop_looking_ahead()
        with suppress(OSError):  # the client was faster
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        return self

    async def __anext__(self) -> str | bytes:
        """Return the next message; the iteration ends when the connection is closed."""
        try:
            return await self._next()
        except ConnectionClosed:
            raise StopAsyncIteration from None

    async def _next(self) -> str | bytes:
        self._check_open()
        message = await (self._receive() if self._send_tells else self._receive_ahead())
        if message["type"] == "websocket.disconnect":
            raise self._disconnected(message)
        text: str | None = message.get("text")
        return text if text is not None else message.get("bytes") or b""

    async def _receive_ahead(self) -> Message:
        """Return the next message, which `_check_sending` may have begun to receive."""
        while True:
            ahead = self._look_ahead()
            await asyncio.wait({ahead})  # being cancelled, it leaves the message for the next call
            self._check_open()  # another task may have closed
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
        self._check_open()
        if not self._send_tells and self._look_ahead().done():
            message = self._look_ahead().result()
            if message["type"] == "websocket.disconnect":
                raise self._disconnected(message)

    def _disconnected(self, message: Message) -> ConnectionClosed:
        self.closed = True
        # A server may leave the code out, or send None for the reason.
        self._closed_with = (message.get("code") or NO_STATUS, message.get("reason") or "")
        return ConnectionClosed(*self._closed_with)

    def _check_open(self) -> None:
        if self.closed:
            raise ConnectionClosed(*self._closed_with)
        if not self.accepted:
            raise RuntimeError("await ws.accept() before receiving or sending")

    async def _transmit(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError:  # ASGI: what send() raises after the client has left
            self.closed = True
            raise ConnectionClosed(*self._closed_with) from None


def _send_tells(scope: Scope) -> bool:
    """Tell whether send() raises when the client has left.

    It does since ASGI 2.4. Older servers, Hypercorn, Daphne and Granian among them, drop what is
    sent, and a handler that only sends would go on forever.
    """
    version: str = scope.get("asgi", {}).get("spec_version", "2.0")
    return tuple(map(int, version.split("."))) >= (2, 4)
