"""MicroPie: subclass App, write methods, and they are your routes."""

from micropie.app import App
from micropie.errors import ClientDisconnected, HTTPError
from micropie.memory_sessions import InMemorySessionBackend
from micropie.middleware import HttpMiddleware, WebSocketMiddleware
from micropie.request import Request, WebSocketRequest
from micropie.response import ASGIResponse
from micropie.routing import allow
from micropie.session import Session
from micropie.session_backend import (
    LoadedSession,
    SessionBackend,
    SessionChanges,
    hash_session_id,
)
from micropie.uploads import UploadFile
from micropie.websocket import ConnectionClosed, InvalidMessage, WebSocket

__version__ = "1.0.0"

__all__ = [
    "ASGIResponse",
    "App",
    "ClientDisconnected",
    "ConnectionClosed",
    "HTTPError",
    "HttpMiddleware",
    "InMemorySessionBackend",
    "InvalidMessage",
    "LoadedSession",
    "Request",
    "Session",
    "SessionBackend",
    "SessionChanges",
    "UploadFile",
    "WebSocket",
    "WebSocketMiddleware",
    "WebSocketRequest",
    "allow",
    "hash_session_id",
]
