"""Requests of one browser that a test holds up, and lets go in the order it wants."""

import asyncio
from collections import defaultdict

from micropie import App
from support.asgi import PATIENCE
from support.sessions import Browser


class Meeting(App):
    """Handlers that a test holds up at a named point: each arrives, and waits to be let go."""

    def __init__(self, backend=None):
        super().__init__(backend)
        self._arrived = defaultdict(asyncio.Event)
        self._let_go = defaultdict(asyncio.Event)

    async def _meet(self, point):
        self._arrived[point].set()
        async with asyncio.timeout(PATIENCE):
            await self._let_go[point].wait()

    async def index(self):
        return dict(self.session)

    async def note(self, point=None, **values):
        if point:
            await self._meet(point)
        self.session.update(values)
        return "noted"

    async def early(self, point, **values):
        self.session.update(values)
        await self._meet(point)
        return "noted"

    def sync(self, **values):
        self.session.update(values)

    async def drop(self, point, name):
        await self._meet(point)
        self.session.pop(name, None)

    async def stream(self, point, **values):
        await self._meet(point)
        self.session.update(values)
        return self._chunks()

    async def _chunks(self):
        yield "one"
        yield "two"

    async def logout(self, point=None):
        if point:
            await self._meet(point)
        self.session.clear()
        return "logged out"

    async def restart(self, **values):
        self.session.clear()
        self.session.update(values)

    async def login(self, point=None, **values):
        if point:
            await self._meet(point)
        self.session.update(values)
        self.request.regenerate_session()

    async def renew(self, point=None):
        return await self.login(point)

    async def read(self, point):
        await self._meet(point)
        return dict(self.session)


async def started(app, **values):
    browser = Browser(app)
    await browser.get("/note?" + "&".join(f"{key}={value}" for key, value in values.items()))
    assert browser.session_id
    return browser


class Slow:
    """A request that is held up in its handler until the block ends."""

    def __init__(self, app, browser, url, method="GET"):
        self._app = app
        self._point = url.partition("point=")[2].partition("&")[0]
        self._task = asyncio.create_task(browser.request(method, url))

    async def __aenter__(self):
        async with asyncio.timeout(PATIENCE):
            await self._app._arrived[self._point].wait()
        return self

    async def __aexit__(self, *error):
        self._app._let_go[self._point].set()
        self.answer = await self._task
