"""Annotations: which converter each gets, and how models are made of JSON objects and forms."""

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from micropie._handlers.annotations import (
    UnresolvedAnnotation,
    all_metadata,
    check_default,
    evaluated,
    is_of,
    named_type,
    signature,
)
from micropie._handlers.constraints import constrained, tests_of
from micropie._handlers.converters import MAX_PROBLEMS, Converter, FieldErrors, misfit
from micropie._handlers.libraries import pydantic_converter, struct_converter
from micropie._handlers.values import AS_IS, ConverterFor, value_converter


def parameter_converter(
    parameter: inspect.Parameter, namespace: dict[str, Any]
) -> Converter | None:
    """Return the converter for the values of *parameter*; None where they stay as they came.

    Args:
        parameter: of a handler; it has an annotation.
        namespace: what names in an annotation mean that is a string.

    Raises:
        UnresolvedAnnotation: the annotation can't be evaluated.
        TypeError: no value in a request converts to it, or not all that it demands can be kept.
    """
    annotation, where = parameter.annotation, f"parameter '{parameter.name}'"
    try:
        annotation = evaluated(annotation, namespace)
    except Exception as error:  # the source of an annotation may raise anything
        raise UnresolvedAnnotation(f"the annotation of {where}: {error}") from None
    try:
        return converter_for(annotation)
    except NameError as error:
        raise UnresolvedAnnotation(f"{where}: {error}") from None
    except TypeError as error:
        raise TypeError(f"{where}: {error}") from None
    except RecursionError:
        raise TypeError(f"{where}: a type that contains itself must be a class") from None


def converter_for(
    annotation: Any, unfinished: Mapping[Any, Converter] = MappingProxyType({})
) -> Converter | None:
    """Return the converter for *annotation*; None where the value stays as it came.

    Args:
        annotation: of a parameter, or of a field of a model.
        unfinished: the models whose converters are being made, each with what stands for it in its
            own fields, as in a tree.

    Raises:
        TypeError: no value in a request converts to *annotation*.
    """
    meant = named_type(annotation)
    if meant is not annotation:
        return converter_for(meant, unfinished)
    if typing.get_origin(annotation) is typing.Annotated:
        return _annotated_converter(annotation, unfinished)
    if isinstance(annotation, type):
        if annotation in unfinished:
            return unfinished[annotation]
        # typing.is_typeddict() does not know those of typing_extensions.
        if issubclass(annotation, dict) and hasattr(annotation, "__required_keys__"):
            return _self_containing(annotation, _typed_dict_converter, unfinished)
        if hasattr(annotation, "__struct_fields__") and "msgspec" in sys.modules:
            return struct_converter(annotation)
        if hasattr(annotation, "__pydantic_validator__"):  # of its dataclasses too
            return pydantic_converter(annotation)
        if dataclasses.is_dataclass(annotation):
            return _self_containing(annotation, _dataclass_converter, unfinished)
    return value_converter(annotation, lambda inner: converter_for(inner, unfinished))


def _annotated_converter(annotation: Any, unfinished: Mapping[Any, Converter]) -> Converter | None:
    if not any(map(_is_for_pydantic, annotation.__metadata__)):
        converter = converter_for(annotation.__origin__, unfinished)
        kept = constrained(converter or AS_IS, annotation)
        return converter if kept is AS_IS else kept
    for metadata in all_metadata(annotation):
        if is_of("msgspec", metadata):
            raise TypeError("metadata of pydantic and of msgspec exclude each other")
        if not _is_for_pydantic(metadata):  # which passes over what it does not know
            list(tests_of(metadata, None))
        if type(metadata).__name__ == "FieldInfo" and not metadata.is_required():
            raise TypeError("a default in Field() does nothing outside of a model")
        if getattr(metadata, "validation_alias", None) is not None:
            raise TypeError("an alias in Field() does nothing outside of a model")
    return pydantic_converter(annotation)


def _is_for_pydantic(metadata: Any) -> bool:
    return is_of("pydantic", metadata) or hasattr(metadata, "__get_pydantic_core_schema__")


def _self_containing(
    cls: Any, make: Callable[[Any, ConverterFor], Converter], unfinished: Mapping[Any, Converter]
) -> Converter:
    inside = {
        **unfinished,
        cls: Converter("an object", misfit, lambda value: converter.from_json(value), misfit),
    }
    converter = make(cls, lambda field: converter_for(field, inside))
    return converter


def _dataclass_converter(cls: Any, converter_for: ConverterFor) -> Converter:
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}
    for name, hint in hints.items():
        if isinstance(hint, dataclasses.InitVar):  # taken like a field, and handed to __post_init__
            fields[name] = hint.type
    taken = signature(cls).parameters
    if not fields.keys() <= taken.keys():
        raise TypeError(f"{cls.__name__}() does not take all of its fields")
    for name in fields:
        check_default(taken[name])
    required = {name for name in fields if taken[name].default is inspect.Parameter.empty}
    return _model_converter(_field_converters(fields, converter_for), required, cls)


def _typed_dict_converter(cls: Any, converter_for: ConverterFor) -> Converter:
    hints = typing.get_type_hints(cls, include_extras=True)
    required = set(cls.__required_keys__)
    # Where annotations are strings, __required_keys__ knows nothing of these two.
    for name, hint in hints.items():
        if typing.get_origin(hint) is typing.NotRequired:
            required.discard(name)
        elif typing.get_origin(hint) is typing.Required:
            required.add(name)
    return _model_converter(_field_converters(hints, converter_for), required, dict)


def _field_converters(hints: dict[str, Any], converter_for: ConverterFor) -> dict[str, Converter]:
    converters = {name: converter_for(hint) or AS_IS for name, hint in hints.items()}
    for name, converter in converters.items():
        if converter.is_file:
            raise TypeError(f"field '{name}': an uploaded file is a parameter, not part of a model")
    return converters


def _model_converter(
    converters: dict[str, Converter], required: set[str], cls: Callable[..., Any]
) -> Converter:
    """Return a converter that converts the fields which *cls* has, and leaves out all others."""
    many = {name for name, converter in converters.items() if converter.many}

    def build(values: Mapping[str, Any], way: str) -> Any:
        built = {}
        errors = [(name, "is missing") for name in sorted(required - values.keys())]
        for name, converter in converters.items():
            if name not in values:
                continue
            try:
                built[name] = getattr(converter, way)(values[name])
            except FieldErrors as error:
                errors += error.inside(name).errors
            except ValueError:
                errors.append((name, f"must be {converter.noun}"))
            if len(errors) >= MAX_PROBLEMS:  # those of fields within fields add up
                break
        if errors:
            raise FieldErrors(*errors[:MAX_PROBLEMS])
        try:
            return cls(**built)
        except ValueError as error:  # a check in its __post_init__, whose words are the user's
            raise FieldErrors(("", str(error))) from None

    def from_json(value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError
        return build(value, "from_json")

    def from_form(form: dict[str, list[str]]) -> Any:
        values = {name: all_ if name in many else all_[0] for name, all_ in form.items()}
        return build(values, "from_text")

    return Converter("an object", misfit, from_json, from_form)
