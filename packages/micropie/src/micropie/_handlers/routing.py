"""Which handler serves a path: the methods of an App's classes, and those assigned to it."""

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from micropie._handlers.annotations import signature
from micropie._handlers.binding import check_annotations
from micropie._handlers.patterns import Tree, add, find, route, routes_of
from micropie._handlers.route import Route, is_handler
from micropie._http.urls import path_segments, quoted_path
from micropie._percent import quoted, unquoted
from micropie.types import Handler, Scope

if TYPE_CHECKING:
    from micropie._http.routes import RouteInfo


class RouteTable:
    """The routes of one App: its classes' functions, and those assigned to the instance.

    Explicit routes are in a tree; those that a name leads to, in a dict.

    Args:
        owner: the App.
        base: the class whose own attributes, and whose bases', are never routes.
        is_websocket: the handlers' names begin with "ws_", and they take the WebSocket before all
            that is bound.

    Attributes:
        by_path: the routes of names by their paths without arguments ("/greet"), so that such a
            path is found by one look-up. Explicit routes are not in it, and no path that one of
            their patterns matches.
        plain: the handlers of `by_path` whose route `is_plain`, by the same paths.
    """

    def __init__(self, owner: object, base: type, *, is_websocket: bool = False) -> None:
        self._base = base
        self._owner = owner
        self._is_websocket = is_websocket
        self.plain: dict[str, Handler] = {}
        # Bounded: a middleware may create its functions for every request.
        self._plan_once = functools.lru_cache(maxsize=256)(_unrouted)
        methods = [each for each in declared(type(owner), base) if is_method(each[1])]
        self._lay_out(
            {name: self._planned(name, getattr(owner, name), value) for name, value in methods}
        )

    def assign(self, name: str, value: object) -> None:
        """Record that *value* was assigned to the owner's attribute *name*.

        Raises:
            TypeError: *value* is a handler and *name* one of the base class's own, or a request
                can't give what it takes, or another one has its route. An earlier handler then
                stays.
        """
        routes = []
        if is_handler(value):
            check_name(name, self._base)
            routes = self._planned(name, value, value)
        self._replace(name, routes)

    def restore(self, name: str) -> None:
        """Record that the owner's attribute *name* was deleted: the class's is visible again."""
        routes = []
        attribute = dict(declared(type(self._owner), self._base)).get(name)
        if is_method(attribute):
            routes = self._planned(name, getattr(self._owner, name), attribute)
        self._replace(name, routes)

    def _planned(self, name: str, handler: Handler, declared_as: object) -> list[Route]:
        """Return the routes of a handler; [] if it is of the other kind, or private."""
        if name.startswith("ws_") != self._is_websocket:
            return []
        plan = functools.partial(Route, name, handler, declared_as, is_websocket=self._is_websocket)
        explicit = routes_of(declared_as)
        if explicit:
            return [plan(explicit=each) for each in explicit]
        paths = paths_of(name)
        return [plan(path=paths[-1])] if paths else []

    def _replace(self, name: str, routes: list[Route]) -> None:
        """Put *routes* in the place of those that the handler *name* had."""
        if routes or name in self._routes:  # else it is an attribute like any other
            self._lay_out({**self._routes, name: routes})

    def _lay_out(self, routes: dict[str, list[Route]]) -> None:
        """Serve these routes, given by the names of their handlers.

        Raises:
            TypeError: two have the same path and method; then nothing has changed.
        """
        tree: Tree = {}
        by_name: dict[str, Route] = {}
        for each in chain.from_iterable(routes.values()):
            if each.explicit is None:
                by_name.update(dict.fromkeys(paths_of(each.name), each))
            else:
                each.siblings = add(tree, each.explicit, each, each.name)
        self._routes = {name: found for name, found in routes.items() if found}
        self._tree = tree
        self._by_name = self.by_path = by_name
        if tree:
            self.by_path = {
                path: each
                for path, each in by_name.items()
                if find(tree, [path[1:]] if path != "/" else [])[0] is None
            }
        self.plain.clear()  # in place, because App holds on to it
        self.plain.update((p, each.handler) for p, each in self.by_path.items() if each.is_plain)

    def find(self, scope: Scope) -> tuple[Route | None, list[str]]:
        """Return the route for the request of *scope* and what its path has for its arguments.

        Of a path that explicit routes serve, but not with this method, the first of them. None
        stands for 404; the segments are then the whole path.
        """
        if not scope.get("root_path"):
            route = self.by_path.get(scope["path"])
            if route is not None:
                return route, []
        segments = path_segments(scope)
        if segments is None:
            return None, []
        if self._tree:
            found, values = find(self._tree, segments)
            if found is not None:
                method = scope.get("method", "GET")
                if method not in found:
                    method = "GET" if method == "HEAD" and "GET" in found else next(iter(found))
                return found[method], values
        if not segments:
            return self._by_name.get("/"), []
        route = self._by_name.get("/" + segments[0])
        if route is not None:
            return route, segments[1:]
        index = self._by_name.get("/")
        if index is not None and index.takes_path:
            return index, segments
        return None, segments

    def resolve(self, handler: str | Handler, method: str) -> Route | None:
        """Return the route that a middleware chose by name or by the callable itself.

        A name may also be that of a _private function of the user's classes: it was chosen by
        code, not by a URL. None if no handler is called that. Of several explicit routes that one
        which answers *method* counts.
        """
        name = handler if isinstance(handler, str) else getattr(handler, "__name__", "")
        routes = self._routes.get(name, [])
        if isinstance(handler, str):
            if not routes and handler.startswith("_"):
                own = {**dict(declared(type(self._owner), self._base)), **vars(self._owner)}
                if is_method(own.get(handler)):
                    return self._plan(getattr(self._owner, handler))
        elif not routes or routes[0].handler != handler:
            return self._plan(handler)
        fitting = [each for each in routes if each.allowed is None or method in each.allowed]
        return next(iter(fitting or routes), None)

    def _plan(self, handler: Handler) -> Route:
        return (self._plan_once if _outlives_requests(handler, self._owner) else _unrouted)(handler)

    def url_path(
        self,
        name: str,
        segments: tuple[object, ...],
        values: dict[str, Any],
        find_mount: Callable[[Scope], object],
    ) -> str:
        """Return the shortest path that leads to the handler *name*, encoded.

        Args:
            name: as in the class.
            segments: what follows the handler's own path, or fills the parameters of its pattern.
            values: by name; those of the pattern's parameters are taken out.
            find_mount: returns the mount that would serve a path instead, or None.

        Raises:
            LookupError: there is no such handler.
            TypeError: no pattern of the handler has just these parameters.
            ValueError: a value can't be in a path.
        """
        routes = self._routes.get(name)
        if routes is None:
            raise LookupError(f"{type(self._owner).__name__} has no handler {name!r}")
        patterns = [each.explicit.pattern for each in routes if each.explicit is not None]
        # Of several the one that uses the most of the values.
        for pattern in sorted(patterns, key=lambda pattern: -len(pattern.names)):
            path = pattern.filled(segments, values)
            if path is not None:
                for used in pattern.names:
                    values.pop(used, None)
                return path
        if patterns:
            paths = " or ".join(pattern.path for pattern in patterns)
            raise TypeError(f"the URL of {name!r} takes the parameters of {paths}, and no other")
        path, rest = paths_of(name)[-1], quoted_path(segments)
        if path != "/":
            return quoted(path) + rest
        # Without its name, unless another handler, a pattern or a mount serves that path.
        shortest = rest or "/"
        scope = {"path": unquoted(shortest).decode(), "raw_path": shortest.encode()}
        reached = self.find(scope) == (routes[0], [str(segment) for segment in segments])
        return shortest if reached and find_mount(scope) is None else "/index" + rest

    def described(self) -> "list[RouteInfo]":
        """Return what users may know of the routes, in the order of their definition."""
        return [each.info for routes in self._routes.values() for each in routes]


def paths_of(name: str) -> list[str]:
    """Return the paths that lead to a handler by its name: none unless it is public."""
    public = name.removeprefix("ws_")
    if not public or public.startswith("_") or "/" in public:
        return []
    return ["/index", "/"] if public == "index" else ["/" + public]


def declared(owner: type, base: type) -> Iterator[tuple[str, object]]:
    """Yield (name, attribute) of what *owner*'s classes define beyond *base*; the nearest wins."""
    found: dict[str, object] = {}
    for cls in reversed(owner.__mro__):
        if cls not in base.__mro__:
            found.update(vars(cls))
    return ((name, value) for name, value in found.items() if not name.startswith("__"))


def is_method(attribute: object) -> bool:
    """Tell whether an attribute of a class is a handler once it is bound.

    Beyond what `is_handler` takes: an object that a decorator has made of a function.
    """
    return is_handler(attribute) or (_is_decorated(attribute) and hasattr(attribute, "__get__"))


def _is_decorated(attribute: object) -> bool:
    """Tell whether *attribute* is a callable that says which function it wraps."""
    if not callable(attribute) or not hasattr(attribute, "__wrapped__"):
        return False
    try:
        return is_handler(inspect.unwrap(attribute))
    except ValueError:
        return False  # an object that has every attribute, and so wraps itself


def check_handlers(owner: type, base: type) -> None:
    """Check what can be known of a class's handlers when it is defined.

    Raises:
        TypeError: one hides a name of *base*, lacks `self` or a parameter of its pattern, was made
            something else by a decorator, or has the path and method of another.
    """
    trees: tuple[Tree, Tree] = {}, {}
    for name, attribute in declared(owner, base):
        check_name(name, base)
        routes = routes_of(attribute)
        if not (routes or paths_of(name)):
            continue
        if is_method(attribute):
            _check_parameters(name, attribute, routes)
            check_annotations(name, attribute)
            for each in routes:
                add(trees[name.startswith("ws_")], each, name, name)
        elif _is_decorated(attribute) or routes:
            raise TypeError(
                f"'{name}' can't be a route: its decorator made it a {type(attribute).__name__}, "
                "which is not bound to the App; return a function, made with functools.wraps"
            )


def _check_parameters(name: str, attribute: Any, routes: Iterable[route]) -> None:
    if isinstance(attribute, functools.partialmethod):
        attribute = attribute.func
    takes_self = not isinstance(attribute, _BOUND)
    try:
        parameters = signature(getattr(attribute, "__func__", attribute)).parameters.values()
    except ValueError:
        return  # a builtin that does not say what it takes
    first = next(iter(parameters), None)
    if takes_self and not (first is not None and _is_self(first)):
        raise TypeError(f"handler '{name}' must take self as its first parameter")
    names = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    for each in routes:
        for missing in sorted({*each.pattern.names} - names):
            path = each.pattern.path
            raise TypeError(f"handler '{name}' has no parameter for {{{missing}}} in {path!r}")
        if name.startswith("ws_") and each.methods != {"GET"}:
            raise TypeError(f"handler '{name}' serves a WebSocket, which begins with a GET only")


# Attributes of a class that are called without the object: their first parameter is their own.
_BOUND = (staticmethod, classmethod, functools.partial, types.MethodType)


def _is_self(parameter: inspect.Parameter) -> bool:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return True
    is_named = parameter.name == "self" or parameter.name.startswith("_")
    return is_named and parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)


def check_name(name: str, base: type) -> None:
    """Reject an attribute that would hide one of *base*'s own names.

    Raises:
        TypeError: it would.
    """
    if not name.startswith("_") and any(name in vars(cls) for cls in base.__mro__):
        raise TypeError(
            f"'{name}' would hide {base.__name__}.{name}, which the framework needs: "
            f"rename it ('{name}_page', say)"
        )


def _unrouted(handler: Handler) -> Route:
    """Plan a callable that middleware chose and that no URL reaches."""
    return Route(getattr(handler, "__qualname__", repr(handler)), handler)


def _outlives_requests(handler: Handler, owner: object) -> bool:
    """Tell whether *handler* may be kept: a closure made for a request would keep that alive."""
    if isinstance(handler, types.MethodType):
        return handler.__self__ is owner
    return isinstance(handler, types.FunctionType) and not (
        handler.__closure__ or handler.__defaults__ or handler.__kwdefaults__
    )
