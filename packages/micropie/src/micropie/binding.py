"""Request data -> the arguments of a handler; planned once, when the App is made."""

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

from micropie.conversion import Converter, converter_for
from micropie.errors import BadRequest
from micropie.request import Request

_REQUIRED = inspect.Parameter.empty
_NO_KEYWORDS: dict[str, Any] = {}


class Parameter:
    """One parameter of a handler: its name, default and how its values are converted."""

    __slots__ = ("converter", "default", "name")

    def __init__(self, name: str, default: Any, converter: Converter | None) -> None:
        self.name = name
        self.default = default
        self.converter = converter

    def from_text(self, text: str) -> Any:
        """Convert one value that came as text.

        Raises:
            BadRequest: it does not fit the annotation.
        """
        converter = self.converter
        if converter is None:
            return text
        try:
            return converter.from_text([text] if converter.many else text)  # type: ignore[arg-type]
        except ValueError:
            raise self._misfit(converter) from None

    def from_texts(self, texts: list[str]) -> Any:
        """Convert the values that a query or form gave for this name; one takes the first."""
        converter = self.converter
        if converter is None or not converter.many:
            return self.from_text(texts[0])
        try:
            return converter.from_text(texts)  # type: ignore[arg-type]
        except ValueError:
            raise self._misfit(converter) from None

    def from_json(self, value: Any) -> Any:
        """Convert a value that has a JSON type already."""
        converter = self.converter
        if converter is None:
            return value
        try:
            return converter.from_json(value)
        except ValueError:
            raise self._misfit(converter) from None

    def _misfit(self, converter: Converter) -> BadRequest:
        return BadRequest(f"'{self.name}' must be {converter.noun}")


class Binder:
    """What a handler takes, and where in a request to find it.

    Args:
        handler: a function, bound method or partial; called as `handler(*args, **kwargs)`.

    Raises:
        TypeError: an annotation can't be resolved, or nothing in a request converts to it.
    """

    def __init__(self, handler: Callable[..., Any]) -> None:
        self._positional: list[Parameter] = []
        self._keyword_only: list[Parameter] = []
        self._rest: Parameter | None = None
        self._named_rest: Parameter | None = None
        layers = list(_layers(handler))
        # Where the annotations were written, so where names in them mean something.
        namespace = getattr(layers[-1], "__globals__", {})
        for parameter in inspect.signature(handler).parameters.values():
            self._add(parameter, namespace)
        self._names = {p.name for p in (*self._positional, *self._keyword_only)}
        # Filled already: "self", and what a partial gives. Python refuses them among **kwargs.
        self._names.update(*map(_keywords, layers))
        self._only_positional = not (self._keyword_only or self._rest or self._named_rest)

    def _add(self, parameter: inspect.Parameter, namespace: dict[str, Any]) -> None:
        planned = Parameter(
            parameter.name, parameter.default, _planned_converter(parameter, namespace)
        )
        if parameter.kind is parameter.VAR_POSITIONAL:
            self._rest = planned
        elif parameter.kind is parameter.VAR_KEYWORD:
            self._named_rest = planned
        elif parameter.kind is parameter.KEYWORD_ONLY:
            self._keyword_only.append(planned)
        else:
            self._positional.append(planned)

    @property
    def takes_nothing(self) -> bool:
        """Whether the handler has no parameter at all."""
        return self._only_positional and not self._positional

    @property
    def takes_path(self) -> bool:
        """Whether path segments can become arguments."""
        return bool(self._positional or self._rest)

    def bind(self, request: Request) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and keyword arguments for *request*.

        Raises:
            BadRequest: a parameter has no value and no default, or its value does not convert.
        """
        segments = request.path_params
        count = len(segments)
        arguments = [
            parameter.from_text(segments[position])
            if position < count
            else self._by_name(parameter, request)
            for position, parameter in enumerate(self._positional)
        ]
        if self._only_positional:
            return arguments, _NO_KEYWORDS
        if self._rest is not None:
            left = segments[len(self._positional) :]
            arguments.extend(self._rest.from_text(segment) for segment in left)
        keywords = {p.name: self._by_name(p, request) for p in self._keyword_only}
        if self._named_rest is not None:
            keywords.update(self._left_over(self._named_rest, request))
        return arguments, keywords

    def _by_name(self, parameter: Parameter, request: Request) -> Any:
        texts = request.query_params.get(parameter.name)
        if texts is not None:
            return parameter.from_texts(texts)
        if parameter.default is _REQUIRED:
            raise BadRequest(f"Missing required parameter '{parameter.name}'")
        return parameter.default

    def _left_over(self, rest: Parameter, request: Request) -> dict[str, Any]:
        """Return the named values that no parameter of the handler has claimed."""
        return {
            name: Parameter(name, None, rest.converter).from_texts(texts)
            for name, texts in request.query_params.items()
            if name not in self._names
        }


def _layers(handler: Any) -> Iterator[Any]:
    """Yield *handler* and what it calls in the end: under partials, methods, functools.wraps."""
    while True:
        yield handler
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif isinstance(handler, types.MethodType):
            handler = handler.__func__
        elif hasattr(handler, "__wrapped__"):
            handler = handler.__wrapped__
        else:
            return


def _keywords(layer: Any) -> tuple[str, ...]:
    """Return the names of a function's parameters that may be given by position or by name."""
    if not isinstance(layer, types.FunctionType):
        return ()
    code = layer.__code__
    return code.co_varnames[code.co_posonlyargcount : code.co_argcount]


def _planned_converter(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Converter | None:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return None
    if isinstance(annotation, str):
        try:
            # The handler's own source, no request data: "from __future__ import annotations".
            annotation = eval(annotation, namespace)  # noqa: S307
        except Exception as error:
            raise TypeError(f"the annotation of parameter '{parameter.name}': {error}") from None
    try:
        return converter_for(annotation)
    except TypeError as error:
        raise TypeError(f"parameter '{parameter.name}': {error}") from None
