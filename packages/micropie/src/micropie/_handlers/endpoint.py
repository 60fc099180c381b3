"""A handler, and all that can be known of it before a request comes."""

import inspect
import types
from collections.abc import Iterator, Mapping
from functools import partial, partialmethod
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from micropie._errors import HTTPError
from micropie._handlers.annotations import signature
from micropie._handlers.binding import Binder
from micropie._handlers.decorators import ALLOWED, LIMITS, noted, route, with_head
from micropie.types import Handler

if TYPE_CHECKING:  # made when somebody asks, as their module is imported
    from micropie._http.route_info import ParameterInfo, RouteInfo


class Endpoint:
    """A handler and everything about it that can be known before a request comes.

    Args:
        name: the handler's name, as logs show it.
        handler: the callable itself.
        declared_as: its attribute in the class, if that is another object: a staticmethod, say.
        path: that leads to it, and leaves nothing for its arguments.
        explicit: the `@route` that leads to it instead.
        is_websocket: its first argument is a WebSocket.

    Attributes:
        name: the handler's name, as logs show it.
        handler: the callable itself.
        explicit: the `@route` that leads to it; None if its name does.
        binder: finds its arguments; None when it takes none.
        is_coroutine: its result is to be awaited.
        blocks: it is an ordinary function, to be called in a worker thread.
        allowed: the methods it answers; None for all.
        limits: those of a body that `limit` set, by their names in BodyLimits; None if it did not.
        siblings: the endpoints of its path by method, if it is an explicit one.
        is_direct: `await handler()` serves any request.
        takes_path: path segments can become arguments.
        info: what users may know of it.
    """

    def __init__(
        self,
        name: str,
        handler: Handler,
        declared_as: object = None,
        *,
        path: str = "",
        explicit: route | None = None,
        is_websocket: bool = False,
    ) -> None:
        given = 1 if is_websocket else 0
        try:
            binder = Binder(handler, given, explicit.pattern.parameters if explicit else None)
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
        self.explicit = explicit
        self.is_websocket = is_websocket
        self.siblings: Mapping[str, Endpoint] = {}
        self.binder = None if binder.takes_nothing else binder
        self.takes_path = binder.takes_path
        self.is_coroutine = inspect.iscoroutinefunction(handler)
        # Calling a generator function runs nothing of its body, so it does not block.
        self.blocks = not (
            self.is_coroutine
            or inspect.isasyncgenfunction(handler)
            or inspect.isgeneratorfunction(handler)
        )
        if explicit is None:
            self.allowed: frozenset[str] | None = noted(declared_as or handler, ALLOWED)
        else:
            self.allowed = None if is_websocket else with_head(explicit.methods)
        self.limits: dict[str, Any] | None = noted(declared_as or handler, LIMITS)
        if is_websocket and self.limits is not None:
            raise TypeError(f"handler '{name}' serves a WebSocket, which has no body to limit()")
        if is_websocket and self.allowed is not None and "GET" not in self.allowed:
            raise TypeError(f"handler '{name}' serves a WebSocket, which begins with a GET only")
        # A client may send a body without a word in the head: then the limits count.
        has_rules = self.allowed is not None or self.limits is not None
        self.is_direct = self.is_coroutine and self.binder is None and not has_rules
        self._path = path if explicit is None else explicit.pattern.path
        self._info: RouteInfo | None = None

    def answer_other_method(self, method: str) -> tuple[int, None, dict[str, str]]:
        """Return the answer to a method that no handler of the path takes: OPTIONS.

        Raises:
            HTTPError: 405, for every other method.
        """
        methods = with_head(frozenset(self.siblings or self.allowed or ())) | {"OPTIONS"}
        allow = {"Allow": ", ".join(sorted(methods))}
        if method == "OPTIONS":
            return 204, None, allow
        raise HTTPError(405, headers=allow)

    @property
    def info(self) -> "RouteInfo":
        """What users may know of it; one object, made when somebody asks."""
        if self._info is None:
            from micropie._http.route_info import RouteInfo

            kind: Literal["websocket", "http"] = "websocket" if self.is_websocket else "http"
            parameters = () if self.binder is None else tuple(self._parameters(self.binder))
            described: Any = self.handler
            while isinstance(described, partial):  # whose own docstring is Python's
                described = described.func
            doc = inspect.getdoc(described)
            self._info = RouteInfo(
                self._path, self.allowed, self.name, self.handler, parameters, doc, kind
            )
        return self._info

    def _parameters(self, binder: Binder) -> "Iterator[ParameterInfo]":
        from micropie._http.route_info import ParameterInfo

        names = None if self.explicit is None else self.explicit.pattern.parameters
        for parameter, planned in binder.parameters():
            by_position = parameter.kind not in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
            source: Literal["path", "query", "file", "body"] = "query"
            if planned.converter is not None and planned.converter.is_file:
                source = "file"
            elif not planned.takes_text:
                source = "body"
            elif planned.name in names if names is not None else by_position:
                source = "path"
            bare = parameter.replace(annotation=parameter.empty, default=parameter.empty)
            name = str(bare)  # with its stars
            yield ParameterInfo(name, parameter.annotation, planned.default, source)


def _takes_one(handler: Handler) -> bool:
    """Tell whether *handler* takes a positional argument."""
    first = next(iter(signature(handler).parameters.values()), None)
    return first is not None and first.kind not in (first.KEYWORD_ONLY, first.VAR_KEYWORD)


def is_handler(value: object) -> TypeGuard[Handler]:
    """Tell whether *value* is a function, method or partial; other callables are never routes."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    return isinstance(value, types.FunctionType | types.MethodType | partial | partialmethod)
