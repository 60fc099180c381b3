"""A handler, and all that can be known of it before a request comes."""

import functools
import inspect
import types
from collections.abc import Callable
from typing import TypeGuard, TypeVar

from micropie._errors import HTTPError
from micropie._handlers.binding import Binder
from micropie._handlers.limits import limits_of
from micropie._handlers.models import signature
from micropie.types import Handler

H = TypeVar("H", bound=Handler)


def allow(*methods: str) -> Callable[[H], H]:
    """Restrict a handler to HTTP *methods*: `@allow("GET", "POST")`.

    Other methods get 405 with an `Allow` header (RFC 9110, 15.5.6). HEAD goes with GET; OPTIONS
    is answered with 204 and `Allow`, unless it is named and so goes to the handler.

    Raises:
        TypeError: no method is named, or one is not a string.
    """
    if not methods or not all(isinstance(method, str) for method in methods):
        raise TypeError('allow() takes the names of methods, as in @allow("GET", "POST")')
    allowed = {method.upper() for method in methods}
    if "GET" in allowed:
        allowed.add("HEAD")

    def mark(handler: H) -> H:
        handler.__allowed_methods__ = frozenset(allowed)  # type: ignore[attr-defined] # ours
        return handler

    return mark


def _allowed_methods(handler: object) -> frozenset[str] | None:
    """Return what `allow` noted on *handler*, or on the function that it wraps."""
    while True:
        methods: frozenset[str] | None = getattr(handler, "__allowed_methods__", None)
        if methods is not None:
            return methods
        if isinstance(handler, functools.partial | functools.partialmethod):
            handler = handler.func
        elif isinstance(handler, staticmethod | classmethod):
            handler = handler.__func__
        else:
            return None


class Route:
    """A handler and everything about it that can be known before a request comes.

    Args:
        name: the handler's name, as logs show it.
        handler: the callable itself.
        declared_as: its attribute in the class, if that is another object: a staticmethod, say.
        is_websocket: its first argument is a WebSocket.

    Attributes:
        name: the handler's name, as logs show it.
        handler: the callable itself.
        binder: finds its arguments; None when it takes none.
        is_coroutine: its result is to be awaited.
        blocks: it is an ordinary function, to be called in a worker thread.
        allowed: the methods it answers; None for all.
        limits: those of a body that `limit` set, by their names in BodyLimits; None if it did not.
        is_plain: `await handler()` serves any request.
        takes_path: path segments can become arguments.
    """

    __slots__ = (
        "allowed",
        "binder",
        "blocks",
        "handler",
        "is_coroutine",
        "is_plain",
        "limits",
        "name",
        "takes_path",
    )

    def __init__(
        self,
        name: str,
        handler: Handler,
        declared_as: object = None,
        *,
        is_websocket: bool = False,
    ) -> None:
        try:
            binder = Binder(handler, given=1 if is_websocket else 0)
        except TypeError as error:
            raise TypeError(f"handler '{name}', {error}") from None
        except ValueError:  # inspect's, for a method that can't take its object
            raise TypeError(f"handler '{name}' must take self as its first parameter") from None
        if is_websocket and not inspect.iscoroutinefunction(handler):
            raise TypeError(f"handler '{name}' serves a WebSocket, so it must be an async function")
        if is_websocket and not _takes_one(handler):
            raise TypeError(f"handler '{name}' must take the WebSocket as its first parameter")
        self.name = name
        self.handler = handler
        self.binder = None if binder.takes_nothing else binder
        self.takes_path = binder.takes_path
        self.is_coroutine = inspect.iscoroutinefunction(handler)
        # Calling a generator function runs nothing of its body, so it does not block.
        self.blocks = not (
            self.is_coroutine
            or inspect.isasyncgenfunction(handler)
            or inspect.isgeneratorfunction(handler)
        )
        self.allowed = _allowed_methods(declared_as or handler)
        self.limits = limits_of(declared_as or handler)
        if is_websocket and self.limits is not None:
            raise TypeError(f"handler '{name}' serves a WebSocket, which has no body to limit()")
        # A client may send a body without a word in the head: then the limits count.
        has_rules = self.allowed is not None or self.limits is not None
        self.is_plain = self.is_coroutine and self.binder is None and not has_rules

    def answer_unnamed(self, method: str) -> tuple[int, None, dict[str, str]]:
        """Return the answer to a method that `allow` does not name: OPTIONS.

        Raises:
            HTTPError: 405, for every other method.
        """
        allow = {"Allow": ", ".join(sorted({*(self.allowed or ()), "OPTIONS"}))}
        if method == "OPTIONS":
            return 204, None, allow
        raise HTTPError(405, headers=allow)


def _takes_one(handler: Handler) -> bool:
    """Tell whether *handler* takes a positional argument."""
    first = next(iter(signature(handler).parameters.values()), None)
    return first is not None and first.kind not in (first.KEYWORD_ONLY, first.VAR_KEYWORD)


def is_handler(value: object) -> TypeGuard[Handler]:
    """Tell whether *value* is a function, method or partial; other callables are never routes."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    return isinstance(
        value,
        types.FunctionType | types.MethodType | functools.partial | functools.partialmethod,
    )
