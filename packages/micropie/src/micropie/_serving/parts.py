"""The private state of an App, in one attribute that no name of a subclass meets."""

from typing import TYPE_CHECKING, Any, NoReturn

from micropie._bodies.body import BodyLimits
from micropie._bodies.form_limits import FormLimits
from micropie._handlers.mounts import Mounts
from micropie._handlers.routing import RouteTable
from micropie._handlers.templates import Templates
from micropie._serving.afterwards import Afterwards
from micropie._serving.arguments import LifespanHandler, OwnLifespan, checked_debug
from micropie._serving.middleware import HttpMiddleware, Middlewares, WebSocketMiddleware
from micropie._serving.stopping import Stopping
from micropie._sessions.manager import SessionManager
from micropie._workers import Workers
from micropie.types import Handler

if TYPE_CHECKING:
    from micropie._http.route_info import RouteInfo

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
        direct: coroutine functions without parameters, by path, which App calls with no exchange;
            empty once anything is mounted.
        has_own_backend: whether the App was given a session backend; one without uses the sessions
            of the App that mounts it.
        websocket_origins: see `parse_origins`.
        own_debug: what the App was told; None: as its parent says, else `default_debug`.
        parent: the parts of the first App that this one was mounted in.
        lifespan: returns the context manager around all handlers.
        max_message_size: bytes of a WebSocket's message; None for no limit.
        websocket_send_timeout: seconds; None for no limit.
        base_url: see `parse_base_url`.
    """

    routes: RouteTable
    ws_routes: RouteTable
    direct: dict[str, Handler]
    limits: BodyLimits
    mounts: Mounts
    templates: Templates
    workers: Workers
    stopping: Stopping
    afterwards: Afterwards
    sessions: SessionManager
    has_own_backend: bool
    websocket_origins: frozenset[str] | None
    max_message_size: int | None
    websocket_send_timeout: float | None
    base_url: tuple[str, str] | None
    own_debug: bool | None
    default_debug: bool = False
    parent: "Parts | None" = None
    lifespan: OwnLifespan | None = None
    middlewares: Middlewares[HttpMiddleware]
    ws_middlewares: Middlewares[WebSocketMiddleware]
    startup_handlers: list[LifespanHandler]
    shutdown_handlers: list[LifespanHandler]

    def __init__(self, **parts: Any) -> None:
        for name, part in parts.items():
            setattr(self, name, part)
        self.direct = self.routes.direct
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

    def become_parent_of(self, app: object) -> None:
        """Be the parent of *app*, if it is an App that has none and is not above this one."""
        child, ancestor = parts_of(app), self
        while ancestor is not child and ancestor.parent is not None:
            ancestor = ancestor.parent
        if child is not None and child is not ancestor and child.parent is None:
            child.parent = self

    def described(self) -> "list[RouteInfo]":
        """Return what `App.routes` tells."""
        tables = self.routes, self.ws_routes, self.mounts
        return [info for table in tables for info in table.described()]

    def shares_session(self, owner: SessionManager) -> bool:
        """Tell whether an App, mounted where *owner* has the sessions, uses those."""
        return not self.has_own_backend or self.sessions.backend is owner.backend


class UninitializedParts(Parts):
    """The parts of an App before `App.__init__`: the routes, and enough to answer with an error.

    The routes come first because a subclass may assign handlers before it calls `App.__init__`.
    Reading any other part raises RuntimeError: `App.__init__` has not run.
    """

    def __init__(self, app: object, base: type) -> None:
        self._owner = type(app)
        self.routes = RouteTable(app, base)
        self.ws_routes = RouteTable(app, base, is_websocket=True)
        self.direct = self.routes.direct
        self.limits = BodyLimits(0, 0, None, FormLimits(0, 0, 0))
        self.has_own_backend = True
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


class PartAttribute:
    """Descriptor of a public attribute of App: forwards to the field of that name in its Parts."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, app: object | None, owner: type) -> Any:
        return self if app is None else getattr(getattr(app, _ATTRIBUTE), self._name)

    def __set__(self, app: object, value: Any) -> None:
        current = self.__get__(app, type(app))
        if isinstance(current, Middlewares):
            current[:] = value
        else:
            setattr(getattr(app, _ATTRIBUTE), self._name, value)


def part_attribute() -> Any:
    """Return a PartAttribute, to be given the type of its field.

    A generic descriptor is not enough: pyright looks no further than at its class as soon as a
    subclass of App assigns to it, as `self.middlewares += ...` does.
    """
    return PartAttribute()
