"""Hooks around every request and every WebSocket: what users subclass, and the lists of them."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, NamedTuple, Self, SupportsIndex, TypeVar

from micropie._handlers.annotations import signature
from micropie._http.connection import Connection
from micropie._http.request import Request, WebSocketRequest
from micropie._http.results import HookAnswer, WebSocketRefusal
from micropie.types import Headers


class HttpMiddleware:
    """Runs around every HTTP request; append an instance to `app.middlewares`.

    `before_request` runs in list order, `after_request` in reverse. `on_error` is asked in reverse
    order too, before `after_request` runs. All three may raise HTTPError.
    """

    async def before_request(self, request: Request) -> HookAnswer | None:
        """Look at *request* before its body is read and its handler runs.

        Args:
            request: what was asked for; may be given attributes.

        Returns:
            None to go on, or a dict with any of `status_code`, `body` and `headers`, which
            answers at once.
        """
        return None

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: Headers
    ) -> HookAnswer | None:
        """Look at the response before it is sent, whatever it came from.

        Args:
            request: the request it answers.
            status_code: its status.
            response_body: what the handler returned as the body, before it is encoded; of a
                stream, an async generator of its chunks, to be passed on or made into another;
                None if a mounted app answers.
            extra_headers: (name, value) pairs beside the automatic ones; may be changed in place.

        Returns:
            None, or a dict with those of `status_code`, `body` and `headers` to replace. A body
            takes the place of a mounted app's as well, with which go the headers that described it.
        """
        return None

    async def on_error(self, request: Request, error: Exception) -> HookAnswer | None:
        """Answer an exception of the handler, of a mounted app or of a hook further in.

        It is asked while nothing has been sent. The session is not stored after an exception that
        is not an HTTPError, whoever answers it.

        Args:
            request: the request that failed.
            error: an HTTPError, the framework's own for a 404, a 400 and so on included; or any
                other exception, which is not logged if it is answered here.

        Returns:
            None to leave it to the hooks further out, and in the end to the App; or a dict with any
            of `status_code` (that of an HTTPError if left out, else 500), `body` and `headers`.
        """
        return None


class WebSocketMiddleware:
    """Runs around every WebSocket; append an instance to `app.ws_middlewares`."""

    async def before_websocket(self, request: WebSocketRequest) -> WebSocketRefusal | None:
        """Look at the handshake before it is accepted.

        Args:
            request: the handshake.

        Returns:
            None to go on, or a dict with any of `code` (1008 if left out) and `reason`, which
            refuses it.
        """
        return None

    async def after_websocket(self, request: WebSocketRequest) -> None:
        """Run after the connection has ended, however it did.

        Args:
            request: its handshake.
        """


class Hooks(NamedTuple):
    """The hooks of one HttpMiddleware, bound; None where it has none of its own."""

    middleware: HttpMiddleware
    before_request: Callable[[Request], Awaitable[HookAnswer | None]] | None
    after_request: Callable[[Request, int, Any, Headers], Awaitable[HookAnswer | None]] | None
    on_error: Callable[[Request, Exception], Awaitable[HookAnswer | None]] | None


M = TypeVar("M")


class Middlewares(list[M]):
    """The middlewares of an App: a list of instances of *base*, each checked when it is added.

    Raises:
        TypeError: one is not such an instance, or has a hook that would not run.
    """

    def __init__(self, base: type[M]) -> None:
        super().__init__()
        self._base = base
        self._bound: list[Hooks] = []
        self._bound_of: Sequence[M] = []

    def bound(self) -> list[Hooks]:
        """Return the hooks of each HttpMiddleware: to call what does nothing takes as long."""
        if self._bound_of != self:
            self._bound_of = [*self]
            self._bound = [
                Hooks(middleware, *(_own_hook(middleware, name) for name in _hooks(HttpMiddleware)))  # type: ignore[arg-type]
                for middleware in self
            ]
        return self._bound

    def append(self, middleware: M) -> None:
        self[len(self) :] = [middleware]

    def insert(self, index: SupportsIndex, middleware: M) -> None:
        super().insert(index, self._checked(middleware))

    def extend(self, middlewares: Iterable[M]) -> None:
        self[len(self) :] = middlewares

    def __iadd__(self, middlewares: Iterable[M]) -> Self:  # type: ignore[override,misc] # as list's own
        self.extend(middlewares)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        is_slice = isinstance(index, slice)
        value = [*map(self._checked, value)] if is_slice else self._checked(value)
        super().__setitem__(index, value)

    def _checked(self, middleware: M) -> M:
        base = self._base
        self._bound_of = ()  # which no list is equal to
        if not isinstance(middleware, base):
            raise TypeError(f"{middleware!r} is not an instance of {base.__name__}")
        own, hooks = type(middleware).__qualname__, _hooks(base)
        for other in (HttpMiddleware, WebSocketMiddleware):
            for name in _hooks(other) if not isinstance(middleware, other) else ():
                if callable(inspect.getattr_static(middleware, name, None)):
                    raise TypeError(f"{own}.{name} never runs: it is a hook of {other.__name__}")
        for name in hooks:
            if not inspect.iscoroutinefunction(getattr(middleware, name)):
                raise TypeError(f"{own}.{name} must be a coroutine function")
            _, *given = signature(getattr(base, name)).parameters
            try:
                signature(getattr(middleware, name)).bind(*given)
            except TypeError:
                raise TypeError(f"{own}.{name} must take ({', '.join(given)})") from None
        for name in {*dir(middleware)}.difference(dir(base)):
            meant = next((hook for hook in hooks if _edits(name, hook) <= _MOST_EDITS), None)
            if meant is not None and callable(inspect.getattr_static(middleware, name)):
                raise TypeError(f"{own}.{name} never runs: spell it {meant}, or not so alike")
        return middleware


def blame(connection: Connection, hook: str, *middlewares: object) -> None:
    """Have the log name *hook* of these middlewares, or of their Hooks, as what failed."""
    if middlewares:
        owners = [each.middleware if isinstance(each, Hooks) else each for each in middlewares]
        names = [f"{type(owner).__qualname__}.{hook}" for owner in owners]
        connection._culprit = " or ".join(names)


def _own_hook(middleware: object, name: str) -> Any:
    """Return the hook *name* of *middleware*; None if it is that of HttpMiddleware."""
    hook = getattr(middleware, name)
    return None if getattr(hook, "__func__", None) is getattr(HttpMiddleware, name) else hook


def _hooks(base: type) -> list[str]:
    return [name for name in vars(base) if not name.startswith("_")]


# More, and other names are taken for hooks; fewer, and two letters that changed places are not.
_MOST_EDITS = 2


def _edits(text: str, other: str) -> int:
    """Return how many characters differ, are too many or are missing: Levenshtein's distance."""
    if abs(len(text) - len(other)) > _MOST_EDITS:
        return _MOST_EDITS + 1
    row: list[int] = [*range(len(other) + 1)]
    for number, character in enumerate(text, 1):
        line = [number]
        for at, wanted in enumerate(other, 1):
            line.append(min(row[at] + 1, line[-1] + 1, row[at - 1] + (character != wanted)))
        row = line
    return row[-1]
