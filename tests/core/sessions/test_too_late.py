"""Changes of a session that come after its request was answered, from a task say."""

import asyncio

import pytest

from micropie import App, InMemorySessionBackend
from support.asgi_websocket import WebSocketClient
from support.sessions import Browser, WatchedBackend
from support.websocket_sessions import COOKIE

pytestmark = pytest.mark.anyio


class Late(App):
    """Its handler answers, and leaves a task behind that goes on when it may."""

    def __init__(self, backend, change):
        super().__init__(backend)
        self._change = [change]  # in a list: a function would become a handler
        self._may_go_on = asyncio.Event()
        self._tasks = []

    async def start(self):
        self.session["list"] = [1]
        self._leave_task()

    async def look(self):
        self._leave_task()
        return str(self.session.get("list"))

    async def path(self, first):
        self._leave_task()  # which is the first to look at the session
        return "hello"

    async def plain(self):
        self._leave_task()  # which is the first to ask for the request
        return "hello"

    async def stream(self):
        self._leave_task()
        yield str(self.session)

    async def fail(self):
        self.session["failed"] = True
        self._leave_task()
        raise RuntimeError("broken")

    def _leave_task(self):
        async def work():
            await self._may_go_on.wait()
            self._change[0](self)

        self._tasks.append(asyncio.create_task(work()))

    async def _go_on(self):
        self._may_go_on.set()
        await asyncio.gather(*self._tasks)
        await asyncio.sleep(0)


def put(app):
    app.session["late"] = True


def put_twice(app):
    app.session["late"] = True
    app.session["later"] = True


CHANGES = {
    "put": put,
    "put twice": put_twice,
    "append": lambda app: app.session["list"].append(2),
    "get and append": lambda app: app.session.get("list").append(2),
    "regenerate": lambda app: app.request.regenerate_session(),
    "update": lambda app: app.session.update(late=True),
    "setdefault": lambda app: app.session.setdefault("late", []).append(1),
    "pop": lambda app: app.session.pop("list"),
    "popitem": lambda app: app.session.popitem(),
    "clear": lambda app: app.session.clear(),
    "del": lambda app: app.session.__delitem__("list"),
    "assign": lambda app: setattr(app, "session", {"late": True}),
}


@pytest.mark.parametrize("url", ["/start", "/look"])
@pytest.mark.parametrize("change", CHANGES)
async def test_a_late_change_is_logged_once_and_not_stored(change, url, logged):
    backend = WatchedBackend()
    app = Late(backend, CHANGES[change])
    browser = Browser(app)
    await browser.get("/start")
    if url == "/look":
        app._tasks.pop().cancel()
        await browser.get(url)
    backend.calls.clear()
    await app._go_on()
    (record,) = logged
    assert url.strip("/") in record.getMessage()
    assert "after its response had begun" in record.getMessage()
    assert backend.calls == []
    assert await backend.stored(browser.session_id) == {"list": [1]}


@pytest.mark.parametrize("url", ["/path/x", "/plain", "/stream"])
async def test_a_session_that_nobody_looked_at_before_is_no_exception(url, logged):
    app = Late(InMemorySessionBackend(), put)
    await Browser(app).get(url)
    await app._go_on()
    assert "after its response had begun" in logged[0].getMessage()


READING = {
    "item": lambda app: app.session["list"],
    "get": lambda app: app.session.get("none"),
    "setdefault": lambda app: app.session.setdefault("list", []),
    "pop": lambda app: app.session.pop("none", None),
    "update": lambda app: app.session.update({}),
    "copy": lambda app: dict(app.session),
}


@pytest.mark.parametrize("read", READING)
async def test_reading_late_is_fine(read, logged):
    app = Late(InMemorySessionBackend(), READING[read])
    await Browser(app).get("/start")
    await app._go_on()
    assert logged == []


async def test_a_thread_that_goes_on_is_told_too(logged):
    app = Late(InMemorySessionBackend(), put)
    await Browser(app).get("/start")
    app._change[0] = lambda app: app._tasks.append(
        asyncio.ensure_future(asyncio.to_thread(put, app))
    )
    await app._go_on()
    await app._tasks[-1]
    assert "after its response had begun" in logged[0].getMessage()


async def test_a_task_of_a_websocket_is_told_too(logged):
    class Chat(Late):
        async def ws_chat(self, ws):
            await ws.accept()
            ws.session["name"] = "Eve"
            self._leave_task()

    backend = InMemorySessionBackend()
    await backend.save("known", {"name": "Ada"}, 60)
    app = Chat(backend, put)
    await WebSocketClient(app).run("/chat", headers=COOKIE)
    await app._go_on()
    assert "ws_chat changed the session" in logged[0].getMessage()
    assert await backend.load("known") == {"name": "Eve"}
