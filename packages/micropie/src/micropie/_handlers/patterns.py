"""Explicit routes: the decorator `route`, its patterns, and the tree that finds one for a path."""

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

from micropie._http.urls import quoted_path
from micropie.types import Handler

H = TypeVar("H", bound=Handler)
T = TypeVar("T")

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


def checked_methods(methods: Iterable[object]) -> frozenset[str]:
    """Return *methods* in capitals.

    Raises:
        TypeError: HTTP has no such method.
    """
    found = {str(method).upper(): method for method in methods}
    for method in found.keys() - _METHODS:
        raise TypeError(f"HTTP has no method {found[method]!r}")
    return frozenset(found)


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


# Steps of a pattern that are parameters; and, in a tree, where a pattern ends.
ONE, REST, END = 1, 2, 3


class Pattern:
    """The paths of a route.

    Attributes:
        path: as it was written, without a slash at the end.
        steps: its segments; ONE and REST in place of parameters.
        parameters: their names, in order.

    Raises:
        ValueError: *path* is malformed.
    """

    def __init__(self, path: str) -> None:
        if not path.startswith("/"):
            raise ValueError(f"route {path!r} must start with '/'")
        self.path = path.removesuffix("/") or "/"
        names: list[str] = []
        steps: list[str | int] = []
        for segment in path.removesuffix("/").split("/")[1:]:
            match = re.fullmatch(r"\{(\w+)(:path)?\}", segment)
            if REST in steps:
                raise ValueError(f"route {path!r}: nothing can follow {{{names[-1]}:path}}")
            if match is None:
                _check_fixed(path, segment)
                steps.append(segment)
                continue
            if match[1] in names:
                raise ValueError(f"route {path!r} has {{{match[1]}}} twice")
            names.append(match[1])
            steps.append(REST if match[2] else ONE)
        self.parameters, self.steps = tuple(names), tuple(steps)

    def filled(self, segments: Sequence[object], values: Mapping[str, object]) -> str | None:
        """Return the path with a value for each parameter, the first ones by position, encoded.

        None if one has no value, or two, or one of *segments* is left.

        Raises:
            ValueError: a value can't be in a path.
        """
        by_name = [name for name in self.parameters if name in values]
        if (*self.parameters[: len(segments)], *by_name) != self.parameters or len(
            self.parameters
        ) < len(segments):
            return None
        given = iter([*segments, *map(values.__getitem__, by_name)])
        path: list[object] = []
        for step in self.steps:
            value = step if isinstance(step, str) else next(given)
            path += str(value).split("/") if step is REST else [value]
        return quoted_path(path) or "/"


def _check_fixed(path: str, segment: str) -> None:
    if segment in ("", ".", ".."):
        # Clients resolve dots before they send a path, and empty segments are served by nobody.
        raise ValueError(f"route {path!r} has the segment {segment!r}, which no request has")
    if "{" in segment or "}" in segment:
        raise ValueError(f"route {path!r}: {segment!r} must be {{name}}, {{name:path}} or fixed")
    if re.search("[?#]|%[0-9A-Fa-f]{2}", segment):
        raise ValueError(f"route {path!r}: {segment!r} must be decoded, and have no query")


# A node of the tree: for each step (a fixed segment or a kind of parameter) the node below it; for
# END the handlers of the path that ends here, by method.
Tree = dict[str | int, Any]


def add(tree: Tree, explicit: route, handler: T, name: str) -> dict[str, T]:
    """Add the *handler* of a route; return all of its path, of which later ones will be part.

    Args:
        tree: where to add it.
        explicit: the route.
        handler: what `find` returns.
        name: of the handler, for the error.

    Raises:
        TypeError: another one serves the same path and method.
    """
    for step in explicit.pattern.steps:
        tree = tree.setdefault(step, {})
    handlers: dict[str, T] = tree.setdefault(END, {})
    for method in sorted(explicit.methods):
        if method in handlers:
            other = getattr(handlers[method], "name", handlers[method])
            path = explicit.pattern.path
            raise TypeError(f"handlers '{other}' and '{name}' both serve {method} {path}")
        handlers[method] = handler
    return handlers


def find(tree: Tree, segments: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the handlers of a path by method, and the values of its parameters.

    From left to right; at each segment a fixed one goes before ONE, and that before REST, so the
    most specific pattern decides. However many there are, only nodes that fit the path are visited.
    Without a pattern that matches, there are no handlers: None.
    """
    at, end = 0, len(segments)
    values: list[str] = []
    untried: list[tuple[Tree, int, list[str]]] = []
    while True:
        if at == end:
            found = tree.get(END)
            if found is not None:
                return found, values
        else:
            segment = segments[at]
            if REST in tree:
                untried.append((tree[REST], end, [*values, "/".join(segments[at:])]))
            if ONE in tree:
                untried.append((tree[ONE], at + 1, [*values, segment]))
            if segment in tree:
                tree = tree[segment]
                at += 1
                continue
        if not untried:
            return None, values
        tree, at, values = untried.pop()
