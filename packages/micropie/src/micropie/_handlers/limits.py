"""`limit`: how large a body one handler takes, whatever its App takes otherwise."""

from collections.abc import Callable
from types import EllipsisType
from typing import TypeVar

from micropie.parameters import check_number
from micropie.types import Handler

H = TypeVar("H", bound=Handler)

# Where a handler keeps its limits: those of BodyLimits that it sets, by name.
LIMITS = "__body_limits__"


def limit(
    *, body: int | EllipsisType | None = ..., json: int | EllipsisType | None = ...
) -> Callable[[H], H]:
    """Set limits of a handler's own: `@limit(body=100 * 1024**2)`.

    What is left out stays as the App has it.

    Args:
        body: bytes of a body, instead of `max_body_size`; None for no limit.
        json: bytes of a JSON body, instead of `max_json_size`, and so how many values may be in
            it; None for no limit. It is held to the limit of a body as well.

    Raises:
        TypeError: no limit is given, or one is not an integer.
        ValueError: a limit is below 0.
    """
    given = {"max_size": body, "max_json_size": json}
    limits = {name: value for name, value in given.items() if value is not ...}
    if not limits:
        raise TypeError("limit() takes body, json or both, as in @limit(json=5 * 1024**2)")
    for name, value in (("body", body), ("json", json)):
        if value is not ...:
            check_number(f"limit({name}=...)", value, int, least=0, optional=True)

    def mark(handler: H) -> H:
        setattr(handler, LIMITS, limits)
        return handler

    return mark
