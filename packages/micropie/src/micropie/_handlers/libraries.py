"""msgspec and pydantic: what is theirs to validate, out of JSON and out of forms."""

import dataclasses
import re
import typing
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from enum import Enum
from typing import Any

from micropie import codec
from micropie._handlers.annotations import members_of, unwrapped
from micropie._handlers.converters import MAX_PROBLEMS, Converter, FieldErrors, misfit
from micropie._handlers.values import bounded_decimal, value_converter
from micropie.codec import check_values


def struct_converter(cls: Any) -> Converter:
    """Return the converter for a msgspec Struct.

    Raises:
        TypeError: msgspec can't convert one of its fields.
        NameError: one of its annotations can't be resolved yet.
    """
    import msgspec

    msgspec.json.Decoder(cls)
    kind, noun = (list, "an array") if cls.__struct_config__.array_like else (dict, "an object")

    def from_json(value: Any, *, strict: bool = True) -> Any:
        if not isinstance(value, kind):
            raise ValueError
        try:
            return msgspec.convert(value, cls, strict=strict, str_keys=True)
        except msgspec.ValidationError as error:
            raise msgspec_errors(error) from None

    fields = {field.encode_name: field.type for field in msgspec.structs.fields(cls)}
    read = _form_reader(fields, Enum, bool)
    return Converter(noun, misfit, from_json, lambda form: from_json(read(form), strict=False))


def msgspec_errors(error: Exception) -> FieldErrors:
    """Return what a `msgspec.ValidationError` says, without what the client sent."""
    message, _, place = re.sub(_ECHO, r"\1\3", str(error)).partition(" - at ")
    # "`$.items[0].scores[...]`", and "`key` in `$.scores`" for a key that does not fit.
    path = re.sub(r"\[(\d+)\]", r".\1", place.replace("[...]", ".*"))
    path = path.replace("`", "").removeprefix("key in ").removeprefix("$")
    missing = re.search(r"missing required field `([^`]+)`", message)
    return FieldErrors(((f"{path}.{missing[1]}" if missing else path).removeprefix("."), message))


# Where msgspec repeats what the client sent: values of enums and tags, and unknown names.
_ECHO = (
    r"(?s)\A(Invalid (?:enum )?value|Object contains unknown field) (?:(['\"`]).*?\2|-?\d+)"
    r"( - at `[^`]*`)?\Z"
)


def pydantic_converter(annotation: Any) -> Converter:
    """Return the converter for a model of pydantic, or for what has metadata of pydantic.

    Raises:
        TypeError: pydantic can't validate it.
        NameError: one of its annotations can't be resolved yet.
    """
    import pydantic

    cls = unwrapped(annotation)
    try:
        if hasattr(cls, "model_rebuild"):
            cls.model_rebuild()
        # Its own methods where there are: TypeAdapter of pydantic 2.0 takes fewer models.
        is_own = cls is annotation and hasattr(cls, "model_validate")
        adapter: Any = cls if is_own else pydantic.TypeAdapter(annotation)
        from_python = adapter.model_validate if is_own else adapter.validate_python
        from_text = adapter.model_validate_json if is_own else adapter.validate_json
        schema = repr(adapter.__pydantic_core_schema__ if is_own else adapter.core_schema)
        names = _pydantic_names(adapter.model_json_schema if is_own else adapter.json_schema)
    except NameError:
        raise
    except Exception as error:  # pydantic's have no base class of their own
        raise TypeError(str(error).partition("\n")[0]) from None

    def validate(value: Any, how: Callable[[Any], Any] = from_python) -> Any:
        try:
            valid = how(value)
        except pydantic.ValidationError as error:
            raise _pydantic_errors(error, names) from None
        return bounded_decimal(valid) if type(valid).__name__ == "Decimal" else valid

    # Only then its mode for JSON differs: a strict date is a text. It takes many times as long.
    is_special = "'strict': True" in schema or "'base64'" in schema

    def from_json(value: Any) -> Any:
        return validate(codec.dumps(value), from_text) if is_special else validate(value)

    fields = _model_fields(annotation)
    if fields is not None:
        read_form = _form_reader(fields, Enum)
        return Converter("an object", misfit, from_json, lambda form: validate(read_form(form)))
    read, items = _reader(annotation, (Enum,))

    def from_query(text: Any) -> Any:
        return validate(read(text if items else [text]))

    of_models = bool(items) and _model_fields(items[0]) is not None
    many = bool(items)
    return Converter("another value", from_query, from_json, many=many, of_models=of_models)


def _model_fields(annotation: Any) -> dict[str, Any] | None:
    """Return the annotations of a model's fields by their names in a form; None for no model."""
    cls, *others = (each for each in members_of(annotation) if each is not type(None))
    if hasattr(cls, "model_fields") and not others:
        fields = {}
        for name, field in cls.model_fields.items():
            aliases = getattr(field.validation_alias, "choices", [field.validation_alias])
            hint = field.annotation
            if field.metadata:
                hint = typing.Annotated[(hint, *field.metadata)]
            fields.update({a: hint for a in (name, *aliases) if isinstance(a, str)})
        return fields
    is_model = dataclasses.is_dataclass(cls) or hasattr(cls, "__required_keys__")
    return typing.get_type_hints(cls, include_extras=True) if is_model and not others else None


def _pydantic_names(json_schema: Callable[..., Any]) -> frozenset[str]:
    """Return the names that the fields of a model, and of those within it, have in JSON."""
    import pydantic

    class Quiet(pydantic.json_schema.GenerateJsonSchema):
        ignored_warning_kinds = {  # noqa: RUF012 - its base class's
            "skipped-choice",
            "non-serializable-default",
        }

    try:
        schema = json_schema(schema_generator=Quiet)
    except pydantic.errors.PydanticUserError as error:
        if error.code == "class-not-fully-defined":
            raise NameError(str(error).partition(";")[0]) from None
        return frozenset()  # a field has no JSON schema: name none
    models = [schema, *schema.get("$defs", {}).values()]
    return frozenset(name for model in models for name in model.get("properties", ()))


# What is wrong with a whole document that is not an object.
_NO_OBJECT = ("model_type", "model_attributes_type", "dataclass_type", "dict_type")


def _pydantic_errors(error: Any, names: Collection[str]) -> ValueError:
    """Return what a `pydantic.ValidationError` says, whose own text repeats what the client sent.

    In the place of each problem a star stands for the parts that the client named: keys of a
    dict, and fields that the model does not have.
    """
    if error.error_count() > MAX_PROBLEMS:
        return FieldErrors(("", f"{error.error_count()} values do not fit"))
    found = []
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] in _NO_OBJECT and not problem["loc"]:
            return ValueError()
        parts = (str(p) if isinstance(p, int) or p in names else "*" for p in problem["loc"])
        # The text of this one repeats the tag.
        is_tag = problem["type"] == "union_tag_invalid"
        message = "the tag is none of the expected ones" if is_tag else problem["msg"]
        found.append((".".join(parts), message))
    return FieldErrors(*found)


def _form_reader(
    fields: dict[str, Any], *kinds: type
) -> Callable[[dict[str, list[str]]], dict[str, Any]]:
    """Return a function that makes of a form what a library can validate.

    Args:
        fields: the annotations by the names of the fields.
        kinds: what is converted here, because the library knows too few texts for it.
    """
    readers = {name: _reader(hint, kinds)[0] for name, hint in fields.items()}
    first = _reader(str, kinds)[0]

    def read_form(form: dict[str, list[str]]) -> dict[str, Any]:
        values = {}
        for name in form:
            try:
                values[name] = readers.get(name, first)(form[name])
            except FieldErrors as error:
                raise error.inside(name) from None
        return values

    return read_form


def _reader(hint: Any, kinds: tuple[type, ...]) -> tuple[Callable[[list[str]], Any], Any]:
    """Return what reads the values of a name for *hint*, and the annotation of its items, if any.

    The latter is in a tuple, which is empty for what takes one value.
    """
    members = members_of(hint)
    items = next((typing.get_args(m)[:1] or (str,) for m in members if _is_collection(m)), ())
    item = _reader(items[0], kinds)[0] if items else None
    inner = members_of(items[0] if items else hint)
    is_optional = type(None) in members and str not in inner
    choices = [
        value_converter(member, lambda _: None)
        for member in members
        if str not in members
        and (typing.get_origin(member) is typing.Literal or _is_class(member, kinds))
    ]

    is_json = any(each.__name__ == "Json" for each in inner if isinstance(each, type))

    def read(values: list[str]) -> Any:
        if is_json:
            try:
                check_values("".join(values).encode(), _FIELD_OF_JSON)
            except codec.TooManyValues as error:
                raise FieldErrors(("", str(error))) from None
        # An input that was left empty; where one value is taken, the first counts.
        if is_optional and (values if item is not None else values[:1]) == [""]:
            return None
        if item is not None:
            return [item([value]) for value in values]
        for choice in choices:
            with suppress(ValueError):
                return choice.from_text(values[0]) if choice else values[0]
        return values[0]

    return read, items


# Bytes that limit the values of a pydantic.Json, which it makes in one step: 30 ms for models.
_FIELD_OF_JSON = 256 * 1024


def _is_collection(hint: Any) -> bool:
    origin = typing.get_origin(hint) or hint
    return _is_class(origin, Collection) and not _is_class(origin, (str, bytes, bytearray, Mapping))


def _is_class(hint: Any, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(hint, type) and issubclass(hint, kinds)
