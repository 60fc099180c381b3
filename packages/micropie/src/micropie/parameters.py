"""Checks of numbers that constructors take, with errors that name the parameter; public."""

from math import inf
from typing import Any

__all__ = ["LONGEST", "check_number", "check_seconds"]

# Seconds, 400 days: browsers keep no cookie longer (RFC 6265bis, 5.5), and what is counted in
# milliseconds overflows 32 bits much earlier.
LONGEST = 400 * 86400


def check_number(
    name: str,
    value: Any,
    kind: type[int] | type[float],
    *,
    least: float,
    most: float = inf,
    optional: bool = False,
) -> None:
    """Check that *value* is a number of *kind*, in a range; None passes if *optional*.

    Raises:
        TypeError: it is not such a number; a bool is not one.
        ValueError: it is below *least*, above *most*, or NaN.
    """
    if _is_number(name, value, kind, optional) and not least <= value <= most:
        limit = f"at most {most}" if value > most else f"at least {least}"
        raise ValueError(f"{name} must be {limit}, not {value!r}")


def check_seconds(name: str, value: Any, *, optional: bool = False) -> None:
    """Check that *value* is a number of seconds to wait; None passes if *optional*.

    Raises:
        TypeError: it is not a number; a bool is not one.
        ValueError: it is not above 0 and at most 400 days.
    """
    if _is_number(name, value, float, optional) and not 0 < value <= LONGEST:
        raise ValueError(f"{name} must be above 0 and at most {LONGEST}, not {value!r}")


def _is_number(name: str, value: Any, kind: type[int] | type[float], optional: bool) -> bool:
    """Return True for a number, False for a None that is allowed; raise for all else."""
    if value is None and optional:
        return False
    accepted = (int,) if kind is int else (int, float)
    if not isinstance(value, accepted) or isinstance(value, bool):
        wanted = "an integer" if kind is int else "a number"
        raise TypeError(f"{name} must be {wanted}{' or None' if optional else ''}, not {value!r}")
    return True
