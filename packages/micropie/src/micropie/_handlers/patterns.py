"""Patterns of explicit routes, and the tree that finds the one for a path."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from micropie._http.urls import quoted_path

T = TypeVar("T")

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
    if re.search("[{}<>]", segment):  # "<int:name>" is a parameter in Flask
        raise ValueError(f"route {path!r}: {segment!r} must be {{name}}, {{name:path}} or fixed")
    if re.search("[?#]|%[0-9A-Fa-f]{2}", segment):
        raise ValueError(f"route {path!r}: {segment!r} must be decoded, and have no query")


# A node of the tree: for each step (a fixed segment or a kind of parameter) the node below it; for
# END the handlers of the path that ends here, by method.
Tree = dict[str | int, Any]


def add(
    tree: Tree, pattern: Pattern, methods: Iterable[str], handler: T, name: str
) -> dict[str, T]:
    """Add the *handler* of a route; return all of its path, of which later ones will be part.

    Args:
        tree: where to add it.
        pattern: of the route.
        methods: of the route.
        handler: what `find` returns.
        name: of the handler, for the error.

    Raises:
        TypeError: another one serves the same path and method.
    """
    for step in pattern.steps:
        tree = tree.setdefault(step, {})
    handlers: dict[str, T] = tree.setdefault(END, {})
    for method in sorted(methods):
        if method in handlers:
            other = getattr(handlers[method], "name", handlers[method])
            raise TypeError(f"handlers '{other}' and '{name}' both serve {method} {pattern.path}")
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
