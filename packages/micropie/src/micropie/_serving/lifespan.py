"""The ASGI lifespan protocol: starting and stopping an App, and all that is mounted in it."""

import inspect
from functools import partial
from typing import Any

from micropie._bodies.spool import wait_for_deletions
from micropie._errors import logger
from micropie._serving.arguments import LifespanHandler
from micropie._serving.mounted_lifespan import MountedLifespan
from micropie._serving.parts import Parts, parts_of
from micropie.types import ASGIApp, Receive, Scope, Send

# Seconds that the shutdown waits for the temporary files of requests that the server has cancelled.
DELETION_TIMEOUT = 5.0


async def serve_lifespan(parts: Parts, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop an App when the server says so (ASGI lifespan 2.0).

    A start that fails is reported to the server, which then exits.
    """
    lifespan = Lifespan(parts, scope)
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            try:
                await lifespan.start()
            except Exception as error:
                logger.error("start-up failed", exc_info=error)
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await lifespan.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


class StartupError(Exception):
    """A start-up handler failed; the message names it and the error."""


class Lifespan:
    """One life of an App and of all that is mounted in it, however deep.

    Theory of operation. The apps are listed at the start, each once, however often it is
    mounted, and before those mounted in it. They start in this order: of an App its session
    backend, its `lifespan` and its start-up handlers; any other app by the protocol. They stop in
    reverse: every shutdown handler runs, also after a start that failed; `_started` tells what else
    must be stopped. What an app's lifespan yields is the state of its requests: the server hands on
    that of the outermost App, and Mounts that of the others.
    """

    def __init__(self, parts: Parts, scope: Scope) -> None:
        self._parts, self._scope = parts, scope
        self._apps: list[tuple[str, Parts | ASGIApp]] = []
        self._started: dict[int, LifespanHandler] = {}  # how to stop what runs, by id

    def _list(self, path: str, app: Parts | ASGIApp) -> None:
        if any(app == listed for _, listed in self._apps):
            return
        self._apps.append((path, app))
        if isinstance(app, Parts):
            for prefix, mounted in app.mounts.items():
                self._list(path + prefix, parts_of(mounted) or mounted)

    async def start(self) -> None:
        """Start all apps.

        Raises:
            StartupError: one of them failed; all that had been started is stopped again.
        """
        self._list("", self._parts)
        try:
            for path, app in self._apps:
                if isinstance(app, Parts):
                    await self._start_app(app)
                else:
                    await self._start_other(path, app)
        except Exception:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all apps; what fails is logged and does not stop the rest."""
        for _, app in reversed(self._apps):
            handlers = [*app.shutdown_handlers] if isinstance(app, Parts) else []
            if id(app) in self._started:
                handlers.insert(0, self._started.pop(id(app)))
            for handler in reversed(handlers):
                await _run_shutdown(handler)
            if isinstance(app, Parts):
                await _run_shutdown(app.sessions.backend.shutdown)
                await app.workers.finish()
        await wait_for_deletions(DELETION_TIMEOUT)

    async def _start_app(self, app: Parts) -> None:
        await _run_startup(app.sessions.backend.startup)
        if app.lifespan is not None:
            name = _handler_name(app.lifespan.func)
            context = app.lifespan()
            state = await _run_startup(context.__aenter__, name)
            self._started[id(app)] = partial(context.__aexit__, None, None, None)
            if state is not None:
                self._keep_state(app, state, name)
        for handler in app.startup_handlers:
            await _run_startup(handler)

    async def _start_other(self, path: str, app: ASGIApp) -> None:
        other = MountedLifespan(path, app, self._scope)
        if await _run_startup(other.start, repr(other)):
            self._started[id(app)] = other.stop
            self._keep_state(app, other.state, repr(other))

    def _keep_state(self, app: Parts | ASGIApp, state: object, name: str) -> None:
        """Have the scopes of all requests of *app* hold *state*.

        Raises:
            StartupError: *state* is not a dict, or the server hands on none.
        """
        if not isinstance(state, dict):
            raise StartupError(f"lifespan {name} must yield a dict or None, not {state!r}")
        if app is self._parts:
            if "state" not in self._scope:
                raise StartupError(f"lifespan {name} yields a state, and the server keeps none")
            self._scope["state"].update(state)
        for _, parent in self._apps:
            if isinstance(parent, Parts):
                for prefix, mounted in parent.mounts.items():
                    if (parts_of(mounted) or mounted) == app:
                        parent.mounts.states[prefix] = state


async def _run_startup(handler: LifespanHandler, name: str | None = None) -> Any:
    try:
        return await _run(handler)
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        name = name or _handler_name(handler)
        raise StartupError(f"start-up handler {name} failed: {what}") from error


async def _run_shutdown(handler: LifespanHandler) -> None:
    try:
        await _run(handler)
    except Exception as error:
        logger.error("shutdown handler %s failed", _handler_name(handler), exc_info=error)


async def _run(handler: LifespanHandler) -> Any:
    result = handler()
    return await result if inspect.isawaitable(result) else result


def _handler_name(handler: LifespanHandler) -> str:
    name: str = getattr(handler, "__qualname__", repr(handler))
    return name
