"""MicroPie: subclass App, write methods, and they are your routes."""

from micropie.app import App
from micropie.errors import HTTPError
from micropie.middleware import HttpMiddleware
from micropie.request import Request
from micropie.routing import allow

__all__ = ["App", "HTTPError", "HttpMiddleware", "Request", "allow"]
