"""Document: the routes of an App as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.1)."""

import inspect
import re
import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import Any, Literal, NamedTuple

from micropie import App, ASGIResponse, EventStream, ParameterInfo, RouteInfo
from micropie_openapi.describe import Description, description_of, phrase
from micropie_openapi.docstrings import Docstring, parse
from micropie_openapi.schemas import Schema, Schemas, default_of

_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")
_WITH_FIELDS = ("POST", "PUT", "PATCH")  # whose named parameters are in the body

# What MicroPie answers by itself: the names of these responses in the document.
_INVALID = ("Invalid", "A parameter is missing, or its value does not fit.")
_ERRORS = {
    404: ("NotFound", "There is nothing at this path."),
    405: ("MethodNotAllowed", "The path does not have this method; Allow has those it has."),
    413: ("ContentTooLarge", "The body is over a limit."),
}


class Place(NamedTuple):
    """A route, and where it is: `prefix` and `tag` are of the mounted App that has it."""

    prefix: str
    tag: str | None
    route: RouteInfo


class Document:
    """Builds the document of an App.

    Args:
        app: the App; those that are mounted in it are described with it.
        error_model: the annotation of the body of errors; None for text.
        error_media_type: of that body.
        invalid_status: the status of what annotations refuse.
    """

    def __init__(
        self, app: App, error_model: Any, error_media_type: str, invalid_status: int
    ) -> None:
        self._app = app
        self._schemas = Schemas()
        self._error_body = _content("text/plain", {"type": "string"})
        if error_model is not None:
            schema = self._schemas.of(error_model, is_output=True)
            self._error_body = _content(error_media_type, schema)
        self._invalid_status = invalid_status
        self._errors = {invalid_status: _INVALID, **_ERRORS}
        self._used_errors: set[int] = set()
        self._used_ids: set[str] = set()

    def build(
        self, info: Mapping[str, Any], schemes: Mapping[str, Any], security: Collection[str]
    ) -> dict[str, Any]:
        """Return the document, but for its servers.

        Args:
            info: the "Info Object".
            schemes: the security schemes by name; those that are used get into the document.
            security: those of operations that name none.
        """
        paths: dict[str, dict[str, Any]] = {}
        used = set(security)
        for place in _places(self._app):
            described = description_of(place.route.handler)
            if described.hidden:
                continue
            used.update(described.security or ())
            for method in _methods(place.route):
                operation = _Operation(place, described, method)
                item = paths.setdefault(operation.path, {})
                item.setdefault(method.lower(), self._operation(operation))
        unknown = used - schemes.keys()
        if unknown:
            raise ValueError(f"security schemes that OpenAPI() was not given: {sorted(unknown)}")
        components = {
            "schemas": self._schemas.components(),
            "responses": {
                self._errors[status][0]: {
                    "description": self._errors[status][1],
                    **self._error_body,
                }
                for status in sorted(self._used_errors)
            },
            "securitySchemes": {name: dict(schemes[name]) for name in sorted(used)},
        }
        document = {
            "openapi": "3.1.0",
            "info": dict(info),
            "paths": paths,
            "components": {name: part for name, part in components.items() if part},
        }
        return document | ({"security": _any_of(security)} if security else {})

    def _operation(self, operation: "_Operation") -> dict[str, Any]:
        described, doc, tag = operation.described, operation.doc, operation.place.tag
        parameters = [
            self._parameter(each, where, doc.parameters.get(each.name, ""))
            for where, each in operation.outside
            if _is_required(each) or self._is_text(each)
        ]
        body = self._body(operation)
        found = {
            "operationId": self._id(operation),
            "summary": described.summary or doc.summary,
            "description": described.description or doc.description,
            "tags": list(described.tags or ([tag] if tag else ())),
            "deprecated": described.deprecated,
            "parameters": parameters,
            "requestBody": body,
            "responses": self._responses(operation, has_body=bool(body)),
        }
        found = {name: value for name, value in found.items() if value}
        if described.security is not None:  # an empty list: not even that of all the others
            found["security"] = _any_of(described.security)
        return found

    def _id(self, operation: "_Operation") -> str:
        place, wanted = operation.place, operation.described.operation_id
        name = wanted or "_".join(filter(None, (place.tag, place.route.name)))
        if name in self._used_ids:
            name = f"{name}_{operation.method.lower()}"
        numbered = map(f"{name}_{{}}".format, count(2))  # an App that is mounted again
        while name in self._used_ids:
            name = next(numbered)
        self._used_ids.add(name)
        return name

    def _parameter(
        self, parameter: ParameterInfo, where: Literal["path", "query"], text: str
    ) -> dict[str, Any]:
        schema = self._value(parameter, is_text=True)
        if where == "path" and schema == {"type": "string"}:
            schema["minLength"] = 1  # there are no empty segments
        found: dict[str, Any] = {"name": parameter.name, "in": where, "schema": schema}
        if where == "path" or _is_required(parameter):
            found["required"] = True
        return found | ({"description": text} if text else {})

    def _value(self, parameter: ParameterInfo, *, is_text: bool) -> Schema:
        """Return the schema of a parameter, with its default."""
        annotation, default = parameter.annotation, parameter.default
        if annotation is inspect.Parameter.empty:
            schema: Schema = {"type": "string"} if is_text else {}
        else:
            schema = self._schemas.of(annotation, is_text=is_text)
        if default is not inspect.Parameter.empty and default is not None:
            with suppress(TypeError, ValueError):  # it has no JSON form
                schema["default"] = default_of(default)
        return schema

    def _is_text(self, parameter: ParameterInfo) -> bool:
        """Tell whether a query or a form can say the value: a JSON object has no form there."""
        schema = self._value(parameter, is_text=True)
        return not any(
            part.get("type") == "object" or "$ref" in part
            for part in (schema, schema.get("items") or {}, *schema.get("anyOf", ()))
        )

    def _body(self, operation: "_Operation") -> dict[str, Any]:
        """Return the "Request Body Object"; an empty one if there is no body."""
        files, models, fields = operation.files, operation.models, operation.fields
        if not (files or models or fields):
            return {}
        required = any(map(_is_required, files + models + fields))
        content: dict[str, Any] = {}
        said = [field for field in fields if _is_required(field) or self._is_text(field)]
        if files:
            parts = [self._object(operation, files + said, is_text=True)]
            parts[0]["propertyNames"] = {"minLength": 1}  # a part without a name is malformed
            parts += [self._value(model, is_text=False) for model in models]
            content["multipart/form-data"] = {
                "schema": parts[0] if len(parts) == 1 else {"allOf": parts}
            }
        elif models:
            # Each takes the whole body.
            parts = [self._value(model, is_text=False) for model in models]
            content["application/json"] = {
                "schema": parts[0] if len(parts) == 1 else {"allOf": parts}
            }
        else:
            content["application/json"] = {"schema": self._object(operation, fields, is_text=False)}
            if all(map(self._is_text, said)):
                schema = self._object(operation, said, is_text=True)
                content["application/x-www-form-urlencoded"] = {"schema": schema}
        return {"content": content} | ({"required": True} if required else {})

    def _object(
        self, operation: "_Operation", fields: list[ParameterInfo], *, is_text: bool
    ) -> Schema:
        properties = {}
        for each in fields:
            schema = properties[each.name] = self._value(each, is_text=is_text)
            if text := operation.doc.parameters.get(each.name):
                schema["description"] = text
        required = [each.name for each in fields if _is_required(each)]
        found: Schema = {"type": "object", "properties": properties}
        return found | ({"required": required} if required else {})

    def _responses(self, operation: "_Operation", *, has_body: bool) -> dict[str, Any]:
        described, doc = operation.described, operation.doc
        found: dict[int, dict[str, Any]] = {}
        for status, annotation in _results(operation.returns):
            found[status] = {
                "description": doc.returns or phrase(status),
                **self._answer(annotation),
            }
        answered = {
            self._invalid_status: has_body or bool(operation.outside),
            404: any(where == "path" for where, _ in operation.outside),
            405: operation.place.route.methods is not None,
            413: has_body,
        }
        responses = {str(status): response for status, response in found.items()}
        for status, is_answered in answered.items():
            if is_answered and status not in doc.errors:
                self._used_errors.add(status)
                reference = {"$ref": f"#/components/responses/{self._errors[status][0]}"}
                responses.setdefault(str(status), reference)
        for status, text in doc.errors.items():
            responses[str(status)] = {"description": text or phrase(status), **self._error_body}
        for status, what in described.responses.items():
            responses[str(status)] = self._described(status, what)
        return dict(sorted(responses.items()))

    def _described(self, status: int, what: Any) -> dict[str, Any]:
        if isinstance(what, str):
            return {"description": what, **(self._error_body if status >= 400 else {})}
        annotation, text = what if isinstance(what, tuple) else (what, "")
        return {"description": text or phrase(status), **self._answer(annotation)}

    def _answer(self, annotation: Any) -> dict[str, Any]:
        """Return the content of an answer whose body is of *annotation*."""
        bare = _bare(annotation)
        if annotation is None or bare in (inspect.Parameter.empty, type(None), ASGIResponse, Any):
            return {}
        if bare is EventStream:
            return _content("text/event-stream", {"type": "string"})
        if bare in (str, bytes) or _is_stream(bare):
            return _content("text/html", {"type": "string"})
        return _content("application/json", self._schemas.of(annotation, is_output=True))


class _Operation:
    """One method of one route: where each of its parameters is.

    Attributes:
        path: as OpenAPI writes it.
        outside: the parameters in the path and the query, each with which of both.
        models: the parameters that take the whole body.
        files: those that take an uploaded file.
        fields: those that take a field of the body.
        returns: the annotation of the result.
    """

    def __init__(self, place: Place, described: Description, method: str) -> None:
        route = place.route
        self.place = place
        self.described = described
        self.method = method
        self.doc: Docstring = parse(route.doc)
        self.returns = _returned(route.handler)
        self.outside: list[tuple[Literal["path", "query"], ParameterInfo]] = []
        self.models = [each for each in route.parameters if each.source == "body"]
        self.files = [each for each in route.parameters if each.source == "file"]
        self.fields: list[ParameterInfo] = []
        path, names = _openapi_path(route.path)
        for each in route.parameters:
            if each.source in ("body", "file") or each.name.startswith("*"):
                continue
            where = described.sources.get(each.name) or self._place_of(each, names)
            if where == "path" and each.name not in names:
                path = f"{path.rstrip('/')}/{{{each.name}}}"
            if where == "body":
                self.fields.append(each)
            else:
                self.outside.append((where, each))
        self.path = (place.prefix + path).rstrip("/") or "/"

    def _place_of(
        self, parameter: ParameterInfo, names: Iterable[str]
    ) -> Literal["path", "query", "body"]:
        if parameter.name in names:
            return "path"
        if parameter.source == "path" and parameter.default is inspect.Parameter.empty:
            return "path"
        # A model takes the whole body; what goes by its name then comes from the query.
        return "body" if self.method in _WITH_FIELDS and not self.models else "query"


def _places(app: App, prefix: str = "", tag: str | None = None) -> Iterator[Place]:
    """Yield the HTTP routes of *app*, and those of the Apps that are mounted in it."""
    for route in app.routes:
        if route.kind == "http" and route.path:
            yield Place(prefix, tag, route)
        elif route.kind == "mount" and isinstance(route.handler, App):
            below = prefix + route.path.rstrip("/")
            yield from _places(route.handler, below, type(route.handler).__name__)


def _methods(route: RouteInfo) -> list[str]:
    """Return the methods to describe; of a handler that takes all, those that clients want."""
    if route.methods is not None:
        is_implied = {"HEAD"} if "GET" in route.methods else set()
        return [m for m in _METHODS if m in route.methods and m not in is_implied]
    bodies = [each for each in route.parameters if each.source in ("body", "file")]
    if any(each.default is inspect.Parameter.empty for each in bodies):
        return ["POST"]
    return ["GET", "POST"] if bodies else ["GET"]


def _openapi_path(pattern: str) -> tuple[str, list[str]]:
    """Return a pattern of `@route` as OpenAPI writes it, and the names in it."""
    path = re.sub(r"\{(\w+):path\}", r"{\1}", pattern)
    return path, re.findall(r"\{(\w+)\}", path)


def _returned(handler: Any) -> Any:
    """Return the annotation of a handler's result; empty if there is none, or it is not defined."""
    function = inspect.unwrap(getattr(handler, "func", handler))
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except Exception:  # the source of an annotation may raise anything
        return inspect.Parameter.empty
    return hints.get("return", inspect.Parameter.empty)


def _results(annotation: Any) -> Iterator[tuple[int, Any]]:
    """Yield the statuses that a result can have, each with the annotation of its body.

    The status of `tuple[Literal[201], Item]` is known; that of `tuple[int, Item]` is taken for 200.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    members = arguments if origin in (typing.Union, types.UnionType) else (annotation,)
    bodies: dict[int, Any] = {}
    for member in members:
        kind, parts = typing.get_origin(member), typing.get_args(member)
        if member is None or member is type(None):
            bodies[204] = None
        elif kind is tuple and len(parts) in (2, 3):
            fixed = typing.get_args(parts[0]) if typing.get_origin(parts[0]) is Literal else (200,)
            # Its headers may say another type.
            body = parts[1] if len(parts) == 2 or parts[1] not in (str, bytes) else None
            bodies.update(dict.fromkeys(fixed, body))
        elif 200 in bodies and bodies[200] is not None:
            bodies[200] = bodies[200] | member
        else:
            bodies[200] = member
    yield from bodies.items()


def _is_required(parameter: ParameterInfo) -> bool:
    return parameter.default is inspect.Parameter.empty


def _any_of(schemes: Iterable[str]) -> list[dict[str, list[str]]]:
    return [{name: []} for name in schemes]


def _bare(annotation: Any) -> Any:
    return typing.get_origin(annotation) or annotation


def _is_stream(kind: Any) -> bool:
    return isinstance(kind, type) and any(hasattr(kind, name) for name in ("__anext__", "__next__"))


def _content(media_type: str, schema: Schema) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}
