"""The arguments of App: what each must be, with an error that names it."""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from micropie._bodies.body import BodyLimits
from micropie._bodies.form_limits import FormLimits
from micropie._handlers.annotations import signature
from micropie._sessions.backends import SessionBackend
from micropie.parameters import check_number

LifespanHandler = Callable[[], Any]
OwnLifespan = partial[AbstractAsyncContextManager[dict[str, Any] | None]]


def body_limits(
    size: Any, json_size: Any, timeout: Any, fields: Any, field_size: Any, files: Any
) -> BodyLimits:
    """Return the limits of an App's bodies.

    Raises:
        TypeError, ValueError: as `check_number`.
    """
    check_number("max_body_size", size, int, least=0, optional=True)
    check_number("max_json_size", json_size, int, least=0, optional=True)
    check_number("max_form_fields", fields, int, least=0)
    check_number("max_form_field_size", field_size, int, least=0)
    check_number("max_files", files, int, least=0)
    check_number("body_timeout", timeout, float, least=0.001, optional=True)
    return BodyLimits(size, json_size, timeout, FormLimits(fields, field_size, files))


def checked_debug(debug: Any) -> bool | None:
    """Return *debug*.

    Raises:
        TypeError: it is neither a bool nor None; "0", of an environment variable, would be true.
    """
    if debug is not None and not isinstance(debug, bool):
        raise TypeError(f"debug must be True, False or None, not {debug!r}")
    return debug


def checked_backend(backend: object) -> SessionBackend:
    """Return *backend*.

    Raises:
        TypeError: it is not a SessionBackend.
    """
    if not isinstance(backend, SessionBackend):
        raise TypeError(f"session_backend must be a SessionBackend, not {backend!r}")
    return backend


def lifespan_of(app: object, lifespan: Callable[..., Any] | None) -> OwnLifespan | None:
    """Return a function that makes the context manager of *lifespan* for *app*; None for None.

    Raises:
        TypeError: it is not an async context manager function.
    """
    if lifespan is None:
        return None
    undecorated = (
        inspect.isasyncgenfunction(lifespan)
        or inspect.isgeneratorfunction(lifespan)
        or inspect.iscoroutinefunction(lifespan)
    )
    if not callable(lifespan) or undecorated:
        raise TypeError(
            f"lifespan must be an async context manager function, not {lifespan!r}; decorate an "
            "async generator function with contextlib.asynccontextmanager"
        )
    return partial(lifespan, app)


def check_not_served(cls: type, args: tuple[Any, ...]) -> None:
    """Reject a request as the arguments of a class: a server was given the class itself.

    Raises:
        TypeError: *args* begin with an ASGI scope.
    """
    if args and isinstance(args[0], dict) and {"type", "asgi"} <= args[0].keys():
        name = cls.__name__
        raise TypeError(
            f"{name} is a class, and a server needs an instance: write `app = {name}()`, and give "
            "the server that `app`"
        )


class InitSignature:
    """The `__signature__` of a class with a `__new__` that takes anything: that of its `__init__`.

    Computed for each subclass, which may have its own `__init__`.
    """

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # an instance has the signature of __call__
        own = signature(owner.__init__)  # type: ignore[misc] # of this very class
        return own.replace(parameters=list(own.parameters.values())[1:])
