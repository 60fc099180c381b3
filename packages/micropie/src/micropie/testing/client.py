"""TestClient and AsyncTestClient: httpx2 clients that call an app without a server."""

import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2

from micropie._serving.parts import parts_of
from micropie._sessions.session import Session
from micropie.testing.transports import EXCHANGE, STREAMED, AsyncTransport, Transport
from micropie.testing.websockets import AsyncClientWebSocket, ClientWebSocket, WebSocketRefused
from micropie.types import ASGIApp


class TestClient(httpx2.Client):
    """A client of *app* for synchronous tests: an `httpx2.Client`, with all that this has.

    The app runs in an event loop in a thread, which it shares with its other clients: several
    clients are several browsers. It starts with the `with` block of the first one, or its first
    request, and stops when the last one is closed. Each response comes as the app sends it.

    Args:
        app: an App, or any other ASGI app.
        base_url: what relative URLs begin with.
        raise_app_exceptions: raise what a handler, a hook or the lifespan raised, instead of
            returning the 500; not an HTTPError, or what `on_error` answered.
        options: as `httpx2.Client` takes them: `headers`, `cookies`, `timeout` (5 seconds unless
            given; a response that is not streamed must end in that time), `follow_redirects`
            (False unless given), and others.

    Raises:
        Exception: from any request, what the app raised (see *raise_app_exceptions*).
        httpx2.ReadTimeout: from any request, the app did not answer in time; it is a TimeoutError.
    """

    __module__ = "micropie.testing"  # where users find it
    __test__ = False  # no class of tests, though its name looks like one

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "http://test",
        raise_app_exceptions: bool = True,
        **options: Any,
    ) -> None:
        self._to_app = Transport(app, raise_app_exceptions)
        super().__init__(
            transport=self._to_app, base_url=base_url, **{"trust_env": False, **options}
        )

    def send(
        self, request: httpx2.Request, *, stream: bool = False, **options: Any
    ) -> httpx2.Response:
        """Send *request*; *stream* and other *options* are those of `httpx2.Client.send`."""
        request.extensions = {**request.extensions, STREAMED: stream}
        return super().send(request, stream=stream, **options)

    @contextmanager
    def websocket(  # type: ignore[override] # httpx2's own wraps what the block raises
        self, url: str, *, subprotocols: Iterable[str] = (), headers: Any = None, **options: Any
    ) -> Iterator[ClientWebSocket]:
        """Open a WebSocket: `with client.websocket("/chat") as ws`.

        When the block ends, the connection is closed, and the handler has ended.

        Args:
            url: the path, or a whole URL.
            subprotocols: what the client offers.
            headers: of the handshake: `Origin`, say, which is not sent otherwise.
            options: `params`, `cookies`, `timeout` and others that `stream` takes.

        Raises:
            WebSocketRefused: the app did not accept the connection.
            Exception: what the app raised, unless `raise_app_exceptions` is false.
        """
        headers = _handshake_headers(subprotocols, headers)
        with self.stream("GET", url, headers=headers, **options) as response:
            if response.status_code != 101:
                response.read()
                raise WebSocketRefused(response)
            websocket = AsyncClientWebSocket(response.extensions[EXCHANGE], response)
            synchronous = ClientWebSocket(websocket, self._to_app.portal)
            yield synchronous
            synchronous._finish()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Read and change the session of this browser: `with client.session() as session`.

        What the block changes is stored when it ends, and a cookie set for a new session; before
        the first request, too.

        Raises:
            TypeError: the app is not an App; or a value is not JSON.
            RuntimeError: this client does not send the session's cookie to its `base_url`.
            HTTPError: 503, the session store is unavailable.
        """
        portal, browser = self._to_app.portal, _Browser(self, self._to_app.app)
        portal.run(self._to_app.start())
        session = portal.run(browser.load())
        yield session
        portal.run(browser.store(session))


class AsyncTestClient(httpx2.AsyncClient):
    """A client of *app* for asynchronous tests: an `httpx2.AsyncClient`, with all that this has.

    The app runs in the event loop of the test. It starts with the `async with` block of its first
    client there, or the first request, and stops when the last one is closed. Each response comes
    as the app sends it.

    Args:
        app: an App, or any other ASGI app.
        base_url: what relative URLs begin with.
        raise_app_exceptions: raise what a handler, a hook or the lifespan raised, instead of
            returning the 500; not an HTTPError, or what `on_error` answered.
        options: as `httpx2.AsyncClient` takes them: `headers`, `cookies`, `timeout` (5 seconds
            unless given; a response that is not streamed must end in that time),
            `follow_redirects` (False unless given), and others.

    Raises:
        Exception: from any request, what the app raised (see *raise_app_exceptions*).
        httpx2.ReadTimeout: from any request, the app did not answer in time; it is a TimeoutError.
    """

    __module__ = "micropie.testing"
    __test__ = False

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str = "http://test",
        raise_app_exceptions: bool = True,
        **options: Any,
    ) -> None:
        self._to_app = AsyncTransport(app, raise_app_exceptions)
        super().__init__(
            transport=self._to_app, base_url=base_url, **{"trust_env": False, **options}
        )

    async def send(
        self, request: httpx2.Request, *, stream: bool = False, **options: Any
    ) -> httpx2.Response:
        """Send *request*; *stream* and *options* are those of `httpx2.AsyncClient.send`."""
        request.extensions = {**request.extensions, STREAMED: stream}
        return await super().send(request, stream=stream, **options)

    @asynccontextmanager
    async def websocket(  # type: ignore[override] # httpx2's own wraps what the block raises
        self, url: str, *, subprotocols: Iterable[str] = (), headers: Any = None, **options: Any
    ) -> AsyncIterator[AsyncClientWebSocket]:
        """Open a WebSocket: `async with client.websocket("/chat") as ws`.

        As `TestClient.websocket`, with the same *url*, *subprotocols*, *headers* and *options*.
        """
        headers = _handshake_headers(subprotocols, headers)
        async with self.stream("GET", url, headers=headers, **options) as response:
            if response.status_code != 101:
                await response.aread()
                raise WebSocketRefused(response)
            websocket = AsyncClientWebSocket(response.extensions[EXCHANGE], response)
            yield websocket
            await websocket._finish()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Read and change the session of this browser: `async with client.session() as session`.

        As `TestClient.session`.
        """
        browser = _Browser(self, self._to_app.app)
        await self._to_app.start()
        session = await browser.load()
        yield session
        await browser.store(session)


class _Browser:
    """The session of a client, by the cookie in its jar."""

    def __init__(self, client: httpx2.Client | httpx2.AsyncClient, app: ASGIApp) -> None:
        parts = parts_of(app)
        if parts is None:
            raise TypeError(f"session() needs an App, and {app!r} is another kind of ASGI app")
        self._cookies = client.cookies
        self._manager = parts.sessions
        self._url = client.base_url.join(parts.sessions.cookie.place[2])

    async def load(self) -> Session:
        name = self._manager.cookie_name
        named = [cookie.value or "" for cookie in self._cookies.jar if cookie.name == name]
        return await self._manager.load(named)

    async def store(self, session: Session) -> None:
        scope = {"type": "http", "scheme": self._url.scheme}
        headers = await self._manager.store(session, scope)
        session.finish()
        request = httpx2.Request("GET", self._url)
        self._cookies.extract_cookies(httpx2.Response(200, headers=headers, request=request))
        self._cookies.set_cookie_header(request)
        session_id = session.session_id
        if session_id is not None and session_id not in request.headers.get("cookie", ""):
            raise RuntimeError(
                f"the session's cookie is not sent to {self._url}, because of its Domain or Secure "
                "attribute: give the client a base_url that it is for"
            )


def _handshake_headers(subprotocols: Iterable[str], headers: Any) -> httpx2.Headers:
    """Return the headers of a WebSocket's handshake (RFC 6455, 4.1)."""
    own = httpx2.Headers(headers)
    own["Connection"], own["Upgrade"] = "Upgrade", "websocket"
    own["Sec-WebSocket-Version"] = "13"
    own["Sec-WebSocket-Key"] = b64encode(secrets.token_bytes(16)).decode()
    if offered := ", ".join(subprotocols):
        own["Sec-WebSocket-Protocol"] = offered
    return own
