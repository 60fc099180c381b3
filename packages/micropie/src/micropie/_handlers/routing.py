"""Which handler serves a path: the methods of an App's classes, and those assigned to it."""

import functools
import types
from collections.abc import Iterator

from micropie._handlers.route import Route, is_handler
from micropie._http.urls import path_segments
from micropie.types import Handler, Scope


class RouteTable:
    """The routes of one App: its classes' functions, and those assigned to the instance.

    Args:
        owner: the App.
        base: the class whose own attributes, and whose bases', are never routes.
        is_websocket: the handlers' names begin with "ws_", and they take the WebSocket before all
            that is bound.

    Attributes:
        by_path: the routes by the paths that leave nothing for their arguments, so that such a
            path is served by one look-up, without taking it apart.
        plain: the handlers of those whose `is_plain` is true, likewise.
    """

    def __init__(self, owner: object, base: type, *, is_websocket: bool = False) -> None:
        self._base = base
        self._owner = owner
        self._is_websocket = is_websocket
        self.by_path: dict[str, Route] = {}
        self.plain: dict[str, Handler] = {}
        # Bounded: a middleware may create its functions for every request.
        self._plan_once = functools.lru_cache(maxsize=256)(_plan)
        for name, attribute in declared(type(owner), base):
            if is_handler(attribute):
                self._add(name, getattr(owner, name), attribute)

    def assign(self, name: str, value: object) -> None:
        """Record that *value* was assigned to the owner's attribute *name*.

        Raises:
            TypeError: *value* is a handler and *name* one of the base class's own, or a request
                can't give what it takes. An earlier handler then stays.
        """
        if is_handler(value):
            check_name(name, self._base)
            self._add(name, value, value)
        else:
            self._remove(name)

    def restore(self, name: str) -> None:
        """Record that the owner's attribute *name* was deleted: the class's is visible again."""
        self._remove(name)
        attribute = dict(declared(type(self._owner), self._base)).get(name)
        if is_handler(attribute):
            self._add(name, getattr(self._owner, name), attribute)

    def _paths(self, name: str) -> list[str]:
        """Return the paths that reach a handler called *name*: none unless it is public."""
        public = name.removeprefix("ws_")
        is_websocket = public != name
        if is_websocket != self._is_websocket or not public or public.startswith("_"):
            return []
        return ["/index", "/"] if public == "index" else ["/" + public]

    def _add(self, name: str, handler: Handler, declared_as: object) -> None:
        paths = self._paths(name)
        if paths:
            route = Route(name, handler, declared_as, is_websocket=self._is_websocket)
            self._remove(name)
            self.by_path.update(dict.fromkeys(paths, route))
            if route.is_plain:
                self.plain.update(dict.fromkeys(paths, handler))

    def _remove(self, name: str) -> None:
        for path in self._paths(name):
            self.by_path.pop(path, None)
            self.plain.pop(path, None)

    def find(self, scope: Scope) -> tuple[Route | None, list[str]]:
        """Return the route for the request of *scope* and the path segments left for it.

        None stands for 404; the segments are then the whole path.
        """
        if not scope.get("root_path"):
            route = self.by_path.get(scope["path"])
            if route is not None:
                return route, []
        segments = path_segments(scope)
        if not segments:
            return self.by_path.get("/"), []
        name = "/" + segments[0]
        route = self.by_path.get(name) or self.by_path.get(name.replace("-", "_"))
        if route is not None:
            return route, segments[1:]
        index = self.by_path.get("/")
        if index is not None and index.takes_path:
            return index, segments
        return None, segments

    def resolve(self, handler: str | Handler) -> Route | None:
        """Return the route that a middleware chose by name or by the callable itself.

        A name may also be that of a _private function of the user's classes: it was chosen by
        code, not by a URL. None if no handler is called that.
        """
        if isinstance(handler, str):
            route = self.by_path.get("/" + handler)
            if route is not None or not handler.startswith("_"):
                return route
            own = {**dict(declared(type(self._owner), self._base)), **vars(self._owner)}
            if not is_handler(own.get(handler)):
                return None
            chosen: Handler = getattr(self._owner, handler)
        else:
            chosen = handler
        route = self.by_path.get("/" + getattr(chosen, "__name__", ""))
        if route and route.handler == chosen:
            return route
        return (self._plan_once if _outlives_requests(chosen, self._owner) else _plan)(chosen)

    def __contains__(self, name: str) -> bool:
        return name != "" and "/" + name in self.by_path


def declared(owner: type, base: type) -> Iterator[tuple[str, object]]:
    """Yield (name, attribute) of what *owner*'s classes define beyond *base*; the nearest wins."""
    found: dict[str, object] = {}
    for cls in reversed(owner.__mro__):
        if cls not in base.__mro__:
            found.update(vars(cls))
    return ((name, value) for name, value in found.items() if not name.startswith("__"))


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


def _plan(handler: Handler) -> Route:
    """Plan a callable that middleware chose and that no URL reaches."""
    return Route(getattr(handler, "__qualname__", repr(handler)), handler)


def _outlives_requests(handler: Handler, owner: object) -> bool:
    """Tell whether *handler* may be kept: a closure made for a request would keep that alive."""
    if isinstance(handler, types.MethodType):
        return handler.__self__ is owner
    return isinstance(handler, types.FunctionType) and not (
        handler.__closure__ or handler.__defaults__ or handler.__kwdefaults__
    )
