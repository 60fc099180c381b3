"""Converters: how the values of one parameter become what its annotation says."""

import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Union

from micropie._bodies.uploads import UploadFile

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID


class FieldErrors(ValueError):
    """Values inside a model did not fit; the message names each field, and no value."""


class Converter:
    """How the values of one parameter are converted.

    Attributes:
        noun: what the value must be, for the error message: "an integer".
        from_text: converts a path segment, query value or form field.
        from_json: converts a value out of a JSON body, which has a type already.
        many: whether `from_text` takes all values of the name, as a list.
        is_file: whether it stands for uploaded files.
        is_model: whether it is a ModelConverter.

    Both functions raise ValueError, and nothing else, for a value that does not fit.
    """

    __slots__ = ("from_json", "from_text", "many", "noun")
    is_file = False
    is_model = False

    def __init__(
        self,
        noun: str,
        from_text: Callable[[Any], Any],
        from_json: Callable[[Any], Any],
        *,
        many: bool = False,
    ) -> None:
        self.noun = noun
        self.from_text = from_text
        self.from_json = from_json
        self.many = many


class ListConverter(Converter):
    """Converts each of the values of one name."""

    __slots__ = ()

    def __init__(self, item: Converter) -> None:
        def from_text(values: Any) -> list[Any]:
            return [item.from_text(value) for value in values]

        def from_json(values: Any) -> list[Any]:
            if not isinstance(values, list):
                raise ValueError
            return [item.from_json(value) for value in values]

        super().__init__(f"a list, each item {item.noun}", from_text, from_json, many=True)


class FileConverter(Converter):
    """Stands for an uploaded file, or all of one name: it converts nothing."""

    __slots__ = ()
    is_file = True

    def __init__(self, *, many: bool = False) -> None:
        super().__init__("an uploaded file", _misfit, _misfit, many=many)


class ModelConverter(Converter):
    """Makes a model out of a whole JSON object or form.

    Args:
        from_fields: takes the object as a dict and, for a form, True: its values are texts then,
            or lists of texts for the names in *lists*. Raises FieldErrors.
        lists: the fields that take all values of their name.
    """

    __slots__ = ("from_fields", "lists")
    is_model = True

    def __init__(
        self, from_fields: Callable[[dict[str, Any], bool], Any], lists: frozenset[str]
    ) -> None:
        def from_json(value: Any) -> Any:
            if not isinstance(value, dict):
                raise ValueError
            return from_fields(value, False)

        super().__init__("an object", _misfit, from_json)
        self.from_fields = from_fields
        self.lists = lists

    def from_form(self, form: dict[str, list[str]]) -> Any:
        """Return the model for the values of a form; raises FieldErrors."""
        fields: dict[str, Any] = {
            name: values if name in self.lists else values[0] for name, values in form.items()
        }
        return self.from_fields(fields, True)


def _misfit(_: Any) -> Any:
    raise ValueError


ConverterFor = Callable[[Any], Converter | None]


def value_converter(annotation: Any, converter_for: ConverterFor) -> Converter | None:
    """Return the converter for an annotation that is not a model; None if every value fits it.

    Args:
        annotation: of a parameter, or within another annotation.
        converter_for: finds the converters of annotations within this one.

    Raises:
        TypeError: no value in a request converts to *annotation*.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return converter_for(annotation.__origin__)
    if annotation in (Any, object):
        return None
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and (annotation.__module__, annotation.__name__) in _NAMED:
        return _NAMED[annotation.__module__, annotation.__name__]
    if annotation is UploadFile:
        return FileConverter()
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of({member.value: member for member in annotation})
    if origin is Literal:
        return _one_of({value: value for value in arguments})
    if origin is dict:
        return _SIMPLE[dict]
    if origin is list:
        item = converter_for(arguments[0]) or _AS_IS
        if item.is_file:
            return FileConverter(many=True)
        if not item.many:
            return ListConverter(item)
    if origin in (Union, types.UnionType) and len(arguments) == 2 and type(None) in arguments:
        (wanted,) = (argument for argument in arguments if argument is not type(None))
        return _optional(wanted, converter_for(wanted) or _AS_IS)
    raise TypeError(f"no value of a request can be converted to {_name(annotation)}")


def _optional(annotation: Any, inner: Converter) -> Converter:
    if inner.is_file or inner.is_model:
        return inner  # there is one, or the default is taken

    def from_text(text: str) -> Any:
        # An empty field of an HTML form is how a browser says "none"; a str may be empty.
        return None if text == "" and annotation is not str else inner.from_text(text)

    def from_json(value: Any) -> Any:
        return None if value is None else inner.from_json(value)

    if inner.many:  # a name that is there has one value at least
        return Converter(inner.noun, inner.from_text, from_json, many=True)
    return Converter(inner.noun, from_text, from_json)


def _one_of(choices: Mapping[Any, Any]) -> Converter:
    by_text = {str(value): choice for value, choice in choices.items()}

    def from_text(text: str) -> Any:
        try:
            return by_text[text]
        except KeyError:
            raise ValueError from None

    def from_json(value: Any) -> Any:
        for candidate, choice in choices.items():
            # True == 1 in Python, but not in JSON.
            if candidate == value and type(candidate) is type(value):
                return choice
        raise ValueError

    return Converter("one of " + ", ".join(repr(text) for text in by_text), from_text, from_json)


def _typed(*kinds: type) -> Callable[[Any], Any]:
    """Accept a JSON value that is of one of *kinds* already, and nothing else."""

    def from_json(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError
        return value

    return from_json


def _from_json_text(from_text: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Accept a JSON string that *from_text* converts."""

    def from_json(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError
        return from_text(value)

    return from_json


# int() would also take "1_000", " 1 " and digits of other scripts.
_INTEGER = re.compile(r"[+-]?[0-9]+")


def _int(text: str) -> int:
    if not (text.isdigit() and text.isascii()) and not _INTEGER.fullmatch(text):
        raise ValueError
    return int(text)  # ValueError past sys.get_int_max_str_digits()


# UUID() leaves the rest to int(), which takes as much again: "0x...", "+..." and " ...".
_UUID = r"(?i)(urn:uuid:)?\{?[0-9a-f-]+\}?"


def _uuid(text: str) -> "UUID":
    from uuid import UUID

    if not re.fullmatch(_UUID, text):
        raise ValueError
    return UUID(text)


def _check_plain(text: str) -> None:
    """Refuse what float() and Decimal() take beyond a plain number, as _INTEGER does for int()."""
    if not text.isascii() or "_" in text or text != text.strip():
        raise ValueError


def _float(text: str) -> float:
    _check_plain(text)
    value = float(text)
    if not isfinite(value):
        raise ValueError
    return value


def _json_float(value: Any) -> float:
    if type(value) not in (int, float):
        raise ValueError
    try:
        number = float(value)
    except OverflowError:
        raise ValueError from None
    if not isfinite(number):
        raise ValueError
    return number


def _decimal(text: str) -> "Decimal":
    from decimal import Decimal, InvalidOperation

    _check_plain(text)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError from None
    if not value.is_finite():
        raise ValueError
    return value


def _json_decimal(value: Any) -> "Decimal":
    if type(value) not in (int, float, str):
        raise ValueError
    return _decimal(str(value))


# "on" is what a browser sends for a ticked checkbox without a value.
_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True}
_BOOLEANS |= {"false": False, "0": False, "no": False, "off": False}


def _bool(text: str) -> bool:
    try:
        return _BOOLEANS[text.lower()]
    except KeyError:
        raise ValueError from None


def _unstructured(_: str) -> Any:
    raise ValueError


def _parsed(noun: str, parse: Callable[[str], Any]) -> Converter:
    return Converter(noun, parse, _from_json_text(parse))


def _itself(value: Any) -> Any:
    return value


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


_AS_IS = Converter("a value", _itself, _itself)

_SIMPLE: dict[Any, Converter] = {
    str: Converter("a string", _itself, _typed(str)),
    int: Converter("an integer", _int, _typed(int)),
    float: Converter("a number", _float, _json_float),
    bool: Converter("a boolean", _bool, _typed(bool)),
    bytes: _parsed("a string", str.encode),
    datetime: _parsed("a date and time (ISO 8601)", datetime.fromisoformat),
    date: _parsed("a date (ISO 8601)", date.fromisoformat),
    time: _parsed("a time (ISO 8601)", time.fromisoformat),
    # JSON values with a structure of their own; text has none.
    dict: Converter("an object", _unstructured, _typed(dict)),
    list: ListConverter(_AS_IS),
}

# By module and name: few apps need these, and those that name one have imported its module.
_NAMED = {
    ("uuid", "UUID"): _parsed("a UUID", _uuid),
    ("decimal", "Decimal"): Converter("a decimal number", _decimal, _json_decimal),
}
