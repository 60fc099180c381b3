"""An App whose annotations are strings, and mean names of this module alone."""

from __future__ import annotations

import functools
from datetime import date as day
from enum import Enum
from typing import Optional

from micropie import App


class Color(Enum):
    RED = "red"
    BLUE = "blue"


def plain(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return await function(*args, **kwargs)

    return wrapper


class Annotated(App):
    async def show(
        self,
        number: int,
        *,
        when: day,
        colors: list[Color],
        size: Optional[float] = None,  # noqa: UP045 - as older code writes it
    ) -> Nowhere:  # noqa: F821 - nobody asks for the type of a result
        return [number, when, colors, size]

    decorated = plain(show)
