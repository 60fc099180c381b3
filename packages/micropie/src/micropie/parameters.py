"""Checks of numbers that constructors take, with errors that name the parameter; public."""

from math import inf
from typing import Any

__all__ = ["check_number", "check_seconds"]


def check_number(
    name: str, value: Any, kind: type[int] | type[float], *, least: float, optional: bool = False
) -> None:
    """Check that *value* is a number of *kind*, and at least *least*; None passes if *optional*.

    Raises:
        TypeError: it is not such a number; a bool is not one.
        ValueError: it is too small, or NaN.
    """
    if _is_number(name, value, kind, optional) and not value >= least:
        raise ValueError(f"{name} must be at least {least}, not {value!r}")


def check_seconds(name: str, value: Any, *, optional: bool = False) -> None:
    """Check that *value* is a number of seconds to wait; None passes if *optional*.

    Raises:
        TypeError: it is not a number; a bool is not one.
        ValueError: it is not above 0 and finite.
    """
    if _is_number(name, value, float, optional) and not 0 < value < inf:
        raise ValueError(f"{name} must be above 0 and finite, not {value!r}")


def _is_number(name: str, value: Any, kind: type[int] | type[float], optional: bool) -> bool:
    """Return True for a number, False for a None that is allowed; raise for all else."""
    if value is None and optional:
        return False
    accepted = (int,) if kind is int else (int, float)
    if not isinstance(value, accepted) or isinstance(value, bool):
        wanted = "an integer" if kind is int else "a number"
        raise TypeError(f"{name} must be {wanted}{' or None' if optional else ''}, not {value!r}")
    return True
