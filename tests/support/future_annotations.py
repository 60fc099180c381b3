"""Apps whose annotations are strings, and mean names of this module alone."""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass
from datetime import date as day
from enum import Enum
from typing import NotRequired, Optional, Required, TypedDict

import annotated_types as at
import pydantic

from micropie import App, UploadFile


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


@dataclass
class Point:
    x: int
    y: int = 0


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


class LooseMovie(TypedDict, total=False):
    title: Required[str]
    year: int


class Labels(pydantic.BaseModel):
    labels: list[str]


class BodyHandlers(App):
    async def typed(self, number: int, colors: list[Color]):
        return [number, colors]

    async def upload(self, file: UploadFile):
        return file.filename

    async def point(self, point: Point):
        return point

    async def movie(self, movie: Movie):
        return movie

    async def loose(self, movie: LooseMovie):
        return movie

    async def labels(self, labels: Labels):
        return labels.labels

    async def bounded(self, number: typing.Annotated[int, at.Gt(LIMIT)]):
        return number


LIMIT = 10  # after the class that names it
