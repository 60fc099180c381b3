"""MicroPie: subclass App, write methods, and they are your routes."""

from typing import TYPE_CHECKING, Any

from micropie._bodies.uploads import UploadFile
from micropie._errors import ClientDisconnected, HTTPError
from micropie._handlers.decorators import allow, limit, route
from micropie._http.events import EventStream
from micropie._http.request import Request, WebSocketRequest
from micropie._http.response import ASGIResponse
from micropie._http.results import HookAnswer, Result, WebSocketRefusal
from micropie._serving.middleware import HttpMiddleware, WebSocketMiddleware
from micropie._sessions.backends import (
    InMemorySessionBackend,
    LoadedSession,
    SessionBackend,
    SessionChanges,
    hash_session_id,
)
from micropie._sessions.session import Session
from micropie.app import App
from micropie.types import Headers

if TYPE_CHECKING:
    from micropie._http.broadcast import Broadcast, Member
    from micropie._http.channel import ConnectionClosed
    from micropie._http.route_info import ParameterInfo, RouteInfo
    from micropie._http.websocket import InvalidMessage, WebSocket
    from micropie._serving.protection import CrossOriginProtection, SecurityHeaders

__version__ = "1.0.0"

__all__ = [
    "ASGIResponse",
    "App",
    "Broadcast",
    "ClientDisconnected",
    "ConnectionClosed",
    "CrossOriginProtection",
    "EventStream",
    "HTTPError",
    "Headers",
    "HookAnswer",
    "HttpMiddleware",
    "InMemorySessionBackend",
    "InvalidMessage",
    "LoadedSession",
    "Member",
    "ParameterInfo",
    "Request",
    "Result",
    "RouteInfo",
    "SecurityHeaders",
    "Session",
    "SessionBackend",
    "SessionChanges",
    "UploadFile",
    "WebSocket",
    "WebSocketMiddleware",
    "WebSocketRefusal",
    "WebSocketRequest",
    "allow",
    "hash_session_id",
    "limit",
    "route",
]

# Names that not every app needs, by the modules that are imported when one is asked for.
_LATER = {
    "_http.broadcast": ("Broadcast", "Member"),
    "_http.channel": ("ConnectionClosed",),
    "_http.route_info": ("ParameterInfo", "RouteInfo"),
    "_http.websocket": ("InvalidMessage", "WebSocket"),
    "_serving.protection": ("CrossOriginProtection", "SecurityHeaders"),
}

# Where users find them, so that documentation, tracebacks and pickles say `micropie.App`.
for _public in {*__all__} & globals().keys():
    if _public not in ("Headers", "Result"):  # which are built-in types under names of their own
        globals()[_public].__module__ = __name__
del _public

if not TYPE_CHECKING:  # to a type checker, it would give the module every name

    def __getattr__(name: str) -> Any:
        """Import a public name (PEP 562)."""
        from importlib import import_module

        for module, names in _LATER.items():
            if name in names:
                globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> set[str]:
        return {*globals(), *__all__}
