"""Which handler serves a path: the methods of an App's classes, and those assigned to it."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from micropie._handlers.decorators import routes_of
from micropie._handlers.endpoint import Endpoint, is_handler
from micropie._handlers.patterns import Tree, add, find
from micropie._http.urls import path_segments, quoted_path
from micropie._percent import quoted, unquoted
from micropie.types import Handler, Scope

if TYPE_CHECKING:
    from micropie._http.route_info import RouteInfo


class RouteTable:
    """The routes of one App: its classes' functions, and those assigned to the instance.

    Theory of operation. `_endpoints` has what is served, by the names of the handlers, in the order
    of their definition; only `_lay_out` sets it. All else is derived there: the tree of the
    patterns, the dict of those that a name leads to, and of these `by_path` and `direct` for paths
    that one look-up decides. It runs when the App is made and whenever a handler is assigned or
    deleted, and does all or nothing. `find` asks in the order of precedence: patterns, then the
    name that the first segment is, then `index`.

    Args:
        owner: the App.
        base: the class whose own attributes, and whose bases', are never routes.
        is_websocket: the handlers' names begin with "ws_", and they take the WebSocket before all
            that is bound.

    Attributes:
        by_path: the endpoints of names by their paths without arguments ("/greet"), so that such a
            path is found by one look-up. Explicit routes are not in it, and no path that one of
            their patterns matches.
        direct: the handlers of `by_path` whose endpoint `is_direct`, by the same paths.
    """

    def __init__(self, owner: object, base: type, *, is_websocket: bool = False) -> None:
        self._base = base
        self._owner = owner
        self._is_websocket = is_websocket
        self.direct: dict[str, Handler] = {}
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
        endpoints = []
        if is_handler(value):
            check_name(name, self._base)
            endpoints = self._planned(name, value, value)
        self._replace(name, endpoints)

    def restore(self, name: str) -> None:
        """Record that the owner's attribute *name* was deleted: the class's is visible again."""
        endpoints = []
        attribute = dict(declared(type(self._owner), self._base)).get(name)
        if is_method(attribute):
            endpoints = self._planned(name, getattr(self._owner, name), attribute)
        self._replace(name, endpoints)

    def _planned(self, name: str, handler: Handler, declared_as: object) -> list[Endpoint]:
        """Return the endpoints of a handler; [] if it is of the other kind, or private."""
        if name.startswith("ws_") != self._is_websocket:
            return []
        plan = functools.partial(
            Endpoint, name, handler, declared_as, is_websocket=self._is_websocket
        )
        explicit = routes_of(declared_as)
        if explicit:
            return [plan(explicit=each) for each in explicit]
        paths = paths_of(name)
        return [plan(path=paths[-1])] if paths else []

    def _replace(self, name: str, endpoints: list[Endpoint]) -> None:
        """Put *endpoints* in the place of those that the handler *name* had."""
        if endpoints or name in self._endpoints:  # else it is an attribute like any other
            self._lay_out({**self._endpoints, name: endpoints})

    def _lay_out(self, endpoints: dict[str, list[Endpoint]]) -> None:
        """Serve these endpoints, given by the names of their handlers.

        Raises:
            TypeError: two have the same path and method; then nothing has changed.
        """
        tree: Tree = {}
        by_name: dict[str, Endpoint] = {}
        for each in chain.from_iterable(endpoints.values()):
            if each.explicit is None:
                by_name.update(dict.fromkeys(paths_of(each.name), each))
            else:
                each.siblings = add(
                    tree, each.explicit.pattern, each.explicit.methods, each, each.name
                )
        self._endpoints = {name: found for name, found in endpoints.items() if found}
        self._tree = tree
        self._by_name = self.by_path = by_name
        if tree:
            self.by_path = {
                path: each
                for path, each in by_name.items()
                if find(tree, [path[1:]] if path != "/" else [])[0] is None
            }
        self.direct.clear()  # in place, because App holds on to it
        self.direct.update((p, each.handler) for p, each in self.by_path.items() if each.is_direct)

    def find(self, scope: Scope) -> tuple[Endpoint | None, list[str]]:
        """Return the endpoint for the request of *scope* and what its path has for its arguments.

        Of a path that explicit routes serve, but not with this method, the first of them. None
        stands for 404; the segments are then the whole path.
        """
        if not scope.get("root_path"):
            endpoint = self.by_path.get(scope["path"])
            if endpoint is not None:
                return endpoint, []
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
        endpoint = self._by_name.get("/" + segments[0])
        if endpoint is not None:
            return endpoint, segments[1:]
        index = self._by_name.get("/")
        if index is not None and index.takes_path:
            return index, segments
        return None, segments

    def resolve(self, handler: str | Handler, method: str) -> Endpoint | None:
        """Return the endpoint that a middleware chose by name or by the callable itself.

        A name may also be that of a _private function of the user's classes: it was chosen by
        code, not by a URL. None if no handler is called that. Of several explicit routes that one
        which answers *method* counts.
        """
        name = handler if isinstance(handler, str) else getattr(handler, "__name__", "")
        endpoints = self._endpoints.get(name, [])
        if isinstance(handler, str):
            if not endpoints and handler.startswith("_"):
                own = {**dict(declared(type(self._owner), self._base)), **vars(self._owner)}
                if is_method(own.get(handler)):
                    return self._plan(getattr(self._owner, handler))
        elif not endpoints or endpoints[0].handler != handler:
            return self._plan(handler)
        fitting = [each for each in endpoints if each.allowed is None or method in each.allowed]
        return next(iter(fitting or endpoints), None)

    def _plan(self, handler: Handler) -> Endpoint:
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
        endpoints = self._endpoints.get(name)
        if endpoints is None:
            raise LookupError(f"{type(self._owner).__name__} has no handler {name!r}")
        patterns = [each.explicit.pattern for each in endpoints if each.explicit is not None]
        # Of several the one that uses the most of the values.
        for pattern in sorted(patterns, key=lambda pattern: -len(pattern.parameters)):
            path = pattern.filled(segments, values)
            if path is not None:
                for used in pattern.parameters:
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
        reached = self.find(scope) == (endpoints[0], [str(segment) for segment in segments])
        return shortest if reached and find_mount(scope) is None else "/index" + rest

    def described(self) -> "list[RouteInfo]":
        """Return what users may know of the routes, in the order of their definition."""
        return [each.info for endpoints in self._endpoints.values() for each in endpoints]


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
    return is_handler(attribute) or (is_decorated(attribute) and hasattr(attribute, "__get__"))


def is_decorated(attribute: object) -> bool:
    """Tell whether *attribute* is a callable that says which function it wraps."""
    if not callable(attribute) or not hasattr(attribute, "__wrapped__"):
        return False
    try:
        return is_handler(inspect.unwrap(attribute))
    except ValueError:
        return False  # an object that has every attribute, and so wraps itself


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


def _unrouted(handler: Handler) -> Endpoint:
    """Plan a callable that middleware chose and that no URL reaches."""
    return Endpoint(getattr(handler, "__qualname__", repr(handler)), handler)


def _outlives_requests(handler: Handler, owner: object) -> bool:
    """Tell whether *handler* may be kept: a closure made for a request would keep that alive."""
    if isinstance(handler, types.MethodType):
        return handler.__self__ is owner
    return isinstance(handler, types.FunctionType) and not (
        handler.__closure__ or handler.__defaults__ or handler.__kwdefaults__
    )
