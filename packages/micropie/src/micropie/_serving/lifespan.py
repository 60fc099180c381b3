"""The ASGI lifespan protocol: starting and stopping an App, and all that is mounted in it."""

import asyncio
import inspect
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

from micropie._bodies.spool import wait_for_deletions
from micropie._errors import logger, report
from micropie._serving.arguments import LifespanHandler
from micropie._serving.parts import Parts, parts_of
from micropie.types import ASGIApp, Message, Receive, Scope, Send

# Seconds that the shutdown waits for the temporary files of requests that the server has cancelled.
DELETION_TIMEOUT = 5.0

# Seconds in which the app must answer; slow starts take some, and nobody waits longer for a server.
ANSWER_TIMEOUT = 60.0


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
                report(error.__cause__ or error)
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
        own = [app for _, app in self._apps if isinstance(app, Parts)]
        for parts in own:
            parts.stopping.begin()
        await asyncio.gather(*(parts.stopping.finish() for parts in own))
        await asyncio.gather(*(parts.afterwards.finish() for parts in own))
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
        app.stopping.start()
        app.afterwards.has_lifespan = True
        await _run_startup(app.sessions.backend.startup)
        if app.lifespan is not None:
            name = _handler_name(app.lifespan.func)
            context = app.lifespan()
            if not isinstance(context, AbstractAsyncContextManager):
                raise StartupError(
                    f"lifespan {name} must return an async context manager, not {context!r}; "
                    "contextlib.asynccontextmanager makes one of an async generator function"
                )
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


class MountedLifespan:
    """One life of a mounted ASGI app that is not an App: here the App is the server.

    Theory of operation. The app runs in a task of its own from `start` to `stop`. What it sends is
    put into `_answers`, and None when it has ended. One that ends, or sends something else, before
    it has answered the start-up has no lifespan, whatever it raised (ASGI lifespan 2.0).

    Args:
        path: where the app is mounted.
        app: the app.
        scope: that of the outermost App's lifespan.

    Attributes:
        state: what the app wants in the scopes of its requests; it may fill this until it started.
    """

    def __init__(self, path: str, app: ASGIApp, scope: Scope) -> None:
        self.state = dict(scope.get("state", {}))
        self._name = f"of the app mounted at {path or '/'!r}"
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message | None] = asyncio.Queue()
        self._error: BaseException | None = None
        self._task = asyncio.create_task(self._run(app, {**scope, "state": self.state}))

    def __repr__(self) -> str:
        return self._name

    async def start(self) -> bool:
        """Return whether the app has a lifespan, which has begun.

        Raises:
            RuntimeError: it failed to start, or did not answer.
        """
        if await self._has_done("startup"):
            return True
        self._task.cancel()  # it sent something else
        if self._told.empty():  # an app that took the message may have meant to start
            logger.warning("lifespan %s: it has none", self._name, exc_info=self._error)
        else:
            logger.info("lifespan %s: it has none (%r)", self._name, self._error)
        return False

    async def stop(self) -> None:
        """Stop the app.

        Raises:
            RuntimeError: it failed to stop, or did not answer.
        """
        if not await self._has_done("shutdown"):
            raise RuntimeError("it had ended before") from self._error
        await asyncio.wait({self._task}, timeout=ANSWER_TIMEOUT)
        self._task.cancel()

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._told.get, self._answers.put)
        except Exception as error:
            self._error = error
        finally:
            self._answers.put_nowait(None)

    async def _has_done(self, event: str) -> bool:
        """Tell the app what happens; return False if it gives no answer of the protocol."""
        self._told.put_nowait({"type": f"lifespan.{event}"})
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                answer = await self._answers.get() or {"type": None}
        except TimeoutError:
            self._task.cancel()
            raise RuntimeError(f"it did not answer within {ANSWER_TIMEOUT:g} s") from None
        if answer["type"] == f"lifespan.{event}.failed":
            raise RuntimeError(answer.get("message", ""))
        return bool(answer["type"] == f"lifespan.{event}.complete")


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
        report(error)
        logger.error("shutdown handler %s failed", _handler_name(handler), exc_info=error)


async def _run(handler: LifespanHandler) -> Any:
    result = handler()
    return await result if inspect.isawaitable(result) else result


def _handler_name(handler: LifespanHandler) -> str:
    name: str = getattr(handler, "__qualname__", repr(handler))
    return name
