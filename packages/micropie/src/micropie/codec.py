"""JSON in and out: orjson when it is installed, the standard library otherwise.

Both write the same bytes for the same value, but for the exponents of some floats (1e-07 and 1e-7);
the standard library's path is the reference, and takes over whenever orjson refuses a value
(integers over 64 bits, keys that are numbers, ...). Public, for session backends to store with.
"""

import dataclasses
import json
import re
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from functools import cache
from itertools import chain
from math import isfinite
from typing import Any

__all__ = ["MAX_DEPTH", "dumps", "dumps_strict", "loads"]

# Levels of arrays and objects: what a handler does with them by recursion, or JSON by Python's own
# library, must not come near the interpreter's limit of 1000 calls.
MAX_DEPTH = 500


def dumps(value: Any) -> bytes:
    """Return *value* as compact UTF-8 JSON.

    Beside JSON's own types it takes datetime, date and time (ISO 8601), UUID and Decimal (as
    strings), Enum (its value) and dataclasses (objects). NaN and infinities become null. A msgspec
    Struct and a pydantic model are what those libraries make of them.

    Raises:
        TypeError: something in *value* has no JSON form.
        ValueError: *value* contains itself.
    """
    fast = _orjson_dumps()
    if fast is not None:
        try:
            return fast(value)
        except TypeError:
            pass
    return _reference_dumps(value)


def loads(data: bytes) -> Any:
    """Return the value of a JSON document; integers keep every digit.

    Raises:
        ValueError: *data* is not JSON in UTF-8 (RFC 8259), nests deeper than MAX_DEPTH, or holds a
            number or a character that no other program would be sure to read the same: NaN, an
            infinity, a lone surrogate.
    """
    fast = _orjson_loads()
    # orjson reads integers over 64 bits as floats.
    if fast is not None and not _has_long_digits(data):
        value = fast(data)
    else:
        value = _reference_loads(data)
    # Few documents have so many brackets that it is worth looking at all of their values.
    if (
        len(data) > MAX_DEPTH
        and data.count(b"[") + data.count(b"{") > MAX_DEPTH
        and _is_deep(value)
    ):
        raise ValueError(_TOO_DEEP)
    return value


def _reference_loads(data: bytes) -> Any:
    try:
        value = json.loads(data.decode(), parse_constant=_refuse, parse_float=_finite)
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode()  # raises for a lone surrogate
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    return value


_TOO_DEEP = "nested too deep"


def _is_deep(value: Any) -> bool:
    """Tell whether *value* has more levels of dicts and lists than are allowed."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, dict | list)]
        if not level:
            return False
        values = (item.values() if isinstance(item, dict) else item for item in level)
        level = list(chain.from_iterable(values))
    return True


def dumps_strict(value: Any) -> bytes:
    """Return *value* as JSON that `loads` turns into an equal value of the same types.

    Raises:
        TypeError: something in *value* is of a type that JSON does not have, a tuple or a
            number as a key of an object included; the message is that type's name.
        ValueError: NaN, an infinity, a lone surrogate, or *value* nests deeper than MAX_DEPTH, as
            one that contains itself does.
    """
    _check_strict(value, MAX_DEPTH)
    return dumps(value)


def _check_strict(value: Any, levels: int) -> None:
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value} is no JSON number")
    elif not isinstance(value, dict | list):
        raise TypeError(type(value).__name__)
    elif not levels:
        raise ValueError(_TOO_DEEP)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{type(key).__name__} as a key")
            key.encode()
            _check_strict(item, levels - 1)
    else:
        for item in value:
            _check_strict(item, levels - 1)


_DIGIT = re.compile(rb"[0-9]")
_LONG_DIGITS = re.compile(rb"[0-9]{19}")


def _has_long_digits(data: bytes) -> bool:
    """Tell whether *data* may hold an integer of 64 bits or more: 19 digits in a row.

    Those would cover one of every nineteenth place, which are looked at first.
    """
    return bool(_DIGIT.search(data[18::19]) and _LONG_DIGITS.search(data))


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("number out of range")
    return number


def _reference_dumps(value: Any) -> bytes:
    try:
        text = _ENCODER.encode(value)
    except ValueError:  # NaN or an infinity (or a cycle, which fails again)
        text = _ENCODER.encode(_without_nan(value, set()))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only an escape can carry it
        return json.dumps(json.loads(text), separators=(",", ":")).encode()


def is_model(value: Any) -> bool:
    """Tell whether *value* is a msgspec Struct, or a model or dataclass of pydantic."""
    cls = type(value)
    return hasattr(cls, "__struct_fields__") or hasattr(cls, "__pydantic_serializer__")


def _model_json(model: Any) -> bytes:
    """Return the JSON that msgspec or pydantic writes for a model of its own."""
    if hasattr(model, "__struct_fields__"):
        import msgspec

        return msgspec.json.encode(model)
    dump: Callable[[], str] | None = getattr(model, "model_dump_json", None)
    # A dataclass of pydantic has no such method.
    return dump().encode() if dump else bytes(model.__pydantic_serializer__.to_json(model))


def _extra(value: Any) -> Any:
    """Turn one value that JSON does not know into one that it does."""
    if is_model(value):
        return json.loads(_model_json(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    from decimal import Decimal  # here: few apps need them
    from uuid import UUID

    if isinstance(value, UUID | Decimal):
        return str(value)
    hint = "; did you forget to await it?" if hasattr(value, "__await__") else ""
    raise TypeError(f"{type(value).__name__} has no JSON form{hint}")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_extra
)


def _without_nan(value: Any, parents: set[int]) -> Any:
    """Copy *value* with null for every float that JSON can't write."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Enum):
        return _without_nan(value.value, parents)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = _extra(value)
    if not isinstance(value, dict | list | tuple):
        return value
    if id(value) in parents:
        raise ValueError("a JSON value can't contain itself")
    inside = parents | {id(value)}
    if isinstance(value, dict):
        return {key: _without_nan(item, inside) for key, item in value.items()}
    return [_without_nan(item, inside) for item in value]


@cache
def _orjson_loads() -> Callable[[bytes], Any] | None:
    try:
        import orjson
    except ImportError:
        return None
    return orjson.loads


@cache
def _orjson_dumps() -> Callable[[Any], bytes] | None:
    try:
        import orjson
    except ImportError:
        return None
    # orjson leaves out a dataclass's _private fields, and rounds the seconds of an odd time zone;
    # through the hook they are all there.
    options = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

    def extra(value: Any) -> Any:
        return orjson.Fragment(_model_json(value)) if is_model(value) else _extra(value)

    def orjson_dumps(value: Any) -> bytes:
        return orjson.dumps(value, extra, options)

    return orjson_dumps
