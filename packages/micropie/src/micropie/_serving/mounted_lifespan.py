"""The lifespan of a mounted ASGI app that is not an App: here the App is the server."""

import asyncio

from micropie._errors import logger
from micropie.types import ASGIApp, Message, Scope

# Seconds in which the app must answer; slow starts take some, and nobody waits longer for a server.
ANSWER_TIMEOUT = 60.0


class MountedLifespan:
    """One life of such an app.

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
