"""Which method of an App serves a path, and how it is to be called."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import TypeGuard, TypeVar

from micropie._errors import HTTPError
from micropie._handlers.binding import Binder
from micropie._http.urls import path_segments
from micropie.types import Handler, Scope

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
        declared_as: what stands for it in its class, if that is not the same: a staticmethod, say.
        is_websocket: it takes a WebSocket before all that is bound.

    Attributes:
        name: the handler's name, as logs show it.
        handler: the callable itself.
        binder: finds its arguments; None when it takes none.
        is_coroutine: its result is to be awaited.
        blocks: it is an ordinary function, to be called in a worker thread.
        allowed: the methods it answers; None for all.
        is_plain: `await handler()` is all that is to be done, whatever the request.
        takes_path: path segments can become arguments.
    """

    __slots__ = (
        "allowed",
        "binder",
        "blocks",
        "handler",
        "is_coroutine",
        "is_plain",
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
        # Calling a generator function runs none of its body, so that needs no thread.
        self.blocks = not (
            self.is_coroutine
            or inspect.isasyncgenfunction(handler)
            or inspect.isgeneratorfunction(handler)
        )
        self.allowed = _allowed_methods(declared_as or handler)
        self.is_plain = self.is_coroutine and self.binder is None and self.allowed is None

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
    """Tell whether *handler* can be called with one positional argument, whatever else it takes."""
    first = next(iter(inspect.signature(handler).parameters.values()), None)
    return first is not None and first.kind not in (first.KEYWORD_ONLY, first.VAR_KEYWORD)


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
        # Bounded, because a middleware may make its functions anew for every request.
        self._plan_once = functools.lru_cache(maxsize=256)(_plan)
        for name, attribute in declared(type(owner), base):
            if is_handler(attribute):
                self._add(name, getattr(owner, name), attribute)

    def assign(self, name: str, value: object) -> None:
        """Take note that *value* was assigned to the owner's attribute *name*.

        Raises:
            TypeError: *value* is a handler and *name* one of the base class's own, or a request
                can't give what it takes. An earlier handler then stays.
        """
        if is_handler(value):
            check_name(name, self._base)
            self._add(name, value, value)
        else:
            self._drop(name)

    def restore(self, name: str) -> None:
        """Take note that the owner's attribute *name* was deleted: the class's shows again."""
        self._drop(name)
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
            self._drop(name)
            self.by_path.update(dict.fromkeys(paths, route))
            if route.is_plain:
                self.plain.update(dict.fromkeys(paths, handler))

    def _drop(self, name: str) -> None:
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
        code, not by a URL. None if there is no such handler.
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


def is_handler(value: object) -> TypeGuard[Handler]:
    """Tell whether *value* is a function, method or partial; other callables are never routes."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    return isinstance(
        value,
        types.FunctionType | types.MethodType | functools.partial | functools.partialmethod,
    )


def check_name(name: str, base: type) -> None:
    """Refuse an attribute that would hide one of *base*'s own names.

    Raises:
        TypeError: it would.
    """
    if name in reserved_names(base):
        raise TypeError(
            f"'{name}' would hide {base.__name__}.{name}, which the framework needs: "
            f"rename it ('{name}_page', say)"
        )


@functools.cache
def reserved_names(base: type) -> frozenset[str]:
    """Return the names that a subclass may not use: the public ones of *base*."""
    return frozenset(name for name in dir(base) if not name.startswith("_"))


def _plan(handler: Handler) -> Route:
    """Plan a callable that middleware chose and that no URL reaches."""
    return Route(getattr(handler, "__qualname__", repr(handler)), handler)


def _outlives_requests(handler: Handler, owner: object) -> bool:
    """Tell whether *handler* may be kept: one made for a request may hold that, body and all."""
    if isinstance(handler, types.MethodType):
        return handler.__self__ is owner
    return isinstance(handler, types.FunctionType) and not (
        handler.__closure__ or handler.__defaults__ or handler.__kwdefaults__
    )
