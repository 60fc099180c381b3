"""Binding: the arguments of a handler out of a request; planned once, when the App is made."""

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from itertools import chain
from typing import TYPE_CHECKING, Any

from micropie._errors import BadRequest
from micropie._handlers.annotations import check_default, evaluated, signature
from micropie._http.connection import Connection
from micropie._http.request import JSON, MULTIPART, URLENCODED, Request
from micropie._threads import CONVERTER, run_through
from micropie.codec import uncollected

if TYPE_CHECKING:
    from micropie._handlers.converters import Converter

_REQUIRED = inspect.Parameter.empty
_POSITIONAL_ONLY = inspect.Parameter.POSITIONAL_ONLY
_POSITIONAL_OR_KEYWORD = inspect.Parameter.POSITIONAL_OR_KEYWORD

# The place in a path of a parameter that has none there: behind the end of every path.
_NOWHERE = sys.maxsize

_NO_KEYWORDS: dict[str, Any] = {}


class Parameter:
    """One parameter of a handler: its name, default and how its values are converted."""

    __slots__ = ("converter", "default", "is_named", "name", "takes_array", "takes_text")

    def __init__(self, name: str, default: Any, converter: "Converter | None") -> None:
        self.name = name
        self.default = default
        self.converter = converter
        self.is_named = converter is None or not (converter.is_file or converter.from_form)
        # Files and models come in a body only, never out of the URL.
        self.takes_text = self.is_named and not (converter is not None and converter.of_models)
        self.takes_array = False  # a list of models may be the whole body

    def from_text(self, text: str) -> Any:
        """Convert one value that came as text.

        Raises:
            BadRequest: it does not fit the annotation.
        """
        converter = self.converter
        if converter is None:
            return text
        try:
            return converter.from_text([text] if converter.many else text)
        except (ValueError, RecursionError) as error:
            raise self._refusal(error) from None

    def from_request(self, request: Connection) -> Any:
        """Find the value by name: in the query, then in the body, then the default.

        Raises:
            BadRequest: there is none, or it does not fit.
        """
        try:
            value = self._named(request) if self.is_named else self._from_body(request)
        except (ValueError, RecursionError) as error:
            why = "" if self.takes_text else _why_unparsed(request)
            raise self._refusal(error, why) from None
        if value is not _REQUIRED:
            return value
        if self.default is _REQUIRED:
            why = _why_unparsed(request)
            raise BadRequest(f"Missing required parameter '{self.name}'{why}")
        return self.default

    def _named(self, request: Connection) -> Any:
        """Find what goes by this name: a query value, a field, a key of a JSON object, a file."""
        converter = self.converter
        values = request.query_params.get(self.name)
        if values is None:
            body = request._parsed
            if body is None:
                return _REQUIRED
            values = (body.form or body.fields).get(self.name)
            if values is None:
                if converter is None and body.files is not None:
                    return body.files.get(self.name, _REQUIRED)
                if converter is not None and self.takes_array and isinstance(body.json, list):
                    return converter.from_json(body.json)
                return _REQUIRED
            if body.is_json:
                return values[0] if converter is None else converter.from_json(values[0])
        # One value is the first of all that a query or form gave.
        if converter is None:
            return values[0]
        return converter.from_text(values if converter.many else values[0])

    def _from_body(self, request: Connection) -> Any:
        """Find a file of this name, or make a model of the whole body."""
        converter, body = self.converter, request._parsed
        if converter is None or body is None:
            return _REQUIRED
        if converter.from_form is not None:
            if body.is_json:
                return converter.from_json(body.json)
            if not body.fields and _why_unparsed(request):
                return _REQUIRED
            return converter.from_form(body.fields)
        files = body.files.getlist(self.name) if body.files is not None else []
        if not files and self.name in body.fields:
            raise BadRequest(f"'{self.name}' must be {converter.noun}")
        return (files if converter.many else files[0]) if files else _REQUIRED

    def _refusal(self, error: Exception, why: str = "") -> BadRequest:
        """Return the error for a client whose value a converter rejected with *error*."""
        converter = self.converter
        from micropie._handlers.converters import FieldErrors

        if isinstance(error, FieldErrors):
            is_model = converter is not None and converter.from_form is not None
            errors = error.errors if is_model else [each for each in error.errors if each[0]]
            return BadRequest(f"{error if is_model else error.inside(self.name)}{why}", errors)
        if isinstance(error, RecursionError):
            return BadRequest(f"'{self.name}' is nested too deep")
        noun = converter.noun if converter else "another value"
        return BadRequest(f"'{self.name}' must be {noun}{why}")


def _why_unparsed(request: Connection) -> str:
    """Return why the body gave no value: it is of a type that is not parsed, or of a wrong one.

    "" if it was parsed, or there is none. The type is not repeated: it is the client's.
    """
    if not isinstance(request, Request) or not request._raw_body.is_expected:
        return ""
    if request._media_type not in (JSON, URLENCODED, MULTIPART):
        return f": a body of this type is not parsed, only {JSON}, {URLENCODED} and {MULTIPART}"
    first = next(iter(request.body_params), "") if request._media_type == URLENCODED else ""
    if first.lstrip().startswith(("{", "[")):
        return f": the body looks like JSON, and came as {URLENCODED}; send it as {JSON}"
    return ""


class Binder:
    """What a handler takes, and where in a request to find it.

    Args:
        handler: a function, bound method or partial; called as `handler(*args, **kwargs)`.
        given: how many leading parameters the caller fills itself.
        pattern: the parameters of the handler's pattern, in the order of `request.path_params`;
            None if its name leads to it, and its positional parameters take the segments in order.

    Raises:
        TypeError: an annotation can't be resolved, or nothing in a request converts to it; or one
            of *pattern* is the name of no parameter, or of one for a body.
    """

    def __init__(
        self, handler: Callable[..., Any], given: int = 0, pattern: Sequence[str] | None = None
    ) -> None:
        layers = list(_layers(handler))
        # Where the annotations were written, so where names in them mean something.
        namespace = self._namespace = getattr(layers[-1], "__globals__", {})
        # What a partial has set is settled: no query may set it otherwise.
        settled = {name for p in layers if isinstance(p, functools.partial) for name in p.keywords}
        self._declared = [
            (each, Parameter(each.name, each.default, _converter(each, namespace)))
            for each in list(signature(handler).parameters.values())[given:]
            if each.name not in settled
        ]
        positional = self._of(_POSITIONAL_ONLY, _POSITIONAL_OR_KEYWORD)
        keyword_only = self._of(inspect.Parameter.KEYWORD_ONLY)
        self._rest = next(iter(self._of(inspect.Parameter.VAR_POSITIONAL)), None)
        self._named_rest = next(iter(self._of(inspect.Parameter.VAR_KEYWORD)), None)
        named = {parameter.name: parameter for parameter in (*positional, *keyword_only)}
        of_models = [p for p in named.values() if p.converter and p.converter.of_models]
        if len(of_models) == 1:
            of_models[0].takes_array = True
        # Filled already: "self", and what a partial gives. Python rejects them among **kwargs.
        self._bound_names = {*named, *settled, *chain.from_iterable(map(_keywords, layers))}
        for name in pattern or ():
            if name not in named:
                raise TypeError(f"it has no parameter for {{{name}}} in the path of its route")
            if not named[name].takes_text:
                raise TypeError(f"parameter '{name}' is in the path, and can't be in a body")
        in_path = [p.name for p in positional if p.takes_text] if pattern is None else pattern
        self._from_path = len(in_path)
        # Each with its place among the path's values; one that has none comes by its name.
        place = {name: index for index, name in enumerate(in_path)}
        self._positional = [(place.get(p.name, _NOWHERE), p) for p in positional]
        self._keyword_only = [(place.get(p.name, _NOWHERE), p) for p in keyword_only]
        self._only_positional = not (keyword_only or self._rest or self._named_rest)

    def _of(self, *kinds: Any) -> list[Parameter]:
        return [planned for declared, planned in self._declared if declared.kind in kinds]

    @property
    def takes_nothing(self) -> bool:
        """Whether the handler has no parameter at all."""
        return self._only_positional and not self._positional

    @property
    def takes_path(self) -> bool:
        """Whether path segments can become arguments."""
        return self._from_path > 0 or self._rest is not None

    def parameters(self) -> Iterator[tuple[inspect.Parameter, Parameter]]:
        """Yield the parameters as they are declared, annotations evaluated, and as planned."""
        for declared, planned in self._declared:
            annotation = evaluated(declared.annotation, self._namespace)
            yield declared.replace(annotation=annotation), planned

    def bind(self, request: Connection) -> tuple[list[Any], dict[str, Any]]:
        """Return the positional and keyword arguments for *request*.

        Raises:
            BadRequest: a parameter has no value and no default, or its value does not convert.
        """
        values = request.path_params
        given = len(values)
        arguments = []
        for place, parameter in self._positional:
            if place < given:
                arguments.append(parameter.from_text(values[place]))
            else:
                arguments.append(parameter.from_request(request))
        if self._only_positional:
            return arguments, _NO_KEYWORDS
        if self._rest is not None:
            arguments.extend(map(self._rest.from_text, values[self._from_path :]))
        keywords = {
            p.name: p.from_text(values[place]) if place < given else p.from_request(request)
            for place, p in self._keyword_only
        }
        if self._named_rest is not None:
            keywords.update(self._left_over(self._named_rest, request))
        return arguments, keywords

    async def bind_in_thread(self, request: Connection) -> tuple[list[Any], dict[str, Any]]:
        """Return what `bind` does, for a large body; the event loop takes turns with the thread."""

        def bind() -> tuple[list[Any], dict[str, Any]]:
            with uncollected():
                return self.bind(request)

        return await run_through(CONVERTER.start, copy_context(), bind)

    def _left_over(self, rest: Parameter, request: Connection) -> dict[str, Any]:
        """Return the named values that are not parameters of the handler."""
        fields = request._parsed.fields if request._parsed is not None else ()
        names = dict.fromkeys((*request.query_params, *fields))
        return {
            name: Parameter(name, _REQUIRED, rest.converter).from_request(request)
            for name in names
            if name not in self._bound_names
        }


def _converter(parameter: inspect.Parameter, namespace: dict[str, Any]) -> "Converter | None":
    check_default(parameter)
    if parameter.annotation is parameter.empty:
        return None
    # Here: whatever annotations can say takes 2 ms to import.
    from micropie._handlers.models import parameter_converter

    return parameter_converter(parameter, namespace)


def _layers(handler: Any) -> Iterator[Any]:
    """Yield *handler* and what it wraps: under partials, methods and functools.wraps."""
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
