"""Attributes that are computed when they are first asked for."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801 - used as a decorator, like property
    """Compute an attribute on first access and keep it in the instance.

    functools.cached_property takes a lock on Python 3.11, which costs more than most of what is
    computed here; this does not, because one thread at a time handles a request.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type) -> T:
        if instance is None:
            return self  # type: ignore[return-value] # for documentation, which looks at the class
        value = self._compute(instance)
        # A non-data descriptor: from now on the instance's own attribute is found first.
        setattr(instance, self._name, value)
        return value
