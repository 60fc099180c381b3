"""The ASGI interface and the shapes handlers exchange with the App, as type aliases."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, MutableMapping
from typing import Any

# ASGI 3.0: one callable taking the connection's scope and its two channels.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Header lists as handlers write them, and as ASGI carries them.
Headers = list[tuple[str, str]]
HeadersInput = list[tuple[str, str]] | Mapping[str, str]
RawHeaders = list[tuple[bytes, bytes]]

Handler = Callable[..., Any]
Stream = AsyncGenerator[str | bytes, None] | Generator[str | bytes, None, None]
