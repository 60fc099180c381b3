"""Connections that are not HTTP requests."""

from micropie._serving.lifespan import serve_lifespan
from micropie._serving.parts import Parts
from micropie.types import Receive, Scope, Send


async def serve_other(parts: Parts, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a WebSocket or a lifespan.

    Raises:
        ValueError: it is neither.
    """
    if scope["type"] == "websocket":
        from micropie._serving.websocket import WebSocketExchange  # here: few apps have any

        await WebSocketExchange(parts, scope, receive, send).serve()
    elif scope["type"] == "lifespan":
        await serve_lifespan(parts, scope, receive, send)
    else:
        raise ValueError(f"unknown ASGI scope type {scope['type']!r}")
