"""The private state of an App, which no name of a subclass meets, and checks of its arguments."""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Generic, NoReturn, TypeVar, overload

from micropie._bodies.body import BodyLimits
from micropie._bodies.forms import FormLimits
from micropie._handlers.annotations import signature
from micropie._handlers.mounts import Mounts
from micropie._handlers.routing import RouteTable
from micropie._handlers.templates import Templates
from micropie._serving.middleware import HttpMiddleware, Middlewares, WebSocketMiddleware
from micropie._sessions.backends import SessionBackend
from micropie._sessions.manager import SessionManager
from micropie._workers import Workers
from micropie.parameters import check_number
from micropie.types import Handler

T = TypeVar("T")

LifespanHandler = Callable[[], Any]
OwnLifespan = partial[AbstractAsyncContextManager[dict[str, Any] | None]]

# Where an App keeps its parts; in the class it reads `self.__micropie`. Name mangling uses the bare
# name of the class, so a subclass called App shares the prefix: "micropie" avoids the clash.
_ATTRIBUTE = "_App__micropie"


class Parts:
    """The parts of one App; every exchange works with them.

    Args:
        parts: those that have no value below, by name. A dataclass would check the names, and add 1
            ms to every import.

    Attributes:
        routes: the HTTP handlers.
        ws_routes: the WebSocket handlers.
        plain: coroutine functions without parameters, by path, which App calls with no exchange;
            empty once anything is mounted.
        shares_session: whether the App, if mounted, uses the sessions of the one that mounted it.
        websocket_origins: see `parse_origins`.
        own_debug: what the App was told; None: as its parent says, else `default_debug`.
        parent: the parts of the first App that this one was mounted in.
        lifespan: returns the context manager around all handlers.
        max_message_size: bytes of a WebSocket's message; None for no limit.
        websocket_send_timeout: seconds; None for no limit.
    """

    routes: RouteTable
    ws_routes: RouteTable
    plain: dict[str, Handler]
    limits: BodyLimits
    mounts: Mounts
    templates: Templates
    workers: Workers
    sessions: SessionManager
    shares_session: bool
    websocket_origins: frozenset[str] | None
    max_message_size: int | None
    websocket_send_timeout: float | None
    own_debug: bool | None
    default_debug: bool = False
    parent: "Parts | None" = None
    lifespan: "OwnLifespan | None" = None
    middlewares: Middlewares[HttpMiddleware]
    ws_middlewares: Middlewares[WebSocketMiddleware]
    startup_handlers: list[LifespanHandler]
    shutdown_handlers: list[LifespanHandler]

    def __init__(self, **parts: Any) -> None:
        for name, part in parts.items():
            setattr(self, name, part)
        self.plain = self.routes.plain
        self.middlewares = Middlewares(HttpMiddleware)
        self.ws_middlewares = Middlewares(WebSocketMiddleware)
        self.startup_handlers = []
        self.shutdown_handlers = []

    @property
    def debug(self) -> bool:
        """Whether to show what developers need; assign None to do as the parent does."""
        if self.own_debug is not None:
            return self.own_debug
        return self.default_debug if self.parent is None else self.parent.debug

    @debug.setter
    def debug(self, debug: bool | None) -> None:
        self.own_debug = checked_debug(debug)

    def adopt(self, app: object) -> None:
        """Be the parent of *app*, if it is an App that has none and is not above this one."""
        child, ancestor = parts_of(app), self
        while ancestor is not child and ancestor.parent is not None:
            ancestor = ancestor.parent
        if child is not None and child is not ancestor and child.parent is None:
            child.parent = self

    def shares(self, owner: SessionManager) -> bool:
        """Tell whether an App, mounted where *owner* has the sessions, uses those."""
        return self.shares_session or self.sessions.backend is owner.backend


class UninitializedParts(Parts):
    """The parts of an App before `App.__init__`: the routes, and enough to answer with an error.

    The routes come first because a subclass may assign handlers before it calls `App.__init__`.
    Reading any other part raises RuntimeError: `App.__init__` has not run.
    """

    def __init__(self, app: object, base: type) -> None:
        self._owner = type(app)
        self.routes = RouteTable(app, base)
        self.ws_routes = RouteTable(app, base, is_websocket=True)
        self.plain = self.routes.plain
        self.limits = BodyLimits(0, 0, None, FormLimits(0, 0, 0))
        self.shares_session = False
        self.websocket_origins = None
        self.max_message_size = self.websocket_send_timeout = None
        self.own_debug = False

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(
            f"{self._owner.__name__}.__init__ must call super().__init__(), before anything that "
            "uses the App"
        )


def parts_of(app: object) -> Parts | None:
    """Return the parts of *app*; None if it is another kind of ASGI app."""
    parts = getattr(app, _ATTRIBUTE, None)
    return parts if isinstance(parts, Parts) else None


def shares_session(app: object, owner: SessionManager) -> bool:
    """Tell whether *app* is an App that uses the sessions of *owner*."""
    parts = parts_of(app)
    return parts is not None and parts.shares(owner)


def check_cookie_owners(parts: Parts) -> None:
    """Reject Apps that would replace each other's session cookie, above *parts* and below.

    Raises:
        ValueError: two have the same cookie and different backends.
    """
    root = parts
    while root.parent is not None:
        root = root.parent
    owners: dict[object, SessionManager] = {}
    waiting = [(root, root.sessions)]
    for parts, owner in waiting:
        sessions = owner if parts.shares(owner) else parts.sessions
        other = owners.setdefault(sessions.cookie.place, sessions)
        if sessions.backend is not other.backend:
            raise ValueError(
                f"two Apps, one mounted below the other, keep the cookie {sessions.cookie_name!r} "
                "in different session backends, so each would end the other's sessions: give one "
                "another session_cookie, both the same backend object, or the mounted one none"
            )
        below = [parts_of(app) for app in parts.mounts.values()]
        seen = [parts for parts, _ in waiting]  # an App may be mounted twice, or in itself
        waiting += [(child, sessions) for child in below if child and child not in seen]


class PartAttribute(Generic[T]):
    """Descriptor of a public attribute of App: forwards to the field of that name in its Parts."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, app: None, owner: type) -> "PartAttribute[T]": ...
    @overload
    def __get__(self, app: object, owner: type) -> T: ...
    def __get__(self, app: object | None, owner: type) -> "PartAttribute[T] | T":
        if app is None:
            return self
        value: T = getattr(getattr(app, _ATTRIBUTE), self._name)
        return value

    def __set__(self, app: object, value: T) -> None:
        current = self.__get__(app, type(app))
        if isinstance(current, Middlewares):
            current[:] = value
        else:
            setattr(getattr(app, _ATTRIBUTE), self._name, value)


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


def lifespan_of(app: object, lifespan: Callable[..., Any] | None) -> "OwnLifespan | None":
    """Return a function that makes the context manager of *lifespan* for *app*; None for None.

    Raises:
        TypeError: it is not an async context manager function.
    """
    if lifespan is None:
        return None
    if not callable(lifespan) or inspect.isasyncgenfunction(lifespan):
        raise TypeError(
            f"lifespan must be an async context manager function, not {lifespan!r}; decorate it "
            "with contextlib.asynccontextmanager"
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
