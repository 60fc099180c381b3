"""The test's side of a WebSocket, and the error for one that the app refuses."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx2

from micropie._http.channel import ABNORMAL, NORMAL, ConnectionClosed
from micropie.testing.exchanges import WebSocketExchange
from micropie.testing.server import Portal
from micropie.testing.transports import CLOSED_WITH

P = ParamSpec("P")
T = TypeVar("T")


class WebSocketRefused(ConnectionClosed):
    """The app did not accept the handshake.

    Attributes:
        response: what a browser is answered: the app's response, or the 403 that servers make of
            a close.
        status_code: of that response.
        code: what the app closed with, of a `WebSocketMiddleware` say; 1006 after a response.
        reason: what it gave with the code, or "".
    """

    __module__ = "micropie.testing"  # where users find it

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(*(response.extensions.get(CLOSED_WITH) or (ABNORMAL, "")))
        self.response = response
        self.status_code = response.status_code

    def __str__(self) -> str:
        reason = self.reason or self.response.text
        return f"{self.status_code} {self.response.reason_phrase} ({self.code}) {reason}".rstrip()


class AsyncClientWebSocket:
    """A WebSocket to the app, opened with `AsyncTestClient.websocket`.

    What the handler raised is raised by the next call, else when the `with` block ends.

    Attributes:
        response: the handshake's, a 101 with the headers that the app gave.
        subprotocol: the one that the app chose, or None.
    """

    __module__ = "micropie.testing"  # where users find it

    def __init__(self, exchange: WebSocketExchange, response: httpx2.Response) -> None:
        self._exchange = exchange
        self.response = response
        self.subprotocol: str | None = response.headers.get("sec-websocket-protocol")

    async def send_text(self, data: str) -> None:
        """Send *data*, text.

        Raises:
            ConnectionClosed: the app has closed the connection.
        """
        self._exchange.tell(data)

    async def send_bytes(self, data: bytes) -> None:
        """Send *data*, bytes.

        Raises:
            ConnectionClosed: the app has closed the connection.
        """
        self._exchange.tell(data)

    async def send_json(self, data: Any) -> None:
        """Send *data* as JSON, in a text message.

        Raises:
            ConnectionClosed: the app has closed the connection.
        """
        self._exchange.tell(json.dumps(data))

    async def receive(self, timeout: float | None = None) -> str | bytes:
        """Return the app's next message.

        Args:
            timeout: seconds to wait for it; None: as long as the client waits for a response.

        Raises:
            TimeoutError: none came in time; the connection stays open.
            ConnectionClosed: the app has closed the connection, with this `code` and `reason`.
        """
        return await self._exchange.message(self._exchange.timeout if timeout is None else timeout)

    async def receive_text(self, timeout: float | None = None) -> str:
        """Return the next message, text that comes within *timeout* seconds; as `receive`.

        Raises:
            TypeError: it is bytes.
        """
        message = await self.receive(timeout)
        if not isinstance(message, str):
            raise TypeError(f"the app sent bytes and not text: {message!r}")
        return message

    async def receive_bytes(self, timeout: float | None = None) -> bytes:
        """Return the next message, bytes that come within *timeout* seconds; as `receive`.

        Raises:
            TypeError: it is text.
        """
        message = await self.receive(timeout)
        if isinstance(message, str):
            raise TypeError(f"the app sent text and not bytes: {message!r}")
        return message

    async def receive_json(self, timeout: float | None = None) -> Any:
        """Return the next message within *timeout* seconds, parsed as JSON; as `receive`.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(await self.receive(timeout))

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close the connection, as a browser does; the app sees *code* and *reason*."""
        self._exchange.close(code, reason)

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield messages until the connection is closed."""
        with suppress(ConnectionClosed):
            while True:
                yield await self.receive()

    async def _finish(self) -> None:
        """Leave, wait for the handler's end, and raise what it raised unless a call has."""
        await self._exchange.leave(self._exchange.timeout)
        if not self._exchange.has_raised:
            self._exchange.raise_failure()


def _synchronous(
    method: Callable[Concatenate[AsyncClientWebSocket, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate["ClientWebSocket", P], T]:
    @wraps(method)
    def call(self: "ClientWebSocket", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(method(self._websocket, *args, **kwargs))

    return call


class ClientWebSocket:
    """A WebSocket to the app, opened with `TestClient.websocket`.

    What the handler raised is raised by the next call, else when the `with` block ends.

    Attributes:
        response: the handshake's, a 101 with the headers that the app gave.
        subprotocol: the one that the app chose, or None.
    """

    __module__ = "micropie.testing"  # where users find it

    def __init__(self, websocket: AsyncClientWebSocket, portal: Portal) -> None:
        self._websocket, self._run = websocket, portal.run
        self.response = websocket.response
        self.subprotocol = websocket.subprotocol

    send_text = _synchronous(AsyncClientWebSocket.send_text)
    send_bytes = _synchronous(AsyncClientWebSocket.send_bytes)
    send_json = _synchronous(AsyncClientWebSocket.send_json)
    receive = _synchronous(AsyncClientWebSocket.receive)
    receive_text = _synchronous(AsyncClientWebSocket.receive_text)
    receive_bytes = _synchronous(AsyncClientWebSocket.receive_bytes)
    receive_json = _synchronous(AsyncClientWebSocket.receive_json)
    close = _synchronous(AsyncClientWebSocket.close)
    _finish = _synchronous(AsyncClientWebSocket._finish)

    def __iter__(self) -> Iterator[str | bytes]:
        """Yield messages until the connection is closed."""
        with suppress(ConnectionClosed):
            while True:
                yield self.receive()
