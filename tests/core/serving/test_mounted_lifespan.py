"""The lifespans of mounted ASGI apps that are not Apps, and what lifespans yield."""

import asyncio
import logging
from contextlib import asynccontextmanager, contextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from micropie import App
from micropie._serving import lifespan
from support.asgi import Client
from support.lifespans import Life, failed, life

pytestmark = pytest.mark.anyio


class Other:
    """An ASGI app with a lifespan, which fails, is silent or ends early on demand."""

    def __init__(self, events, name="other", *, fails=(), silent=(), ends=(), state=()):
        self.events, self.name, self.state = events, name, dict(state)
        self.fails, self.silent, self.ends = fails, silent, ends

    async def __call__(self, scope, receive, send):
        if scope["type"] != "lifespan":
            state = sorted(scope.get("state", {}).items())
            await JSONResponse(state)(scope, receive, send)
            return
        for event in ("startup", "shutdown"):
            assert await receive() == {"type": f"lifespan.{event}"}
            self.events.append(f"{self.name} {event}")
            if event == "startup":
                scope["state"].update(self.state)
            if event in self.silent:
                await asyncio.Event().wait()
            if event in self.ends:
                return
            if event in self.fails:
                await send({"type": f"lifespan.{event}.failed", "message": f"no {event} today"})
                return
            await send({"type": f"lifespan.{event}.complete"})

    async def method(self, scope, receive, send):
        await self(scope, receive, send)


def noting(events, name, **options):
    app = App(**options)
    app.startup_handlers.append(lambda: events.append(f"{name} startup"))
    app.shutdown_handlers.append(lambda: events.append(f"{name} shutdown"))
    return app


# Mounted ASGI apps.


async def test_it_starts_and_stops_in_its_place_among_the_apps():
    events = []
    root, child = noting(events, "root"), noting(events, "child")
    root.mount("/first", Other(events, "first"))
    root.mount("/child", child)
    child.mount("/deep", Other(events, "deep"))
    root.mount("/", Other(events, "last"))
    async with life(root):
        names = ["root", "first", "child", "deep", "last"]
        assert events == [f"{name} startup" for name in names]
        events.clear()
    assert events == [f"{name} shutdown" for name in reversed(names)]


@pytest.mark.parametrize("what", ["object", "bound method"])
async def test_mounted_twice_it_runs_once(what):
    events = []
    other = Other(events)
    root, child = App(), App()
    for app, path in ((root, "/a"), (root, "/b"), (child, "/c")):
        app.mount(path, other if what == "object" else other.method)
    root.mount("/child", child)
    async with life(root):
        pass
    assert events == ["other startup", "other shutdown"]


async def test_a_starlette_app_has_its_lifespan_and_the_state_that_it_yields():
    @asynccontextmanager
    async def lifespan(app):
        yield {"pool": "open"}

    async def show(request):
        return JSONResponse([request.state.pool, request.state.server])

    root, child = App(), App()
    root.mount("/child", child)
    child.mount("/star", Starlette(routes=[Route("/", show)], lifespan=lifespan))
    async with life(root):
        answer = await Client(root, state={"server": 1}).get("/child/star/")
    assert answer.json == ["open", 1]


async def test_its_state_is_of_its_own_requests_only():
    root = App()
    root.mount("/a", Other([], "a", state={"own": "a"}))
    root.mount("/b", Other([], "b", state={"own": "b"}))
    root.mount("/c", Other([], "c"))
    async with life(root, state={"of": "all"}):
        client = Client(root, state={"of": "all"})
        assert (await client.get("/a")).json == [["of", "all"], ["own", "a"]]
        assert (await client.get("/b")).json == [["of", "all"], ["own", "b"]]
        assert (await client.get("/c")).json == [["of", "all"]]


async def test_one_that_fails_to_start_fails_the_start(logged):
    events = []
    root = noting(events, "root")
    root.mount("/good", Other(events, "good"))
    root.mount("/bad", Other(events, "bad", fails=["startup"]))
    root.mount("/never", Other(events, "never"))
    message = await failed(root)
    assert "of the app mounted at '/bad' failed" in message
    assert "no startup today" in message
    assert events == [
        *("root startup", "good startup", "bad startup", "good shutdown", "root shutdown")
    ]
    assert len(logged) == 1


@pytest.mark.parametrize("how", ["fails", "ends", "silent"])
async def test_one_that_fails_to_stop_does_not_stop_the_rest(how, logged, monkeypatch):
    monkeypatch.setattr(lifespan, "ANSWER_TIMEOUT", 0.5)
    events = []
    root = noting(events, "root")
    root.mount("/bad", Other(events, "bad", **{how: ["shutdown"]}))
    root.mount("/good", Other(events, "good"))
    async with life(root):
        events.clear()
    assert events == ["good shutdown", "bad shutdown", "root shutdown"]
    assert len(logged) == 1


async def test_one_that_does_not_answer_fails_the_start(logged, monkeypatch):
    assert lifespan.ANSWER_TIMEOUT == 60
    monkeypatch.setattr(lifespan, "ANSWER_TIMEOUT", 0.05)
    root = App()
    root.mount("/silent", Other([], silent=["startup"]))
    message = await failed(root)
    assert "of the app mounted at '/silent' failed" in message
    assert "did not answer within 0.05 s" in message


@pytest.mark.parametrize("takes", [True, False])
@pytest.mark.parametrize("then", ["raises", "returns", "sends", "is cancelled"])
async def test_an_app_without_lifespan_is_mounted_all_the_same(takes, then, caplog, logged):
    caplog.set_level(logging.INFO, "micropie")

    async def plain(scope, receive, send):
        if scope["type"] == "http" or then == "sends":
            if takes:
                await receive()
            await JSONResponse("plain")(scope, receive, send)
            return
        if takes:
            await receive()
        if then == "raises":
            raise KeyError("method")
        if then == "is cancelled":
            raise asyncio.CancelledError

    events = []
    root = noting(events, "root")
    root.mount("/plain", plain)
    root.mount("/other", Other(events))
    async with life(root):
        assert (await Client(root).get("/plain")).json == "plain"
    assert events == ["root startup", "other startup", "other shutdown", "root shutdown"]
    (record,) = caplog.records
    assert "of the app mounted at '/plain'" in record.getMessage()
    # What takes the message may have failed at its start-up.
    assert record.levelno == (logging.WARNING if takes else logging.INFO)


# What the App's own lifespan is, and yields.


class Site(App):
    async def index(self):
        return dict(self.request.scope.get("state", {}))


def around(events, name, state=None, *, fails=""):
    @asynccontextmanager
    async def lifespan(app):
        assert isinstance(app, App)
        events.append(f"{name} begins")
        if fails == "begin":
            raise OSError("not today")
        yield state
        events.append(f"{name} ends")
        if fails == "end":
            raise OSError("not today")

    return lifespan


async def test_a_lifespan_is_around_all_handlers():
    events = []
    app = noting(events, "handler", lifespan=around(events, "lifespan"))
    async with life(app):
        assert events == ["lifespan begins", "handler startup"]
        events.clear()
    assert events == ["handler shutdown", "lifespan ends"]


async def test_it_begins_and_ends_in_one_task():
    tasks = []

    @asynccontextmanager
    async def lifespan(app):
        async with asyncio.timeout(60):  # may be left only in the task that entered it
            tasks.append(asyncio.current_task())
            yield
            tasks.append(asyncio.current_task())

    async with life(App(lifespan=lifespan)):
        pass
    assert tasks[0] is tasks[1]


async def test_what_it_yields_is_the_state_of_every_request():
    root = Site(lifespan=around([], "root", {"db": 1, "of": "root"}))
    child = Site(lifespan=around([], "child", {"of": "child"}))
    root.mount("/child", child)
    root.mount("/plain", Site())
    state = {}
    async with life(root, state=state):
        client = Client(root, state=dict(state))
        assert (await client.get("/")).json == {"db": 1, "of": "root"}
        assert (await client.get("/child")).json == {"db": 1, "of": "child"}
        assert (await client.get("/plain")).json == {"db": 1, "of": "root"}


async def test_a_state_that_the_server_does_not_keep_fails_the_start(logged):
    events = []
    message = await failed(App(lifespan=around(events, "lifespan", {"db": 1})))
    assert "yields a state, and the server keeps none" in message
    assert events == ["lifespan begins", "lifespan ends"]


async def test_a_mounted_app_may_have_a_state_on_any_server():
    root = App()
    root.mount("/child", Site(lifespan=around([], "child", {"db": 1})))
    async with life(root):
        assert (await Client(root).get("/child")).json == {"db": 1}


@pytest.mark.parametrize("state", [5, ["db"], "db", False])
async def test_a_state_that_is_no_dict_fails_the_start(state, logged):
    message = await failed(App(lifespan=around([], "lifespan", state)), state={})
    assert "must yield a dict or None, not" in message


async def test_a_lifespan_that_fails_at_the_start_is_not_ended(logged):
    events = []
    app = noting(events, "handler", lifespan=around(events, "lifespan", fails="begin"))
    message = await failed(app)
    assert message.endswith("around.<locals>.lifespan failed: OSError: not today")
    assert events == ["lifespan begins", "handler shutdown"]


async def test_a_handler_that_fails_at_the_start_ends_the_lifespan(logged):
    events = []
    app = App(lifespan=around(events, "lifespan"))
    app.startup_handlers.append(lambda: 1 / 0)
    await failed(app)
    assert events == ["lifespan begins", "lifespan ends"]


async def test_a_lifespan_that_fails_at_the_end_is_logged(logged):
    events = []
    root = noting(events, "root", lifespan=around(events, "lifespan", fails="end"))
    async with life(root):
        pass
    assert events[-1] == "lifespan ends"
    assert len(logged) == 1


async def test_an_app_can_live_twice():
    events = []
    app = App(lifespan=around(events, "lifespan"))
    app.mount("/other", Other(events))
    for _ in range(2):
        async with life(app):
            pass
    once = ["lifespan begins", "other startup", "other shutdown", "lifespan ends"]
    assert events == once * 2


def test_what_is_no_context_manager_function_is_refused():
    async def generator(app):
        yield

    def sync_generator(app):
        yield

    async def coroutine(app):
        return {}

    for wrong in (generator, sync_generator, coroutine, 5, "lifespan"):
        with pytest.raises(TypeError, match="lifespan must be an async context manager function"):
            App(lifespan=wrong)


async def test_a_context_manager_that_is_not_async_fails_the_start_by_name(logged):
    @contextmanager
    def database(app):
        yield

    message = await failed(App(lifespan=database))
    assert "database must return an async context manager, not <contextlib._Gen" in message


async def test_a_cancelled_server_task_leaves_no_task_behind():
    running = Life(App())
    await running.start()
    running.task.cancel()
    await asyncio.wait({running.task})
    assert running.task.cancelled()
