"""Decorators of handlers: `route`, `allow` and `limit`, and what they note on a function."""

import functools
from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any, Self, TypeVar

from micropie._handlers.patterns import Pattern
from micropie.parameters import check_number
from micropie.types import Handler

H = TypeVar("H", bound=Handler)

# IANA's Hypertext Transfer Protocol (HTTP) Method Registry, without its two reserved names; and
# QUERY, which is about to be added to it.
_REGISTRY = """ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK
LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST
PROPFIND PROPPATCH PUT QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE
UPDATEREDIRECTREF VERSION-CONTROL"""
_METHODS = frozenset(_REGISTRY.split())

# Attributes of a handler, which functools.wraps copies: what `allow` and `route` note on it.
ALLOWED = "__allowed_methods__"
ROUTES = "__routes__"
# Where a handler keeps its limits: those of BodyLimits that it sets, by name.
LIMITS = "__body_limits__"


def allow(*methods: str) -> Callable[[H], H]:
    """Restrict a handler to HTTP *methods*: `@allow("GET", "POST")`.

    Other methods get 405 with an `Allow` header (RFC 9110, 15.5.6). HEAD goes with GET; OPTIONS
    is answered with 204 and `Allow`, unless it is named and so goes to the handler.

    Raises:
        TypeError: no method is named, one is not a method of HTTP, or the handler has `@route`.
    """
    if not methods or not all(isinstance(method, str) for method in methods):
        raise TypeError('allow() takes the names of methods, as in @allow("GET", "POST")')
    allowed = with_head(checked_methods(methods))

    def mark(handler: H) -> H:
        note(handler, ALLOWED, allowed)
        return handler

    return mark


def limit(
    *, body: int | EllipsisType | None = ..., json: int | EllipsisType | None = ...
) -> Callable[[H], H]:
    """Set limits of a handler's own: `@limit(body=100 * 1024**2)`.

    What is left out stays as the App has it.

    Args:
        body: bytes of a body, instead of `max_body_size`; None for no limit.
        json: bytes of a JSON body, instead of `max_json_size`, and so how many values may be in
            it; None for no limit. It is held to the limit of a body as well.

    Raises:
        TypeError: no limit is given, or one is not an integer.
        ValueError: a limit is below 0.
    """
    given = {"max_size": body, "max_json_size": json}
    limits = {name: value for name, value in given.items() if value is not ...}
    if not limits:
        raise TypeError("limit() takes body, json or both, as in @limit(json=5 * 1024**2)")
    for name, value in (("body", body), ("json", json)):
        if value is not ...:
            check_number(f"limit({name}=...)", value, int, least=0, optional=True)

    def mark(handler: H) -> H:
        setattr(handler, LIMITS, limits)
        return handler

    return mark


class route:  # noqa: N801 - used as a decorator
    """Serve the paths of a pattern from a handler: `@route("/users/{user_id}/posts/{post_id}")`.

    `{name}` stands for one segment of the path, `{name:path}` at the end for all that are left.
    They bind to the handler's parameters of these names, and convert by their annotations. The
    handler is not reached by its own name any more. It may have several patterns.

    Args:
        path: the pattern; a slash at its end means nothing.
        methods: those that it answers, in any case. HEAD goes with GET; OPTIONS is answered unless
            it is named; any other that no handler of the path takes is a 405.

    Raises:
        TypeError: HTTP has no such method.
        ValueError: the pattern is malformed.
    """

    def __init__(self, path: str, *, methods: Iterable[str] = ("GET",)) -> None:
        if not isinstance(path, str):
            raise TypeError('route() takes a path, as in @route("/users/{user_id}")')
        if isinstance(methods, str) or not (methods := [*methods]):
            raise TypeError('route() takes a list of methods, as in methods=["GET", "POST"]')
        self.pattern = Pattern(path)
        self.methods = checked_methods(methods)

    def __call__(self, handler: H) -> H:
        """Return *handler*, with this route noted on it.

        Raises:
            TypeError: it has `@allow`, or takes no attributes.
        """
        note(handler, ROUTES, (self, *routes_of(handler)))
        return handler

    @classmethod
    def get(cls, path: str) -> Self:
        """Answer GET and HEAD: `@route.get(path)`."""
        return cls(path)

    @classmethod
    def post(cls, path: str) -> Self:
        """Answer POST: `@route.post(path)`."""
        return cls(path, methods=["POST"])

    @classmethod
    def put(cls, path: str) -> Self:
        """Answer PUT: `@route.put(path)`."""
        return cls(path, methods=["PUT"])

    @classmethod
    def patch(cls, path: str) -> Self:
        """Answer PATCH: `@route.patch(path)`."""
        return cls(path, methods=["PATCH"])

    @classmethod
    def delete(cls, path: str) -> Self:
        """Answer DELETE: `@route.delete(path)`."""
        return cls(path, methods=["DELETE"])


def routes_of(handler: object) -> tuple[route, ...]:
    """Return the explicit routes of a handler, as they stand above it.

    A partial has none, though its function may: it may have filled the parameters of their paths.
    """
    if isinstance(handler, staticmethod | classmethod) and ROUTES not in vars(handler):
        handler = handler.__func__
    routes = getattr(handler, ROUTES, ())
    return routes if type(routes) is tuple else ()  # some objects have every attribute


def note(handler: object, attribute: str, value: object) -> None:
    """Note *value* on a handler.

    Raises:
        TypeError: the handler has `allow` and `route` now, which both say its methods; or it is an
            object that takes no attributes.
    """
    other = ALLOWED if attribute == ROUTES else ROUTES
    if noted(handler, other) is not None:
        raise TypeError("a handler has either @allow or @route, which takes methods as well")
    try:
        setattr(handler, attribute, value)
    except AttributeError:
        raise TypeError(f"{handler!r} can't be decorated; a function can, and a partial") from None


def noted(handler: object, attribute: str) -> Any:
    """Return what is noted on *handler*, or on the function that it wraps; None if nothing is."""
    while True:
        value = getattr(handler, attribute, None)
        if value is not None:
            return value
        if isinstance(handler, functools.partial | functools.partialmethod):
            handler = handler.func
        elif isinstance(handler, staticmethod | classmethod):
            handler = handler.__func__
        else:
            return None


def checked_methods(methods: Iterable[object]) -> frozenset[str]:
    """Return *methods* in capitals.

    Raises:
        TypeError: HTTP has no such method.
    """
    found = {str(method).upper(): method for method in methods}
    for method in found.keys() - _METHODS:
        raise TypeError(f"HTTP has no method {found[method]!r}")
    return frozenset(found)


def with_head(methods: frozenset[str]) -> frozenset[str]:
    return methods | {"HEAD"} if "GET" in methods else methods
