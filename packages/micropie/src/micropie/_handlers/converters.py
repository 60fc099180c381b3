"""Annotations of handler parameters -> converters of what a request carries."""

import re
import types
import typing
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Union

from micropie._bodies.uploads import UploadFile
from micropie._handlers.converter import Converter, FileConverter, ListConverter
from micropie._handlers.models import model_converter

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID


def converter_for(annotation: Any) -> Converter | None:
    """Return the converter for *annotation*; None where the value stays as it came.

    Raises:
        TypeError: no value of a request can be converted to *annotation*.
    """
    if typing.get_origin(annotation) is typing.Annotated:
        annotation = annotation.__origin__
    if annotation in (Any, object):
        return None
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    if isinstance(annotation, type) and (annotation.__module__, annotation.__name__) in _NAMED:
        return _NAMED[annotation.__module__, annotation.__name__]
    if annotation is UploadFile:
        return FileConverter()
    model = model_converter(annotation, converter_for)
    if model is not None:
        return model
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of({member.value: member for member in annotation})
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
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
