"""Making an App: checks of its arguments, its signature, and what stands in until it is made."""

import inspect
from typing import Any, NoReturn

from micropie.session_backend import SessionBackend


def checked_backend(backend: object) -> SessionBackend:
    """Return *backend*.

    Raises:
        TypeError: it is no SessionBackend.
    """
    if not isinstance(backend, SessionBackend):
        raise TypeError(f"session_backend must be a SessionBackend, not {backend!r}")
    return backend


def check_not_served(cls: type, args: tuple[Any, ...]) -> None:
    """Refuse to make an instance out of a request: a server was given the class.

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

    Found anew for each subclass, which may have an `__init__` of its own.
    """

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")  # calling an instance is another matter
        signature = inspect.signature(owner.__init__)  # type: ignore[misc] # of this very class
        return signature.replace(parameters=list(signature.parameters.values())[1:])


def fill_in(app: object) -> None:
    """Let all that is likely to be used first, if `__init__` is forgotten, say that it was."""
    for name in _MADE_BY_INIT:
        object.__setattr__(app, name, Unready(type(app)))
    object.__setattr__(app, "debug", False)  # which the answer to that error depends on


_MADE_BY_INIT = (
    *("middlewares", "ws_middlewares", "startup_handlers", "shutdown_handlers"),
    *("_limits", "_mounts", "_sessions", "_templates", "_workers"),
)


class Unready:
    """Stands for a part of an App until `App.__init__` makes it; whatever is done to it raises."""

    _owner: str

    def __init__(self, owner: type) -> None:
        object.__setattr__(self, "_owner", owner.__name__)

    def _complain(self, *args: object) -> NoReturn:
        raise RuntimeError(
            f"{self._owner}.__init__ must call super().__init__(), before anything that uses the "
            "App"
        )

    __bool__ = __iter__ = __len__ = _complain
    __getattr__ = __setattr__ = _complain
