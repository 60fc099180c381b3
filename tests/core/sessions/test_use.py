"""An open stream or WebSocket is use of its session: it does not expire meanwhile."""

import asyncio

import pytest

from micropie import App, ASGIResponse, InMemorySessionBackend
from support.asgi import PATIENCE, Client
from support.asgi_websocket import WebSocketClient
from support.sessions import Browser, WatchedBackend

pytestmark = pytest.mark.anyio

COOKIE = {"Cookie": "session_id=known"}
TOUCHES = 3


class Store(WatchedBackend):
    """Tells when it has been touched some more times."""

    def __init__(self, **options):
        super().__init__(**options)
        self.touches = asyncio.Semaphore(0)

    async def touch(self, session_id, data, timeout):
        await super().touch(session_id, data, timeout)
        self.touches.release()

    async def be_touched(self, times=TOUCHES):
        async with asyncio.timeout(PATIENCE):
            for _ in range(times):
                await self.touches.acquire()


class Live(App):
    """Streams and talks until its store has been touched often enough."""

    def __init__(self, backend, **options):
        super().__init__(backend, session_timeout=1, **options)

    async def login(self):
        self.session["user"] = "ann"

    async def index(self):
        return dict(self.session)

    async def events(self):
        yield "begun"
        await self.session_backend.be_touched()
        yield "ended"

    async def ws_chat(self, ws):
        await ws.accept()
        await self.session_backend.be_touched()
        self.session["chatted"] = True

    async def ws_begin(self, ws):
        self.session["user"] = "eve"  # stored at the handshake
        await ws.accept()
        await self.session_backend.be_touched()


async def until_expired():
    await asyncio.sleep(1.1)


@pytest.fixture
async def backend():
    backend = Store()
    await backend.save("known", {"user": "ann"}, 1)
    return backend


@pytest.fixture(params=["alone", "mounted"])
def app(request, backend):
    app = Live(backend)
    if request.param == "alone":
        return app, ""
    root = App(backend, session_timeout=1)
    root.mount("/live", app)
    return root, "/live"


async def test_a_stream_is_use(app, backend):
    app, prefix = app
    answer = await Client(app).get(f"{prefix}/events", headers=COOKIE)
    assert answer.text == "begunended"
    assert await backend.stored("known") == {"user": "ann"}


async def test_a_websocket_is_use(app, backend):
    app, prefix = app
    await WebSocketClient(app).run(f"{prefix}/chat", headers=COOKIE)
    assert await backend.stored("known") == {"user": "ann", "chatted": True}


async def test_a_session_that_a_handshake_began_is_in_use_too(app, backend):
    app, prefix = app
    ending = await WebSocketClient(app).run(f"{prefix}/begin")
    assert ending.closed == (1000, "")


async def test_what_a_mounted_app_streams_is_use(backend):
    async def forever(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await backend.be_touched()
        await send({"type": "http.response.body", "body": b"ended"})

    class Hook(Live):
        async def events(self):
            return ASGIResponse(forever)

    assert (await Client(Hook(backend)).get("/events", headers=COOKIE)).text == "ended"


async def test_after_the_end_it_is_not_in_use_any_more(app, backend):
    app, prefix = app
    await Client(app).get(f"{prefix}/events", headers=COOKIE)
    await WebSocketClient(app).run(f"{prefix}/chat", headers=COOKIE)
    backend.calls.clear()
    await until_expired()
    assert backend.calls == []
    assert await backend.stored("known") == {}


async def test_a_logout_meanwhile_is_not_undone(app, backend):
    app, prefix = app
    stream = asyncio.create_task(Client(app).get(f"{prefix}/events", headers=COOKIE))
    await backend.be_touched(1)
    await InMemorySessionBackend.save(backend, "known", {}, 0)
    await stream
    assert await backend.stored("known") == {}


async def test_a_store_that_fails_meanwhile_does_no_harm(app, backend, logged):
    app, prefix = app
    stream = asyncio.create_task(Client(app).get(f"{prefix}/events", headers=COOKIE))
    await backend.be_touched(1)
    backend.failing = {"touch"}
    backend.arrived["touch"].clear()
    await backend.arrived["touch"].wait()
    backend.failing = set()
    assert (await stream).text == "begunended"
    assert {"a session could not be kept alive in Store: ConnectionError: no touch today"} == {
        record.getMessage() for record in logged
    }


async def test_without_a_stored_session_nothing_is_touched():
    backend = Store()

    class Site(Live):
        async def events(self):
            self.session.get("user")
            yield "done"

    assert (await Browser(Site(backend)).get("/events")).text == "done"
    assert backend.calls == []
