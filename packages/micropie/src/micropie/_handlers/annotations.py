"""Annotations: how they are read, whatever their spelling."""

import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any


class UnresolvedAnnotation(TypeError):
    """An annotation has a name that is not defined, or not yet."""


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of *function*; an annotation may be a string or a `ForwardRef`.

    Since Python 3.14 annotations are evaluated on access (PEP 649), so a name that exists only for
    type checkers would raise here, even in the annotation of the result, which is not needed.
    """
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.FORWARDREF)
    return inspect.signature(function)


def check_default(parameter: inspect.Parameter) -> None:
    """Reject what a library, or dataclasses, understands as a default in its own models only.

    Raises:
        TypeError: *parameter* has such a default.
    """
    default = parameter.default
    kind = type(default).__name__
    if is_of("pydantic", default) and kind == "FieldInfo":
        raise TypeError(
            f"'{parameter.name}': Field() is not a default; use Annotated[..., Field()]"
        )
    if (is_of("dataclasses", default) and kind == "Field") or is_of("msgspec", default):
        raise TypeError(f"'{parameter.name}': field() is not a default outside of a model")


def evaluated(annotation: Any, namespace: dict[str, Any]) -> Any:
    """Return what *annotation* means, and each part of it: any may be a string, or be deferred.

    Args:
        annotation: as `signature` gives it.
        namespace: the globals of the function that has it.

    Raises:
        Exception: anything, as the source of an annotation may.
    """

    def holder() -> None: ...  # for `get_type_hints`, which resolves list["Item"] too

    holder.__annotations__ = {"its": annotation}
    return typing.get_type_hints(holder, namespace, include_extras=True)["its"]


def unwrapped(annotation: Any) -> Any:
    """Return what *annotation* means without Annotated, and behind the names of types.

    That of `pydantic.Json[X]` is Json: it comes as one text, whatever X is.
    """
    if typing.get_origin(annotation) is typing.Annotated:
        for metadata in annotation.__metadata__:
            kind = metadata if isinstance(metadata, type) else type(metadata)
            if kind.__name__ == "Json" and kind.__module__.startswith("pydantic"):
                return kind
        return unwrapped(annotation.__origin__)
    meant = named_type(annotation)
    return annotation if meant is annotation else unwrapped(meant)


def members_of(annotation: Any) -> list[Any]:
    """Return the types that a value of *annotation* may be of."""
    annotation = unwrapped(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for part in typing.get_args(annotation) for member in members_of(part)]
    return [annotation]


def named_type(annotation: Any) -> Any:
    """Return the type behind a NewType, a `type` alias or a mark of a field; or *annotation*."""
    if isinstance(annotation, typing.NewType):
        return annotation.__supertype__
    if type(annotation).__name__ == "TypeAliasType":  # typing's since 3.12, or typing_extensions'
        return annotation.__value__
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if getattr(origin, "_name", None) in ("Required", "NotRequired", "ReadOnly", "Final"):
        return arguments[0]
    return annotation


def is_of(library: str, metadata: Any) -> bool:
    """Tell whether *metadata* is of a class of *library*."""
    return type(metadata).__module__.partition(".")[0] == library


def all_metadata(annotation: Any) -> Iterator[Any]:
    """Yield the metadata of *annotation*, and of the annotations within it."""
    annotation = named_type(annotation)
    yield from getattr(annotation, "__metadata__", ())
    for part in typing.get_args(annotation):
        yield from all_metadata(part)
