"""httpx2 transports that call an ASGI app, in the event loop of the test or in a thread's."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

import httpx2

from micropie.testing.exchanges import Exchange, HttpExchange, WebSocketExchange
from micropie.testing.server import Life, Portal
from micropie.types import ASGIApp, Message, Scope

# Keys of an httpx2 request's or response's extensions.
STREAMED, EXCHANGE, CLOSED_WITH = "micropie.streamed", "micropie.exchange", "micropie.closed_with"

# Seconds that an app may take to end after its client has left, where the client has no time-out.
_GRACE = 5.0


class AsyncTransport(httpx2.AsyncBaseTransport):
    """Calls *app* in the event loop that a request is awaited in.

    Args:
        app: the app.
        raises: whether what a handler raised is raised.
    """

    def __init__(self, app: ASGIApp, raises: bool) -> None:
        self.app = app
        self._raises = raises
        self._life: Life | None = None
        self._open: weakref.WeakSet[Exchange] = weakref.WeakSet()

    async def start(self) -> dict[str, Any]:
        """Start the app, unless it has been; return its state.

        An event loop that is closed has taken the app with it: then it starts again in this one.
        """
        if self._life is None or self._life.loop.is_closed():
            self._life = Life.join(self.app)
        await self._life.started()
        return self._life.state

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End what is open, and stop the app if no other client is left."""
        for exchange in [*self._open]:
            await exchange.leave(_GRACE)
        life, self._life = self._life, None
        if life is not None:
            await life.leave()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* to the app; return its response, whose body is still to come."""
        state = await self.start()
        timeout = timeout_of(request)
        scope = _scope_of(request, state)
        if scope["type"] == "websocket":
            socket = WebSocketExchange(self.app, scope, timeout, self._raises)
            self._open.add(socket)
            return await _handshake(socket, request)
        exchange = HttpExchange(self.app, scope, timeout, self._raises)
        exchange.body = _chunks(request.stream)
        exchange.is_streamed = request.extensions.get(STREAMED, True)
        self._open.add(exchange)
        status, headers = await exchange.head()
        return httpx2.Response(status, headers=headers, stream=_AsyncStream(exchange))


class Transport(httpx2.BaseTransport):
    """Calls an app in the thread that it shares with its other synchronous clients.

    Args:
        app: the app.
        raises: whether what a handler raised is raised.
    """

    def __init__(self, app: ASGIApp, raises: bool) -> None:
        self.app = app
        self._transport = AsyncTransport(app, raises)
        self._portal: Portal | None = None
        self._leave: Any = None

    @property
    def portal(self) -> Portal:
        """The way to the thread."""
        if self._portal is None:
            self._portal, self._leave = Portal.join(self.app, self)
        return self._portal

    async def start(self) -> None:
        """Start the app, unless it has been; awaited in the portal."""
        await self._transport.start()

    def __enter__(self) -> Self:
        try:
            self.portal.run(self.start())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> None:
        """End what is open, and stop the app and the thread if no other client is left."""
        portal, self._portal = self._portal, None
        if portal is not None:
            try:
                portal.run(self._transport.aclose())
            finally:
                self._leave()
                portal.wait_closed()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request* to the app; return its response, whose body is still to come."""
        portal, timeout = self.portal, timeout_of(request)
        response = portal.run(self._transport.handle_async_request(request), timeout)
        exchange = response.extensions.get(EXCHANGE)
        if isinstance(response.stream, _AsyncStream):
            exchange = response.stream.exchange
        if exchange is not None:
            response.stream = _Stream(exchange, portal)
        return response


class _AsyncStream(httpx2.AsyncByteStream):
    """The body of a response, chunk by chunk as the app sends it."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self.exchange, HttpExchange):
            while (chunk := await self.exchange.chunk()) is not None:
                yield chunk

    async def aclose(self) -> None:
        await self.exchange.leave(self.exchange.timeout or _GRACE)


class _Stream(httpx2.SyncByteStream):
    """The same for a synchronous client."""

    def __init__(self, exchange: Exchange, portal: Portal) -> None:
        self._exchange, self._portal = exchange, portal

    def __iter__(self) -> Iterator[bytes]:
        if isinstance(self._exchange, HttpExchange):
            timeout = self._exchange.timeout
            while (chunk := self._portal.run(self._exchange.chunk(), timeout)) is not None:
                yield chunk

    def close(self) -> None:
        if not self._exchange.ended:  # the thread may have, too, with a client that was closed
            self._portal.run(self._exchange.leave(self._exchange.timeout or _GRACE))


async def _handshake(exchange: WebSocketExchange, request: httpx2.Request) -> httpx2.Response:
    """Return what the app answers to the handshake: a 101, or the response that refuses it."""
    try:
        message = await exchange.next(exchange.timeout)
        if message is not None and message["type"] == "websocket.accept":
            headers = [*message.get("headers", ())]
            if message.get("subprotocol"):
                headers.append((b"sec-websocket-protocol", message["subprotocol"].encode()))
            stream = _AsyncStream(exchange)
            extensions = {EXCHANGE: exchange}
            return httpx2.Response(101, headers=headers, stream=stream, extensions=extensions)
        messages: list[Message] = []
        while message is not None:
            messages.append(message)
            message = await exchange.next(exchange.timeout)
        exchange.raise_failure()
    except BaseException:
        await exchange.leave(0)
        raise
    if messages and messages[0]["type"] == "websocket.http.response.start":
        start, *body = messages
        content = b"".join(message.get("body", b"") for message in body)
        return httpx2.Response(start["status"], headers=start.get("headers"), content=content)
    return httpx2.Response(403, extensions={CLOSED_WITH: exchange.closed_with})


def timeout_of(request: httpx2.Request) -> float | None:
    """Return the seconds that *request* waits for an answer; None: forever."""
    timeout: float | None = request.extensions.get("timeout", {}).get("read")
    return timeout


def _scope_of(request: httpx2.Request, state: dict[str, Any]) -> Scope:
    url = request.url
    is_secure = url.scheme in ("https", "wss")
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "https" if is_secure else "http",
        "path": url.path,
        "raw_path": url.raw_path.partition(b"?")[0],
        "query_string": url.query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 50000),
        "server": (url.host, url.port or (443 if is_secure else 80)),
        "state": state.copy(),
        "extensions": {},
    }
    if request.headers.get("upgrade", "").lower() == "websocket":
        offered = request.headers.get("sec-websocket-protocol", "")
        del scope["method"]
        scope["type"], scope["scheme"] = "websocket", "wss" if is_secure else "ws"
        scope["subprotocols"] = [name.strip() for name in offered.split(",") if name.strip()]
        scope["extensions"] = {"websocket.http.response": {}}
    return scope


async def _chunks(stream: object) -> AsyncIterator[bytes]:
    """Yield the body of a request."""
    if isinstance(stream, httpx2.AsyncByteStream):
        async for chunk in stream:
            yield chunk
    elif isinstance(stream, httpx2.SyncByteStream):
        # The test's own generator, maybe: it may wait for something that the app does.
        chunks = iter(stream)
        while (chunk := await asyncio.to_thread(next, chunks, b"")) != b"":
            yield chunk
