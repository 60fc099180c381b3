"""Schemas: annotations as JSON Schema (draft 2020-12, which OpenAPI 3.1 uses)."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal, Union
from uuid import UUID

from micropie import UploadFile

Schema = dict[str, Any]

_REF = "#/components/schemas/"


class Schemas:
    """Makes schemas of annotations, and keeps those of models for the document's components.

    Theory of operation: `of` walks an annotation. A dataclass or TypedDict becomes a component at
    once. A model of msgspec or pydantic is described by its library, and msgspec has to see all of
    its models together: `of` returns an empty schema for it and remembers it, and `components`,
    called last, fills all of these. So what `of` returns is never copied.
    """

    def __init__(self) -> None:
        self._components: dict[str, Schema] = {}
        self._names: dict[Any, str] = {}  # of components, by their class or what a library made
        self._of_msgspec: list[tuple[Schema, Any]] = []
        self._of_pydantic: list[tuple[Schema, Any, Literal["validation", "serialization"]]] = []

    def of(self, annotation: Any, *, is_output: bool = False, is_text: bool = False) -> Schema:
        """Return the schema of the values of *annotation*; an empty one allows every value.

        Args:
            annotation: evaluated; of a parameter, a field or a result.
            is_output: for what the App sends: only pydantic tells it from what it takes.
            is_text: for a path, query or form, where null does not exist.
        """

        def inner(part: Any) -> Schema:
            return self.of(part, is_output=is_output, is_text=is_text)

        annotation = _meaning(annotation)
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            return self._annotated(annotation, is_output, inner)
        if annotation is None or annotation is type(None):
            return {"type": "null"}
        if origin is Literal:
            values = [v.value if isinstance(v, Enum) else v for v in arguments]
            return _choices(values, is_text=is_text)
        if origin in (Union, types.UnionType):
            members = [a for a in arguments if not (is_text and a is type(None))]
            return inner(members[0]) if len(members) == 1 else {"anyOf": [*map(inner, members)]}
        kind = origin or annotation
        if not isinstance(kind, type):
            return {}
        if kind is bool and is_text:
            return dict(_TEXT_BOOLEAN)
        if kind in _SIMPLE:
            return dict(_SIMPLE[kind])
        if issubclass(kind, Enum):
            return _choices([member.value for member in kind], is_text=is_text)
        if hasattr(kind, "__struct_fields__"):
            return self._later(self._of_msgspec, annotation)
        if hasattr(kind, "__pydantic_validator__"):
            mode = "serialization" if is_output else "validation"
            return self._later(self._of_pydantic, annotation, mode)
        if dataclasses.is_dataclass(kind) or hasattr(kind, "__required_keys__"):
            return self._model(kind)
        if kind is tuple and arguments and arguments[-1] is not Ellipsis:
            items = [*map(inner, arguments)]
            size = len(items)
            return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
        if issubclass(kind, Mapping):
            return {"type": "object"} | (
                {"additionalProperties": inner(arguments[1])} if len(arguments) == 2 else {}
            )
        if issubclass(kind, Collection):
            return {"type": "array", "items": inner(arguments[0]) if arguments else {}}
        return {}

    def components(self) -> dict[str, Schema]:
        """Return the schemas of all models by name; call this last."""
        if self._of_msgspec:
            import msgspec

            schemas, models = msgspec.json.schema_components(
                [annotation for _, annotation in self._of_msgspec],
                schema_hook=lambda _: {},  # of a class that msgspec does not know
                ref_template=_REF + "{name}",
            )
            self._fill((empty for empty, _ in self._of_msgspec), schemas, models)
        if self._of_pydantic:
            import pydantic.json_schema

            class Lenient(pydantic.json_schema.GenerateJsonSchema):
                ignored_warning_kinds = {  # noqa: RUF012 - its base class's
                    "skipped-choice",
                    "non-serializable-default",
                }

                def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
                    return {}

            for empty, annotation, mode in self._of_pydantic:
                # As an item: the model of a whole document would not be among the definitions.
                items: Any = types.GenericAlias(list, annotation)
                schema = pydantic.TypeAdapter(items).json_schema(
                    mode=mode, ref_template=_REF + "{model}", schema_generator=Lenient
                )
                self._fill([empty], [schema["items"]], schema.get("$defs", {}))
        return self._components

    def _later(self, waiting: list[Any], *model: Any) -> Schema:
        empty: Schema = {}
        waiting.append((empty, *model))
        return empty

    def _fill(
        self, empties: Iterable[Schema], schemas: Iterable[Schema], models: dict[str, Schema]
    ) -> None:
        """Put what a library made in its places, its models under names that are free."""
        names = {}
        for name in models:
            # A model is the same if all that it refers to is: what pydantic takes and what it
            # gives, or two classes of one name, may differ.
            identity = name, json.dumps(_reachable(name, models), sort_keys=True)
            if identity not in self._names:
                self._names[identity] = self._free(name)
                self._components[self._names[identity]] = {}
            names[name] = self._names[identity]
        for name, model in models.items():
            self._components[names[name]].update(_renamed(model, names))
        for empty, schema in zip(empties, schemas, strict=True):
            empty.update(_renamed(schema, names))

    def _free(self, name: str) -> str:
        name = re.sub(r"[^\w.-]", "_", name)
        while name in self._components:
            name += "_"
        return name

    def _annotated(self, annotation: Any, is_output: bool, inner: Any) -> Schema:
        libraries = {type(each).__module__.partition(".")[0] for each in annotation.__metadata__}
        if "msgspec" in libraries:
            return self._later(self._of_msgspec, annotation)
        if "pydantic" in libraries or any(
            hasattr(each, "__get_pydantic_core_schema__") for each in annotation.__metadata__
        ):
            mode = "serialization" if is_output else "validation"
            return self._later(self._of_pydantic, annotation, mode)
        schema: Schema = inner(annotation.__origin__)
        for metadata in annotation.__metadata__:
            schema.update(_demands(metadata, schema.get("type")))
        return schema

    def _model(self, cls: Any) -> Schema:
        """Return a reference to the component of a dataclass or TypedDict."""
        if cls not in self._names:
            name = self._names[cls] = self._free(cls.__name__)
            model = self._components[name] = {"title": cls.__name__, "type": "object"}
            hints = typing.get_type_hints(cls, include_extras=True)
            required, defaults = _fields(cls, hints)
            properties = {field: self.of(hint) for field, hint in hints.items()}
            for field, default in defaults.items():
                properties[field]["default"] = default
            model["properties"] = properties
            if required:
                model["required"] = required
            if cls.__doc__ and not cls.__doc__.startswith(f"{cls.__name__}("):  # dataclass's own
                model["description"] = cls.__doc__.strip().splitlines()[0]
        return {"$ref": _REF + self._names[cls]}


def default_of(value: Any) -> Any:
    """Return a default as JSON has it.

    Raises:
        TypeError: it has no JSON form.
        ValueError: it contains itself.
    """
    from micropie import codec

    return codec.loads(codec.dumps(value))


def _fields(cls: Any, hints: dict[str, Any]) -> tuple[list[str], dict[str, Any]]:
    """Return which fields a model must have, and the defaults of others that JSON can express."""
    if not dataclasses.is_dataclass(cls):
        required = set(cls.__required_keys__)
        for name, hint in hints.items():  # where annotations are strings, it knows nothing of these
            mark = typing.get_origin(hint)
            if mark is typing.NotRequired:
                required.discard(name)
            elif mark is typing.Required:
                required.add(name)
        return sorted(required), {}
    required_names, defaults = [], {}
    for field in dataclasses.fields(cls):
        if field.default is not dataclasses.MISSING:
            try:
                defaults[field.name] = default_of(field.default)
            except (TypeError, ValueError):
                continue
        elif field.default_factory is dataclasses.MISSING and field.init:
            required_names.append(field.name)
    return required_names, defaults


def _meaning(annotation: Any) -> Any:
    """Return the type behind a NewType, a `type` alias or the mark of a field."""
    if isinstance(annotation, typing.NewType):
        return _meaning(annotation.__supertype__)
    if type(annotation).__name__ == "TypeAliasType":  # typing's since 3.12, or typing_extensions'
        return _meaning(annotation.__value__)
    origin = typing.get_origin(annotation)
    if getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final"):
        return _meaning(typing.get_args(annotation)[0])
    return annotation


def _choices(values: list[Any], *, is_text: bool) -> Schema:
    return {"enum": [default_of(value) for value in values if not (is_text and value is None)]}


# The constraints of annotated_types that JSON Schema has: the attribute, and the keyword; for
# lengths the keywords of strings, arrays and objects.
_NUMBERS = {
    "Gt": ("gt", "exclusiveMinimum"),
    "Ge": ("ge", "minimum"),
    "Lt": ("lt", "exclusiveMaximum"),
    "Le": ("le", "maximum"),
    "MultipleOf": ("multiple_of", "multipleOf"),
}
_LENGTHS = {"MinLen": ("min_length", "min"), "MaxLen": ("max_length", "max")}
_LENGTH_OF = {"string": "Length", "array": "Items", "object": "Properties"}


def _demands(metadata: Any, kind: Any) -> Schema:
    names = {cls.__name__ for cls in type(metadata).__mro__ if cls.__module__ == "annotated_types"}
    if "GroupedMetadata" in names:
        found: Schema = {}
        for part in metadata:
            found.update(_demands(part, kind))
        return found
    for name in names & _NUMBERS.keys():
        attribute, keyword = _NUMBERS[name]
        bound = getattr(metadata, attribute)
        return {keyword: bound} if isinstance(bound, int | float) else {}
    for name in names & _LENGTHS.keys():
        attribute, which = _LENGTHS[name]
        if kind in _LENGTH_OF:
            return {which + _LENGTH_OF[kind]: getattr(metadata, attribute)}
    return {}


def _reachable(name: str, models: Mapping[str, Schema]) -> dict[str, Schema]:
    """Return the model *name* and all that it refers to."""
    found: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in models and current not in found:
            found[current] = models[current]
            references = re.findall(rf'"{re.escape(_REF)}([^"]+)"', json.dumps(models[current]))
            waiting += references
    return found


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """Return *schema* with the references to *names* changed."""
    if isinstance(schema, list):
        return [_renamed(item, names) for item in schema]
    if not isinstance(schema, dict):
        return schema
    changed = {key: _renamed(value, names) for key, value in schema.items()}
    target = changed.get("$ref")
    if isinstance(target, str) and target.startswith(_REF):
        name = target.removeprefix(_REF)
        changed["$ref"] = _REF + names.get(name, name)
    return changed


# All floats, and no more than 400 digits, which MicroPie takes, before the point and behind it.
_DIGITS = r"([0-9]{1,60}(\.[0-9]{0,60})?|\.[0-9]{1,60})"
_DECIMAL = rf"^[+-]?{_DIGITS}([eE][+-]?([0-2]?[0-9]{{1,2}}|3[0-3][0-9]))?$"

# What a path, query or form may say for a boolean: a ticked checkbox sends "on".
_TEXT_BOOLEAN: Schema = {
    "anyOf": [{"type": "boolean"}, {"enum": ["1", "0", "yes", "no", "on", "off"]}]
}

_SIMPLE: dict[Any, Schema] = {
    str: {"type": "string"},
    bytes: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    UUID: {"type": "string", "format": "uuid"},
    # A string, as a number of JSON is a float to most programs.
    Decimal: {"type": ["string", "number"], "format": "decimal", "pattern": _DECIMAL},
    UploadFile: {"type": "string", "format": "binary"},
    object: {},
}
