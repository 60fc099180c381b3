"""What is checked of an App's handlers when their class is defined, long before one is called."""

import functools
import inspect
import types
from collections.abc import Iterable
from typing import Any

from micropie._handlers.annotations import UnresolvedAnnotation, signature
from micropie._handlers.binding import Binder
from micropie._handlers.decorators import route, routes_of
from micropie._handlers.patterns import Tree, add
from micropie._handlers.routing import check_name, declared, is_decorated, is_method, paths_of


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
            _check_annotations(name, attribute)
            for each in routes:
                add(trees[name.startswith("ws_")], each.pattern, each.methods, name, name)
        elif is_decorated(attribute) or routes:
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
        for missing in sorted({*each.pattern.parameters} - names):
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


def _check_annotations(name: str, attribute: object) -> None:
    """Check what a handler takes as soon as its class is there.

    Annotations that can't be resolved yet are left to `Binder`, when the App is made.

    Args:
        name: of the attribute.
        attribute: of the class, a function as a rule; one that takes shape with the instance only,
            a partial say, is left to the App too.

    Raises:
        TypeError: no value in a request converts to an annotation, or it can't be kept in full.
    """
    function = getattr(attribute, "__func__", attribute)  # of a staticmethod or classmethod
    if not isinstance(function, types.FunctionType):
        return
    given = (not isinstance(attribute, staticmethod)) + name.startswith("ws_")
    try:
        # Evaluated here since Python 3.14 (PEP 649), so a NameError if it is too early for one.
        function.__annotations__  # noqa: B018
        Binder(function, given)
    except (UnresolvedAnnotation, NameError):
        pass
    except TypeError as error:
        raise TypeError(f"handler '{name}', {error}") from None
