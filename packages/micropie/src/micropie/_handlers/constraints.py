"""Constraints: what the metadata of an Annotated demands of a value that was converted."""

import math
import operator
import typing
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from micropie._handlers.annotations import is_of, unwrapped
from micropie._handlers.converters import Converter, FieldErrors
from micropie._handlers.libraries import msgspec_errors

Test = Callable[[Any], Any]


def constrained(converter: Converter, annotation: Any) -> Converter:
    """Return a converter like *converter* whose values keep the constraints of *annotation*.

    Args:
        converter: of what is annotated.
        annotation: an Annotated; metadata that is not a constraint is for others, and ignored.

    Raises:
        TypeError: a constraint can't be kept.
    """
    base = unwrapped(annotation)
    kind = typing.get_origin(base) or base
    tests = [test for each in annotation.__metadata__ for test in tests_of(each, kind)]
    is_msgspecs = any(is_of("msgspec", metadata) for metadata in annotation.__metadata__)
    if not tests and not is_msgspecs:
        return converter
    if converter.is_file:
        raise TypeError("constraints are for values, not for uploaded files")
    if is_msgspecs:
        tests.append((_msgspec_test(annotation), ""))

    def kept(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def converted(given: Any) -> Any:
            value = convert(given)
            for test, words in tests if value is not None else ():
                try:
                    fits = test(value)
                except (ArithmeticError, TypeError):  # a time without a zone beside one with, say
                    fits = False
                if not fits:
                    raise FieldErrors(("", f"must {words}"))
            return value

        return converted

    ways = {name: getattr(converter, name) for name in ("from_text", "from_json", "from_form")}
    changed: Any = {name: kept(way) for name, way in ways.items() if way is not None}
    return replace(converter, **changed)


def _divides(value: Any, unit: Any) -> bool:
    if isinstance(value, float):
        # 0.3 is 3 times 0.1, though not in binary; pydantic allows for as much.
        return abs(math.remainder(value, unit)) <= abs(value) * 1e-9
    return bool(value % unit == 0)


# The classes of annotated_types: the attribute with the bound, the test, and its words.
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], Any], str]] = {
    "Gt": ("gt", operator.gt, "be greater than"),
    "Ge": ("ge", operator.ge, "be at least"),
    "Lt": ("lt", operator.lt, "be less than"),
    "Le": ("le", operator.le, "be at most"),
    "MinLen": ("min_length", lambda value, n: len(value) >= n, "have a length of at least"),
    "MaxLen": ("max_length", lambda value, n: len(value) <= n, "have a length of at most"),
    "MultipleOf": ("multiple_of", _divides, "be a multiple of"),
}

# To try constraints on, so that one that fits no value of the type is found before a request comes.
_SAMPLES = {int: 0, float: 0.0, str: "", bytes: b"", list: [], dict: {}}


def tests_of(metadata: Any, kind: Any) -> Iterator[tuple[Test, str]]:
    """Yield what *metadata* of annotated_types demands, in words too; nothing for all other.

    Raises:
        TypeError: it is of a class that is not known here, or no value of *kind* can be like that.
    """
    names = [cls.__name__ for cls in type(metadata).__mro__ if cls.__module__ == "annotated_types"]
    if not names or names[0] in ("Unit", "DocInfo"):  # they say something, and demand nothing
        return
    if "GroupedMetadata" in names:
        for part in metadata:
            yield from tests_of(part, kind)
    elif names[0] == "Predicate":
        yield metadata.func, f"satisfy {getattr(metadata.func, '__name__', 'a condition')}"
    elif names[0] in _BOUNDS:
        attribute, test, words = _BOUNDS[names[0]]
        bound = getattr(metadata, attribute)
        if kind in _SAMPLES:
            test(_SAMPLES[kind], bound)
        yield lambda value: test(value, bound), f"{words} {bound}"
    else:
        raise TypeError(f"the constraint {metadata} is not known")


def _msgspec_test(annotation: Any) -> Test:
    import msgspec

    msgspec.json.Decoder(annotation)  # raises TypeError for what can't be demanded of the type

    def test(value: Any) -> bool:
        try:
            msgspec.convert(value, annotation)  # whose parts were converted already
        except msgspec.ValidationError as error:
            raise msgspec_errors(error) from None
        return True

    return test
