"""Values: the converters of annotations that are not models; numbers, dates, choices, lists."""

import re
import types
import typing
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from enum import Enum
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Union

from micropie._bodies.uploads import UploadFile
from micropie._handlers.annotations import members_of, unwrapped
from micropie._handlers.converters import Converter, dict_converter, list_converter, misfit

if TYPE_CHECKING:
    from decimal import Decimal
    from uuid import UUID

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
    if annotation is Any or annotation is object:
        return None
    if isinstance(annotation, type):  # not all else can be hashed
        if annotation in _SIMPLE:
            return _SIMPLE[annotation]
        if (annotation.__module__, annotation.__name__) in _NAMED:
            return _NAMED[annotation.__module__, annotation.__name__]
        if annotation is UploadFile:
            return _FILE
        if issubclass(annotation, Enum):
            return _one_of([(m.value, m) for m in annotation], annotation._missing_)
    if origin in (Literal, Union, types.UnionType):
        null = None if origin is Literal else type(None)
        wanted = [argument for argument in arguments if argument is not null]
        if origin is Literal:
            choices = [(v.value if isinstance(v, Enum) else v, v) for v in wanted]
            return _optional(_one_of(choices)) if null in arguments else _one_of(choices)
        if len(wanted) == 1:
            inner = converter_for(wanted[0]) or AS_IS
            bare = unwrapped(wanted[0])
            items = typing.get_args(bare)[:1] or (str,) if inner.many else (bare,)
            return _optional(inner, keeps_empty=str in members_of(items[0]))
    if origin is dict and arguments:
        key, item = (converter_for(argument) or AS_IS for argument in arguments)
        if not (key.many or key.from_form or key.is_file or item.is_file):
            return dict_converter(key, item)
    if origin is list and arguments:
        item = converter_for(arguments[0]) or AS_IS
        return replace(_FILE, many=True) if item.is_file else list_converter(item)
    if origin in (dict, list) and not arguments:  # typing.Dict, typing.List
        return _SIMPLE[origin]
    raise TypeError(f"no value of a request can be converted to {_name(annotation)}")


def _optional(inner: Converter, *, keeps_empty: bool = False) -> Converter:
    """Return a converter like *inner* that takes null too, and an input that was left empty."""
    if inner.is_file:
        return inner  # there is one, or the default is taken

    def from_text(text: Any) -> Any:
        # An empty field of an HTML form is how a browser says "none"; a str may be empty.
        return None if text in ("", [""]) and not keeps_empty else inner.from_text(text)

    def from_json(value: Any) -> Any:
        return None if value is None else inner.from_json(value)

    return replace(inner, from_text=from_text, from_json=from_json)


def _one_of(
    choices: list[tuple[Any, Any]], find: Callable[[str], Any] = lambda _: None
) -> Converter:
    """Return the converter for one of some values.

    Args:
        choices: the values, each with what it stands for.
        find: returns what another text stands for, or None.
    """
    # True is "true" in text, as in JSON.
    by_text = {str(v).lower() if type(v) is bool else str(v): choice for v, choice in choices}

    def other(value: Any) -> Any:
        choice = find(value) if type(value) is str else None
        if choice is None:
            raise ValueError
        return choice

    def from_text(text: str) -> Any:
        return by_text[text] if text in by_text else other(text)

    def from_json(value: Any) -> Any:
        for candidate, choice in choices:
            # True == 1 in Python, but not in JSON.
            if candidate == value and type(candidate) is type(value):
                return choice
        return other(value)

    return Converter("one of " + ", ".join(repr(text) for text in by_text), from_text, from_json)


def _typed(*kinds: type) -> Callable[[Any], Any]:
    """Accept a JSON value that is of one of *kinds* already, and nothing else."""

    def from_json(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError
        return value

    return from_json


# int() would also take "1_000", " 1 " and digits of other scripts.
_INTEGER = re.compile(r"[+-]?[0-9]+")


def _int(text: str) -> int:
    if not (text.isdigit() and text.isascii()) and not _INTEGER.fullmatch(text):
        raise ValueError
    return int(text)  # ValueError past sys.get_int_max_str_digits()


def _json_int(value: Any) -> int:
    # To JSON Schema 1.0 is an integer (draft 2020-12, 4.2.3), and some clients write it so.
    if type(value) is float and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if type(value) is not int:
        raise ValueError
    return value


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


# Digits of a Decimal before the point, and behind it: enough for any float.
# int(), round() and format() write all of them out: of "1e999990" for half a minute.
_DECIMAL_DIGITS = 400


def _decimal(text: str) -> "Decimal":
    from decimal import Decimal, InvalidOperation

    _check_plain(text)
    if len(text) > 3 * _DECIMAL_DIGITS:
        raise ValueError
    try:
        return bounded_decimal(Decimal(text))
    except InvalidOperation:
        raise ValueError from None


def bounded_decimal(value: "Decimal") -> "Decimal":
    """Return *value*; raise ValueError for one whose digits, written out, would not end."""
    last = value.as_tuple().exponent  # of the last digit; a letter for NaN and Infinity
    if isinstance(last, str) or last < -_DECIMAL_DIGITS or value.adjusted() > _DECIMAL_DIGITS:
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


def _parsed(noun: str, parse: Callable[[str], Any]) -> Converter:
    """Return the converter for what *parse* makes of text, also of a string in JSON."""

    def from_json(value: Any) -> Any:
        if type(value) is not str:
            raise ValueError
        return parse(value)

    return Converter(noun, parse, from_json)


def _itself(value: Any) -> Any:
    return value


def _name(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


AS_IS = Converter("a value", _itself, _itself)

_FILE = Converter("an uploaded file", misfit, misfit, is_file=True)

_SIMPLE: dict[Any, Converter] = {
    str: Converter("a string", _itself, _typed(str)),
    int: Converter("an integer", _int, _json_int),
    float: Converter("a number", _float, _json_float),
    bool: Converter("a boolean", _bool, _typed(bool)),
    bytes: _parsed("a string", str.encode),
    datetime: _parsed("a date and time (ISO 8601)", datetime.fromisoformat),
    date: _parsed("a date (ISO 8601)", date.fromisoformat),
    time: _parsed("a time (ISO 8601)", time.fromisoformat),
    # JSON values with a structure of their own; text has none.
    dict: Converter("an object", misfit, _typed(dict)),
    list: list_converter(AS_IS),
}

# By module and name: few apps need these, and those that name one have imported its module.
_NAMED = {
    ("uuid", "UUID"): _parsed("a UUID", _uuid),
    ("decimal", "Decimal"): Converter("a decimal number", _decimal, _json_decimal),
}
