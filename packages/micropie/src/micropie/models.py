"""Dataclasses, TypedDicts, msgspec Structs and pydantic models out of JSON objects and forms."""

import dataclasses
import sys
import typing
from collections.abc import Callable
from typing import Any

from micropie.converter import Converter, FieldErrors, ModelConverter

ConverterFor = Callable[[Any], Converter | None]


def model_converter(annotation: Any, converter_for: ConverterFor) -> ModelConverter | None:
    """Return the converter for a model class; None if *annotation* is none.

    Args:
        annotation: of a parameter, or of a field of another model.
        converter_for: finds the converters of the fields.

    Raises:
        TypeError: a field is of a type that no value of a request can be converted to.
    """
    if not isinstance(annotation, type):
        return None
    if typing.is_typeddict(annotation):
        return _typed_dict_converter(annotation, converter_for)
    if hasattr(annotation, "__struct_fields__") and "msgspec" in sys.modules:
        return _struct_converter(annotation)
    if hasattr(annotation, "model_validate") and "pydantic" in sys.modules:
        return _pydantic_converter(annotation)
    if dataclasses.is_dataclass(annotation):
        return _dataclass_converter(annotation, converter_for)
    return None


def _dataclass_converter(cls: Any, converter_for: ConverterFor) -> ModelConverter:
    fields = [field for field in dataclasses.fields(cls) if field.init]
    hints = typing.get_type_hints(cls)
    required = {
        field.name
        for field in fields
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    build = _fields_builder({f.name: converter_for(hints[f.name]) for f in fields}, required)

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        arguments = build(values, is_form)
        try:
            return cls(**arguments)
        except ValueError as error:  # a check in its __post_init__, whose words are the user's
            raise FieldErrors(str(error)) from None

    return ModelConverter(from_fields, _lists(hints))


def _typed_dict_converter(cls: Any, converter_for: ConverterFor) -> ModelConverter:
    hints = typing.get_type_hints(cls)
    converters = {name: converter_for(hint) for name, hint in hints.items()}
    return ModelConverter(_fields_builder(converters, cls.__required_keys__), _lists(hints))


def _struct_converter(cls: Any) -> ModelConverter:
    import msgspec

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        try:
            return msgspec.convert(values, cls, strict=not is_form)
        except msgspec.ValidationError as error:
            raise FieldErrors(str(error)) from None

    return ModelConverter(from_fields, _lists(typing.get_type_hints(cls)))


def _pydantic_converter(cls: Any) -> ModelConverter:
    import pydantic

    def from_fields(values: dict[str, Any], is_form: bool) -> Any:
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            # Its own text would repeat what the client sent.
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            raise FieldErrors(
                "; ".join(f"'{'.'.join(map(str, p['loc']))}': {p['msg']}" for p in problems)
            ) from None

    return ModelConverter(from_fields, _lists(typing.get_type_hints(cls)))


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


def _lists(hints: dict[str, Any]) -> frozenset[str]:
    """Return the names of the fields that take a list."""
    return frozenset(
        name for name, hint in hints.items() if hint is list or typing.get_origin(hint) is list
    )
