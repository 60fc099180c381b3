"""The lifespan of an ASGI app, as a server runs it."""

import asyncio
from contextlib import asynccontextmanager

from support.asgi import PATIENCE


class Life:
    """An App's lifespan, as a server runs it.

    Attributes:
        started: what the App answered to the start-up.
        stopped: what it answered to the shutdown.
    """

    def __init__(self, app, **scope):
        self._to_app = asyncio.Queue()
        self._from_app = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, **scope}
        self.task = asyncio.create_task(app(scope, self._to_app.get, self._send))

    async def _send(self, message):
        await self._from_app.put(message)

    async def tell(self, event):
        await self._to_app.put({"type": f"lifespan.{event}"})
        async with asyncio.timeout(PATIENCE):
            return await self._from_app.get()

    async def start(self):
        return await self.tell("startup")

    async def stop(self):
        answer = await self.tell("shutdown")
        async with asyncio.timeout(PATIENCE):
            await self.task
        return answer


@asynccontextmanager
async def life(app, **scope):
    running = Life(app, **scope)
    assert await running.start() == {"type": "lifespan.startup.complete"}
    yield running
    assert await running.stop() == {"type": "lifespan.shutdown.complete"}


async def failed(app, **scope):
    """Start *app*, which fails; return the message that says so."""
    running = Life(app, **scope)
    answer = await running.start()
    assert answer["type"] == "lifespan.startup.failed"
    async with asyncio.timeout(PATIENCE):
        await running.task
    return answer["message"]
