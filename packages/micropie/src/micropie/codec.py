"""JSON in and out: orjson when it is installed, the standard library otherwise.

Both write the same bytes for the same value, but for the exponents of some floats (1e-07 and 1e-7);
the standard library's path is the reference, and takes over whenever orjson refuses a value
(integers over 64 bits, keys that are numbers, ...). Public, for session backends to store with.
"""

import gc
import operator
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cache
from itertools import accumulate
from math import isfinite
from typing import Any

__all__ = ["MAX_DEPTH", "TooManyValues", "dumps", "dumps_strict", "loads"]

# Levels of arrays and objects: what a handler does with them by recursion, or JSON by Python's own
# library, must not come near the interpreter's limit of 1000 calls.
MAX_DEPTH = 500

# A client may send one value for each so many bytes that it may send. 1 MiB of the shortest values
# takes 100 ms and 60 MiB to parse, and up to 300 of each to make models of; with this limit 40.
_BYTES_A_VALUE = 16
# And so many in any case, which take 5 ms: a limit may be small, and dense what keeps to it.
_FEW_VALUES = 8 * 1024


class TooManyValues(ValueError):
    """A JSON document has more values than its sender may send."""


def dumps(value: Any) -> bytes:
    """Return *value* as compact UTF-8 JSON.

    Beside JSON's own types it takes datetime, date and time (ISO 8601), UUID and Decimal (as
    strings), Enum (its value) and dataclasses (objects). NaN and infinities become null. Structs
    of msgspec and models of pydantic are what those libraries make of them.

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


def loads(data: bytes, max_size: int | None = None) -> Any:
    """Return the value of a JSON document; integers keep every digit, a byte order mark is skipped.

    Args:
        data: the document.
        max_size: bytes that its sender may send; limits the values in it to one for each 16 of
            these, or 8,192 if that is more. Commas and opening brackets are counted, those in
            strings too, and a number with a negative exponent is two. None: no limit.

    Raises:
        TooManyValues: a ValueError; *data* has more.
        ValueError: *data* is not JSON in UTF-8 (RFC 8259), nests deeper than MAX_DEPTH, or holds a
            number or a character that no other program would be sure to read the same: NaN, an
            infinity, a lone surrogate.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    if max_size is not None:
        check_values(data, max_size)
    fast = _orjson_loads()
    if fast is not None and b"0" * _LONG in data.translate(_DIGITS_AS_ZEROS):
        fast = None  # orjson reads integers over 64 bits as floats
    if len(data) <= MAX_DEPTH or data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return _reference_loads(data) if fast is None else fast(data)
    with uncollected():
        if fast is not None:
            return _shallow(fast, data)
        value = _reference_loads(data)
        if _depth(data) > MAX_DEPTH:
            raise ValueError(_TOO_DEEP)
        return value


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the collector, which would look at all that is being made, again and again.

    To parse 1 MiB that is mostly brackets, it takes 60 ms of 90; to make models of it, half.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def check_values(data: bytes, max_size: int) -> None:
    """Check how many values *data* may have at *max_size*.

    Raises:
        TooManyValues, ValueError: as `loads`.
    """
    most = max(max_size // _BYTES_A_VALUE, _FEW_VALUES)
    if len(data) <= 2 * most:  # a value takes two bytes at least
        return
    values = sum(map(data.count, (b",", b"[", b"{")))
    if 2 * values > most:
        values += data.count(b"e-") + data.count(b"E-")  # numbers near zero take twice as long
    if values > most:
        if _depth(data) > MAX_DEPTH:  # what is malformed whatever the limit
            raise ValueError(_TOO_DEEP)
        raise TooManyValues(f"the JSON has more than {most} values")


def _reference_loads(data: bytes) -> Any:
    try:
        value = _decoder().decode(data.decode())
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    if b"\\u" in data:
        escapes = re.sub(_SURROGATE_PAIR, b"", data.replace(rb"\\", b""))
        if re.search(rb"\\u[dD][89a-fA-F]", escapes):
            raise ValueError("a lone surrogate")
    return value


# Two escapes that are one character (RFC 8259, 7). Compiled on first use.
_SURROGATE_PAIR = rb"\\u[dD][89abAB]..\\u[dD][c-fC-F].."

_TOO_DEEP = "nested too deep"

# Levels that orjson reads: it documents that, and a test holds it.
_ORJSON_DEPTH = 1024


def _shallow(fast: Callable[[bytes], Any], data: bytes) -> Any:
    """Parse *data* with orjson, and let that refuse what nests deeper than MAX_DEPTH.

    Inside so many arrays that its own limit is ours. A check of the bytes would take as long as
    orjson does, and one of the values several times as long.
    """
    around = _ORJSON_DEPTH - MAX_DEPTH
    try:
        value = fast(b"[" * around + data + b"]" * around)
    except ValueError as error:
        raise ValueError(_TOO_DEEP if "depth" in str(error) else "not JSON") from None
    for _ in range(around):
        (value,) = value  # two, if *data* closes an array that it has not opened
    return value


def _depth(data: bytes) -> int:
    """Return how deep the JSON document *data* nests."""
    if b"\\" in data:
        data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_of_strings = b"".join(data.split(b'"')[::2])
    bits = outside_of_strings.translate(_BRACKETS_AS_BITS, _NO_BRACKETS)
    bits += b"0" * (-len(bits) % 8)
    # Eight brackets a step: one a step takes as long as parsing does.
    eights = int(bits or b"0", 2).to_bytes(len(bits) // 8)
    rises, peaks = _profiles()
    depths = accumulate(map(rises.__getitem__, eights), initial=0)
    return max(map(operator.add, depths, map(peaks.__getitem__, eights)), default=0)


@cache
def _profiles() -> tuple[list[int], list[int]]:
    """Return, for each sequence of eight brackets, how far it rises, and up to where."""
    levels = [
        list(accumulate((bits >> place & 1) * 2 - 1 for place in range(7, -1, -1)))
        for bits in range(256)
    ]
    return [level[-1] for level in levels], [max(level) for level in levels]


_BRACKETS_AS_BITS = bytes.maketrans(b"[{]}", b"1100")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[{]}"))


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
            raise ValueError(f"{value} is not a JSON number")
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


# Digits that an integer of 64 bits or more has at least.
_LONG = 19
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:  # isfinite() takes a sixth longer
        raise ValueError("number out of range")
    return number


def _reference_dumps(value: Any) -> bytes:
    try:
        text: str = _encoder().encode(value)
    except ValueError:  # NaN or an infinity (or a cycle, which fails again)
        text = _encoder().encode(_without_nan(value, set()))
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: only an escape can carry it
        import json

        return json.dumps(json.loads(text), separators=(",", ":")).encode()


def is_model(value: Any) -> bool:
    """Tell whether *value* is a msgspec Struct, or a model or dataclass of pydantic."""
    # In this order: a class of pydantic takes 4 µs to say that it does not have something.
    cls = type(value)
    return hasattr(cls, "__pydantic_serializer__") or hasattr(cls, "__struct_fields__")


def is_dataclass(value: Any) -> bool:
    """Tell whether *value* is an instance of a dataclass, without importing what makes them."""
    return hasattr(type(value), "__dataclass_fields__")


def model_json(model: Any) -> bytes:
    """Return the JSON that msgspec or pydantic writes for a model of its own."""
    if hasattr(type(model), "__pydantic_serializer__"):
        dump: Callable[[], str] | None = getattr(model, "model_dump_json", None)
        # A dataclass of pydantic has no such method.
        return dump().encode() if dump else bytes(model.__pydantic_serializer__.to_json(model))
    import msgspec

    return msgspec.json.encode(model)


def _extra(value: Any) -> Any:
    """Turn one value that JSON does not know into one that it does."""
    if is_model(value):
        import json

        return json.loads(model_json(value))
    if is_dataclass(value):
        from dataclasses import fields

        return {field.name: getattr(value, field.name) for field in fields(value)}
    from datetime import date, datetime, time  # here: few apps need them, or those below

    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    from decimal import Decimal
    from uuid import UUID

    if isinstance(value, UUID | Decimal):
        return str(value)
    hint = "; did you forget to await it?" if hasattr(value, "__await__") else ""
    raise TypeError(f"{type(value).__name__} has no JSON form{hint}")


# Made on first use: the library takes 1.5 ms to import, and apps with orjson need none.
@cache
def _decoder() -> Any:
    from json import JSONDecoder

    return JSONDecoder(parse_constant=_refuse, parse_float=_finite)


@cache
def _encoder() -> Any:
    from json import JSONEncoder

    return JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_extra)


def _without_nan(value: Any, parents: set[int]) -> Any:
    """Copy *value* with null for every float that JSON can't write."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Enum):
        return _without_nan(value.value, parents)
    if is_dataclass(value):
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
        return orjson.Fragment(model_json(value)) if is_model(value) else _extra(value)

    def orjson_dumps(value: Any) -> bytes:
        return orjson.dumps(value, extra, options)

    return orjson_dumps
