"""Annotations: which converter each gets, and how models are made of JSON objects and forms."""

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from micropie._handlers.converters import (
    Converter,
    ConverterFor,
    FieldErrors,
    ModelConverter,
    value_converter,
)


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; an annotation may be a string or a `ForwardRef`.

    Since Python 3.14 annotations are evaluated on access (PEP 649), so a name that exists only for
    type checkers would raise here, even in the annotation of the result, which is not needed.
    """
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def parameter_converter(
    parameter: inspect.Parameter, namespace: dict[str, Any]
) -> Converter | None:
    """Return the converter for the values of *parameter*; None where they stay as they came.

    Args:
        parameter: of a handler.
        namespace: what names in an annotation mean that is a string.

    Raises:
        TypeError: the annotation can't be evaluated, or no value in a request converts to it.
    """
    if parameter.annotation is parameter.empty:
        return None
    try:
        annotation = evaluated(parameter.annotation, namespace)
    except Exception as error:
        raise TypeError(f"the annotation of parameter '{parameter.name}': {error}") from None
    for name in _unresolved(annotation):
        raise TypeError(f"the annotation of parameter '{parameter.name}': {name!r} is not defined")
    try:
        return converter_for(annotation)
    except (TypeError, NameError) as error:
        raise TypeError(f"parameter '{parameter.name}': {error}") from None


def evaluated(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return what an annotation means; anything may be raised for one that means nothing.

    It is a string in a module with `from __future__ import annotations`, or in quotes.
    """
    if not isinstance(annotation, str):
        return annotation
    return eval(annotation, namespace)  # noqa: S307 - source, not request data


def _unresolved(annotation: Any) -> Iterator[str]:
    """Yield the names in *annotation* that were not defined when it was evaluated."""
    if isinstance(annotation, typing.ForwardRef):
        yield annotation.__forward_arg__
    for part in typing.get_args(annotation):
        yield from _unresolved(part)


def converter_for(
    annotation: Any, unfinished: Mapping[Any, ModelConverter] = MappingProxyType({})
) -> Converter | None:
    """Return the converter for *annotation*; None where the value stays as it came.

    Args:
        annotation: of a parameter, or of a field of a model.
        unfinished: the models whose converters are being made, each with what stands for it in its
            own fields, as in a tree.

    Raises:
        TypeError: no value in a request converts to *annotation*.
    """
    if annotation in unfinished:
        return unfinished[annotation]
    if isinstance(annotation, type):
        # typing.is_typeddict() does not know those of typing_extensions.
        if issubclass(annotation, dict) and hasattr(annotation, "__required_keys__"):
            return _self_containing(annotation, _typed_dict_converter, unfinished)
        if hasattr(annotation, "__struct_fields__") and "msgspec" in sys.modules:
            return _struct_converter(annotation)
        if hasattr(annotation, "model_validate") and "pydantic" in sys.modules:
            return _pydantic_converter(annotation)
        if dataclasses.is_dataclass(annotation):
            return _self_containing(annotation, _dataclass_converter, unfinished)
    return value_converter(annotation, lambda inner: converter_for(inner, unfinished))


def _self_containing(
    cls: Any,
    make: Callable[[Any, ConverterFor], ModelConverter],
    unfinished: Mapping[Any, ModelConverter],
) -> ModelConverter:
    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        return converter.from_fields(values, is_form)

    inside = {**unfinished, cls: ModelConverter(from_fields, frozenset())}
    converter = make(cls, lambda field: converter_for(field, inside))
    return converter


def _dataclass_converter(cls: Any, converter_for: ConverterFor) -> ModelConverter:
    hints = typing.get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.name in fields
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    }
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):  # taken like a field, and handed to __post_init__
            fields[name] = hint.type
            if signature(cls).parameters[name].default is inspect.Parameter.empty:
                required.add(name)
    converters = _field_converters(fields, converter_for)
    build = _fields_builder(converters, required)

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        arguments = build(values, is_form)
        try:
            return cls(**arguments)
        except ValueError as error:  # a check in its __post_init__, whose words are the user's
            raise FieldErrors(str(error)) from None

    return ModelConverter(from_fields, _taking_many(converters))


def _typed_dict_converter(cls: Any, converter_for: ConverterFor) -> ModelConverter:
    converters = _field_converters(typing.get_type_hints(cls), converter_for)
    required = set(cls.__required_keys__)
    # Where annotations are strings, __required_keys__ knows nothing of these two.
    for name, hint in typing.get_type_hints(cls, include_extras=True).items():
        if typing.get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif typing.get_origin(hint) is typing.Required:
            required.add(name)
    return ModelConverter(_fields_builder(converters, required), _taking_many(converters))


def _struct_converter(cls: Any) -> ModelConverter:
    import msgspec

    msgspec.json.Decoder(cls)  # raises TypeError for a field that msgspec can't convert

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        try:
            return msgspec.convert(values, cls, strict=not is_form)
        except msgspec.ValidationError as error:
            raise FieldErrors(re.sub(_ECHO, r"\1\3", str(error))) from None

    lists = {f.encode_name for f in msgspec.structs.fields(cls) if _is_collection(f.type)}
    return ModelConverter(from_fields, frozenset(lists))


# Where msgspec repeats what the client sent: values of enums and tags, and unknown names.
_ECHO = (
    r"(?s)\A(Invalid (?:enum )?value|Object contains unknown field) (?:(['\"`]).*?\2|-?\d+)"
    r"( - at `[^`]*`)?\Z"
)


def _pydantic_converter(cls: Any) -> ModelConverter:
    import pydantic

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            if error.error_count() > _MAX_PROBLEMS:
                raise FieldErrors(f"{error.error_count()} values do not fit") from None
            # Its own text would repeat what the client sent.
            problems = error.errors(include_url=False, include_context=False)
            raise FieldErrors("; ".join(_pydantic_problem(p, names) for p in problems)) from None

    names = _pydantic_names(cls)
    lists = set()
    for name, field in cls.model_fields.items():
        if _is_collection(field.annotation):
            aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
            lists |= {name, *(alias for alias in aliases if isinstance(alias, str))}
    return ModelConverter(from_fields, frozenset(lists))


# A body of millions of wrong values must not make a response of millions of lines.
_MAX_PROBLEMS = 50


def _pydantic_names(cls: Any) -> frozenset[str]:
    """Return the names that the fields of a model, and of those within it, have in JSON."""
    import pydantic

    class Quiet(pydantic.json_schema.GenerateJsonSchema):
        ignored_warning_kinds = {  # noqa: RUF012 - its base class's
            "skipped-choice",
            "non-serializable-default",
        }

    try:
        schema = cls.model_json_schema(schema_generator=Quiet)
    except pydantic.errors.PydanticUserError:  # a field has no JSON schema: name none
        return frozenset()
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for model in models for name in model.get("properties", ()))


def _pydantic_problem(problem: Any, names: Collection[str]) -> str:
    """Return one line on *problem*, with a star for the parts of its place that the client named.

    Those are keys of a dict, and fields that the model does not have.
    """
    place = ".".join(str(p) if isinstance(p, int) or p in names else "*" for p in problem["loc"])
    message = problem["msg"]
    if problem["type"] == "union_tag_invalid":  # whose text repeats the tag
        message = "the tag is none of the expected ones"
    return f"'{place}': {message}"


def _field_converters(
    hints: dict[str, Any], converter_for: ConverterFor
) -> dict[str, Converter | None]:
    converters = {name: converter_for(hint) for name, hint in hints.items()}
    for name, converter in converters.items():
        if converter is not None and converter.is_file:
            raise TypeError(f"field '{name}': an uploaded file is a parameter, not part of a model")
    return converters


def _fields_builder(
    converters: dict[str, Converter | None], required: typing.AbstractSet[str]
) -> Callable[[dict[str, Any], bool], dict[str, Any]]:
    """Return a function that converts the fields a model has and leaves out all others."""

    def build(values: dict[str, Any], is_form: bool) -> dict[str, Any]:
        built = {}
        problems = [f"'{name}' is missing" for name in sorted(required - values.keys())]
        for name, converter in converters.items():
            if name not in values:
                continue
            built[name] = values[name]
            if converter is None:
                continue
            convert = converter.from_text if is_form else converter.from_json
            try:
                built[name] = convert(values[name])
            except FieldErrors as error:
                problems.append(f"in '{name}': {error}")
            except ValueError:
                problems.append(f"'{name}' must be {converter.noun}")
        if problems:
            raise FieldErrors("; ".join(problems))
        return built

    return build


def _taking_many(converters: dict[str, Converter | None]) -> frozenset[str]:
    """Return the names of the fields that take all values of a form's name."""
    return frozenset(name for name, c in converters.items() if c is not None and c.many)


def _is_collection(hint: Any) -> bool:
    """Tell whether *hint* is a list, set or tuple, or may be one: `list[str] | None`."""
    if typing.get_origin(hint) is typing.Annotated:
        hint = hint.__origin__
    origin = typing.get_origin(hint) or hint
    if origin in (typing.Union, types.UnionType):
        return any(map(_is_collection, typing.get_args(hint)))
    return (
        isinstance(origin, type)
        and issubclass(origin, Collection)
        and not issubclass(origin, str | bytes | bytearray | Mapping)
    )
