"""describe: what annotations can't say of a handler."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal, TypeVar

H = TypeVar("H", bound=Callable[..., Any])

Source = Literal["path", "query", "body"]

_ATTRIBUTE = "__micropie_openapi__"


@dataclass(frozen=True, slots=True)
class Description:
    """What `describe` said of a handler; the attributes are its arguments."""

    summary: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    responses: Mapping[int, Any] = field(default_factory=dict)
    security: tuple[str, ...] | None = None
    deprecated: bool = False
    hidden: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)
    operation_id: str | None = None


def describe(
    *,
    summary: str | None = None,
    description: str | None = None,
    tags: Iterable[str] | None = None,
    responses: Mapping[int, Any] | None = None,
    security: Iterable[str] | None = None,
    deprecated: bool = False,
    hidden: bool = False,
    sources: Mapping[str, Source] | None = None,
    operation_id: str | None = None,
) -> Callable[[H], H]:
    """Say of a handler what its annotations and docstring can't; it stands above or below `@route`.

    Args:
        summary: one line, instead of the first one of the docstring.
        description: Markdown, instead of the rest of the docstring.
        tags: under which the page lists it; None for the class of the mounted App that has it.
        responses: more statuses, or other answers to those known. The value is a description
            ("there is no such item"), the annotation of the body, or a tuple of both,
            (annotation, description).
        security: the names of the schemes, any of which lets a request in: `["session"]`.
        deprecated: clients should no longer use it.
        hidden: it is not in the document.
        sources: where a parameter is looked for, if it is not where its annotation and default
            suggest: "path", "query" or "body".
        operation_id: the name for it in programs, instead of the handler's.

    Raises:
        TypeError: a status is not an integer, *tags* or *security* is a string, a source is
            unknown, or what is described is a class.
        ValueError: a status is not one of HTTP.
    """
    for name, value in (("tags", tags), ("security", security)):
        if isinstance(value, str):
            raise TypeError(f"{name} must be a list of strings, not a string")
    for status in responses or ():
        if not isinstance(status, int):
            raise TypeError(f"responses: the status {status!r} must be an integer")
        if not 100 <= status <= 599:
            raise ValueError(f"responses: {status} is not a status of HTTP")
    for name, source in (sources or {}).items():
        if source not in ("path", "query", "body"):
            raise TypeError(f"sources: {name!r} must be 'path', 'query' or 'body', not {source!r}")
    noted = Description(
        summary,
        description,
        None if tags is None else tuple(tags),
        dict(responses or {}),
        None if security is None else tuple(security),
        deprecated,
        hidden,
        dict(sources or {}),
        operation_id,
    )

    def mark(handler: H) -> H:
        if isinstance(handler, type):
            raise TypeError(f"describe stands on a handler, and {handler.__name__} is a class")
        setattr(getattr(handler, "__func__", handler), _ATTRIBUTE, noted)
        return handler

    return mark


def description_of(handler: Any) -> Description:
    """Return what `describe` said of *handler*."""
    found: Description = getattr(handler, _ATTRIBUTE, _NOTHING)
    return found


def phrase(status: int) -> str:
    """Return the words of HTTP for *status*."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"


_NOTHING = Description()
