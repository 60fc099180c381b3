"""An ASGI server in this process: calls an app, and checks that it keeps to the protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

# Seconds after which a test that waits for an app has failed; nothing takes nearly as long.
PATIENCE = 30.0

# Turns of the event loop in which tasks get to where only the test, a thread or a timer moves them.
TURNS = 100

# Gone from the scope, as with a server that leaves the key out.
ABSENT: Any = object()


async def settled() -> None:
    """Wait until all other tasks wait: what has not happened by now does not happen by itself."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


@dataclass
class Answer:
    """What an app sent in answer to one request.

    Attributes:
        messages: the ASGI messages as they were sent.
        error: what the app raised after it had begun to answer.
    """

    messages: list[dict[str, Any]]
    error: BaseException | None = None

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status

    @property
    def headers(self) -> list[tuple[str, str]]:
        raw = self.messages[0]["headers"]
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]

    def header(self, name: str) -> str | None:
        """Return the one value of header *name*; None if it was not sent."""
        values = [value for key, value in self.headers if key == name.lower()]
        assert len(values) <= 1, f"{name} was sent {len(values)} times"
        return values[0] if values else None

    @property
    def chunks(self) -> list[bytes]:
        return [message["body"] for message in self.messages[1:] if message["body"]]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def complete(self) -> bool:
        """Whether the last message said that it was the last."""
        last = self.messages[-1]
        return last["type"] == "http.response.body" and not last.get("more_body", False)


class Exchange:
    """One request on its way, while the app runs in a task of its own."""

    def __init__(
        self, app: Any, scope: dict[str, Any], body: Iterable[bytes], *, unfinished: bool = False
    ) -> None:
        self.messages: list[dict[str, Any]] = []
        self.received = 0
        self._scope = scope
        self._app = app
        self._violations: list[str] = []
        chunks = list(body)
        if not unfinished and not chunks:
            chunks = [b""]
        self._incoming: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()  # something for the app to receive
        for index, chunk in enumerate(chunks):
            self.feed(chunk, more=unfinished or index < len(chunks) - 1)
        self._left = False
        self._over = asyncio.Event()  # the client has left, or has the whole answer
        self._progress = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._stuck = asyncio.Event()  # the app sends to a client that takes nothing
        self._send_error: BaseException | None = None
        self._chunks_read = 0
        self._task: asyncio.Task[None] = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self._progress.set()

    # What the app sees.

    async def _receive(self) -> dict[str, Any]:
        self.received += 1
        while not self._incoming:
            if self._over.is_set():
                return {"type": "http.disconnect"}
            self._arrived.clear()
            await self._arrived.wait()
        return self._incoming.pop(0)

    async def _send(self, message: dict[str, Any]) -> None:
        if self._send_error is not None:
            raise self._send_error
        if not self._left:  # what is sent to a client that has left is dropped
            self._check(message)
            self.messages.append(message)
            self._progress.set()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._end()
        if not self._writable.is_set():
            self._stuck.set()
            await self._writable.wait()

    def _check(self, message: dict[str, Any]) -> None:
        """Note what breaks the ASGI HTTP specification; raising here, the app might catch it."""
        complain = self._violations.append
        if message["type"] == "http.response.start":
            if self.messages:
                complain("started twice")
            if not isinstance(message["status"], int):
                complain(f"status {message['status']!r}")
            for name, value in message["headers"]:
                if type(name) is not bytes or type(value) is not bytes:
                    complain(f"header {name!r}: {value!r} is not of bytes")
                elif name != name.lower():
                    complain(f"header name {name!r} is not lower-case")
                elif set(b"\r\n\0") & {*name, *value}:
                    complain(f"header {name!r}: {value!r} would be an injection")
        elif message["type"] == "http.response.body":
            if not self.messages:
                complain("sent a body before it started")
            elif not self.messages[-1].get("more_body", True):
                complain("sent a body after the last one")
            if type(message["body"]) is not bytes:
                complain(f"body {message['body']!r} is not bytes")
        else:
            complain(f"unknown message {message['type']!r}")

    def _check_framing(self, answer: Answer) -> None:
        """Note a length that the body has not, and a body where there must be none."""
        length = answer.header("content-length")
        if answer.status in (204, 304):
            if answer.body or length is not None:
                self._violations.append(f"{answer.status} with a body or length")
        elif self._scope["method"] == "HEAD":
            if answer.body:
                self._violations.append("HEAD answered with a body")
        elif length is not None and int(length) != len(answer.body):
            self._violations.append(f"content-length {length} for {len(answer.body)} bytes")

    def _end(self) -> None:
        self._over.set()
        self._arrived.set()

    # What the test does.

    def feed(self, chunk: bytes, *, more: bool) -> None:
        """Send a chunk of the body; the last one if there is no *more*."""
        self._incoming.append({"type": "http.request", "body": chunk, "more_body": more})
        self._arrived.set()

    def disconnect(self) -> None:
        """Leave, as a client that closes its connection."""
        self._left = True
        self._end()

    def pause(self) -> None:
        """Stop taking data: from now on `send` waits, as with a slow client."""
        self._writable.clear()
        self._stuck.clear()

    async def stuck(self) -> None:
        """Wait until the app waits in `send`, because of a pause."""
        async with asyncio.timeout(PATIENCE):
            await self._stuck.wait()

    def resume(self) -> None:
        self._writable.set()

    def break_sending(self, error: BaseException) -> None:
        """Let `send` raise *error* from now on (ASGI 2.4: OSError when the client has left)."""
        self._send_error = error

    def cancel(self) -> None:
        """Cancel the app, as some servers do when a client leaves or they shut down."""
        self._task.cancel()

    @property
    def running(self) -> bool:
        return not self._task.done()

    async def _wait_for_progress(self) -> None:
        self._progress.clear()
        if self.running:
            async with asyncio.timeout(PATIENCE):
                await self._progress.wait()

    async def started(self) -> dict[str, Any]:
        """Wait for the head of the response."""
        while not self.messages:
            assert self.running, "the app ended without an answer"
            await self._wait_for_progress()
        return self.messages[0]

    async def chunk(self) -> bytes:
        """Wait for the next chunk of the body."""
        while True:
            bodies = [message["body"] for message in self.messages[1:] if message["body"]]
            if len(bodies) > self._chunks_read:
                self._chunks_read += 1
                chunk: bytes = bodies[self._chunks_read - 1]
                return chunk
            assert self.running, "the app ended without another chunk"
            await self._wait_for_progress()

    async def ended(self) -> None:
        """Wait until the app has returned or raised."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self._task})

    async def finish(self) -> Answer:
        """Wait until the app is done, and return all that it sent."""
        await self.ended()
        cancelled = self._task.cancelled()
        error = asyncio.CancelledError() if cancelled else self._task.exception()
        if error is not None and not self.messages:
            raise error
        assert self.messages, "the app ended without an answer"
        answer = Answer(self.messages, error)
        if answer.complete:
            self._check_framing(answer)
        assert not self._violations, "; ".join(self._violations)
        return answer

    async def abandon(self) -> None:
        """Leave, and cancel an app that goes on nevertheless."""
        self.disconnect()
        self.resume()
        if not self._task.done():
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=1)
        if self._task.done() and not self._task.cancelled():
            self._task.exception()


class Client:
    """Sends requests to *app*.

    Args:
        app: the ASGI application.
        scope: entries of every scope, beside or instead of the usual ones; ABSENT leaves one out.
    """

    def __init__(self, app: Any, **scope: Any) -> None:
        self.app = app
        self._scope = scope

    def scope(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        **extra: Any,
    ) -> dict[str, Any]:
        """Return the scope of a request for *url*: a percent-encoded path, maybe with a query."""
        raw_path, _, query = url.partition("?")
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(raw_path),
            "raw_path": raw_path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs
            ],
            "client": ("192.0.2.7", 51234),
            "server": ("testserver", 80),
            "state": {},
            **self._scope,
            **extra,
        }
        return {key: value for key, value in scope.items() if value is not ABSENT}

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes | Iterable[bytes] = b"",
        unfinished: bool = False,
        **scope: Any,
    ) -> AsyncIterator[Exchange]:
        """Send a request and watch the answer come; on leaving, the client leaves too.

        Of an *unfinished* body the rest is to come by `Exchange.feed`, if at all.
        """
        chunks = [body] if isinstance(body, bytes) else body
        exchange = Exchange(
            self.app, self.scope(method, url, headers, **scope), chunks, unfinished=unfinished
        )
        try:
            yield exchange
        finally:
            await exchange.abandon()

    async def request(self, method: str, url: str, **options: Any) -> Answer:
        """Send a request and return the whole answer; options are those of `open`.

        What the app raises before it has begun to answer is raised; later it is `Answer.error`.
        """
        async with self.open(method, url, **options) as exchange:
            return await exchange.finish()

    async def get(self, url: str, **options: Any) -> Answer:
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Answer:
        return await self.request("POST", url, **options)

    async def head(self, url: str, **options: Any) -> Answer:
        return await self.request("HEAD", url, **options)

    async def options(self, url: str, **options: Any) -> Answer:
        return await self.request("OPTIONS", url, **options)
