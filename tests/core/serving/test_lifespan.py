"""Start-up and shutdown: in which order, and what happens when a part of it fails."""

import asyncio
import functools

import pytest

from micropie import App
from support.asgi import Client
from support.lifespans import Life, failed, life
from support.sessions import WatchedBackend

pytestmark = pytest.mark.anyio


def note(events, name, error=None):
    """Return a handler that notes that it ran; with *error* it then fails."""

    def handler():
        events.append(name)
        if error is not None:
            raise error

    handler.__qualname__ = name.replace(" ", "_")
    return handler


def note_async(events, name, error=None):
    async def handler():
        await asyncio.sleep(0)
        note(events, name, error)()

    handler.__qualname__ = name.replace(" ", "_")
    return handler


def noting(events, name, **options):
    """Return an App whose two handlers of each kind note their names."""
    app = App(**options)
    for number, kind in ((1, note), (2, note_async)):
        app.startup_handlers.append(kind(events, f"{name} start {number}"))
        app.shutdown_handlers.append(kind(events, f"{name} stop {number}"))
    return app


# In order.


async def test_handlers_run_in_order_and_in_reverse():
    events = []
    async with life(noting(events, "app")):
        assert events == ["app start 1", "app start 2"]
        events.clear()
    assert events == ["app stop 2", "app stop 1"]


async def test_an_app_without_handlers_starts_and_stops():
    async with life(App()):
        pass


async def test_requests_are_served_between_start_and_stop():
    class Connected(App):
        def __init__(self):
            super().__init__()
            self._pool = None
            self.startup_handlers.append(self._open)
            self.shutdown_handlers.append(self._close)

        async def _open(self):
            self._pool = ["connection"]

        def _close(self):
            self._pool.clear()

        async def index(self):
            return self._pool

    app = Connected()
    async with life(app):
        assert (await Client(app).get("/")).json == ["connection"]
    assert app._pool == []


async def test_the_session_backend_starts_first_and_stops_last():
    backend = WatchedBackend()
    app = App(backend)
    app.startup_handlers.append(note(backend.calls, "start"))
    app.shutdown_handlers.append(note(backend.calls, "stop"))
    async with life(app):
        assert backend.calls == ["startup", "start"]
        backend.calls.clear()
    assert backend.calls == ["stop", "shutdown"]


@pytest.mark.parametrize("kind", ["partial", "lambda", "callable object", "method", "awaitable"])
async def test_every_kind_of_callable_is_a_handler(kind):
    events = []

    class Callable:
        async def __call__(self):
            events.append("ran")

        def method(self):
            events.append("ran")

    handlers = {
        "partial": functools.partial(note_async(events, "ran")),
        "lambda": lambda: note_async(events, "ran")(),
        "callable object": Callable(),
        "method": Callable().method,
        "awaitable": lambda: asyncio.ensure_future(note_async(events, "ran")()),
    }
    app = App()
    app.startup_handlers.append(handlers[kind])
    app.shutdown_handlers.append(handlers[kind])
    async with life(app):
        assert events == ["ran"]
    assert events == ["ran", "ran"]


async def test_an_app_can_be_started_again():
    events = []

    class Again(App):
        def index(self):
            return "from a thread"

    app = Again()
    app.startup_handlers.append(note(events, "start"))
    app.shutdown_handlers.append(note(events, "stop"))
    for _ in range(2):
        async with life(app):
            assert (await Client(app).get("/")).text == "from a thread"
    assert events == ["start", "stop", "start", "stop"]


async def test_an_app_that_failed_to_start_can_be_started_again(logged):
    events = []
    app = noting(events, "app")
    broken = note(events, "broken", OSError("no database yet"))
    app.startup_handlers.append(broken)
    await failed(app)
    app.startup_handlers.remove(broken)
    events.clear()
    async with life(app):
        assert events == ["app start 1", "app start 2"]
    assert len(logged) == 1


async def test_a_message_of_a_kind_unknown_is_passed_over():
    running = Life(App())
    await running._to_app.put({"type": "lifespan.something"})
    assert (await running.start())["type"] == "lifespan.startup.complete"
    await running.stop()


async def test_a_handler_may_add_another():
    events = []
    app = App()
    app.startup_handlers.append(
        lambda: app.shutdown_handlers.append(note(events, "stop of what was opened"))
    )
    async with life(app):
        pass
    assert events == ["stop of what was opened"]


# Failures.


@pytest.mark.parametrize("kind", [note, note_async])
async def test_a_failure_in_the_third_handler_stops_what_had_started(kind, logged):
    backend = WatchedBackend()
    events = backend.calls
    app = noting(events, "app", session_backend=backend)
    app.startup_handlers.append(kind(events, "open database", OSError("connection refused")))
    app.startup_handlers.append(note(events, "never"))
    app.shutdown_handlers.append(note(events, "close database"))
    message = await failed(app)
    assert message == "start-up handler open_database failed: OSError: connection refused"
    assert events == [
        *("startup", "app start 1", "app start 2", "open database"),
        *("close database", "app stop 2", "app stop 1", "shutdown"),
    ]
    (record,) = logged
    assert str(record.exc_info[1]) == message
    assert isinstance(record.exc_info[1].__cause__, OSError)


async def test_a_shutdown_handler_that_fails_does_not_stop_the_rest(logged):
    backend = WatchedBackend()
    events = backend.calls
    app = noting(events, "app", session_backend=backend)
    app.shutdown_handlers.insert(1, note(events, "flush", ValueError("disk full")))
    app.shutdown_handlers.append(note_async(events, "hang up", ValueError("nobody there")))
    async with life(app):
        events.clear()
    assert events == ["hang up", "app stop 2", "flush", "app stop 1", "shutdown"]
    assert ["hang_up" in record.getMessage() for record in logged] == [True, False]
    assert ["flush" in record.getMessage() for record in logged] == [False, True]
    assert [str(record.exc_info[1]) for record in logged] == ["nobody there", "disk full"]


async def test_after_a_failed_start_every_shutdown_handler_runs_on_its_own(logged):
    events = []
    app = noting(events, "app")
    app.shutdown_handlers.insert(1, note(events, "flush", AttributeError("never opened")))
    app.startup_handlers.insert(0, note(events, "open", OSError("refused")))
    assert "handler open failed" in await failed(app)
    assert events == ["open", "app stop 2", "flush", "app stop 1"]
    assert len(logged) == 2


async def test_a_backend_that_fails_to_start_fails_the_start(logged):
    backend = WatchedBackend()
    backend.failing = {"startup"}
    app = noting(backend.calls, "app", session_backend=backend)
    message = await failed(app)
    assert message == (
        "start-up handler WatchedBackend.startup failed: ConnectionError: no startup today"
    )
    assert backend.calls == ["startup", "app stop 2", "app stop 1", "shutdown"]
    assert len(logged) == 1


async def test_a_handler_without_a_name_is_told_by_what_it_is(logged):
    app = App()
    app.startup_handlers.append(functools.partial(int, "x"))
    assert "functools.partial(<class 'int'>, 'x') failed: ValueError" in await failed(app)
    app.startup_handlers.clear()
    app.shutdown_handlers.append(functools.partial(int, "x"))
    async with life(app):
        pass
    assert "functools.partial" in logged[-1].getMessage()


async def test_what_is_no_callable_fails_the_start(logged):
    app = App()
    app.startup_handlers.append(None)
    assert "handler None failed: TypeError" in await failed(app)
    assert logged


# Mounted Apps.


async def test_a_mounted_apps_handlers_run_inside_those_of_its_parent():
    parent_backend, child_backend = WatchedBackend(), WatchedBackend()
    events = parent_backend.calls = child_backend.calls = []
    parent = noting(events, "parent", session_backend=parent_backend)
    child = noting(events, "child", session_backend=child_backend, session_cookie="child_id")
    parent.mount("/child", child)
    async with life(parent):
        assert events == [
            *("startup", "parent start 1", "parent start 2"),
            *("startup", "child start 1", "child start 2"),
        ]
        events.clear()
    assert events == [
        *("child stop 2", "child stop 1", "shutdown"),
        *("parent stop 2", "parent stop 1", "shutdown"),
    ]


async def test_mounted_apps_start_in_order_and_stop_in_reverse_at_any_depth():
    events = []
    apps = {name: App() for name in ("root", "a", "a/b", "c")}
    for name, app in apps.items():
        app.startup_handlers.append(note(events, f"+{name}"))
        app.shutdown_handlers.append(note(events, f"-{name}"))
    apps["root"].mount("/a", apps["a"])
    apps["a"].mount("/b", apps["a/b"])
    apps["root"].mount("/c", apps["c"])
    async with life(apps["root"]):
        assert events == ["+root", "+a", "+a/b", "+c"]
        events.clear()
    assert events == ["-c", "-a/b", "-a", "-root"]


async def test_an_app_mounted_twice_starts_once():
    events = []
    parent, child = App(), noting(events, "child")
    parent.mount("/v1", child)
    parent.mount("/v2", child)
    async with life(parent):
        assert events == ["child start 1", "child start 2"]
        events.clear()
    assert events == ["child stop 2", "child stop 1"]


async def test_an_app_mounted_in_two_others_or_in_itself_starts_once():
    events = []
    root, left, right, shared = (noting(events, name) for name in ("root", "left", "right", "both"))
    root.mount("/left", left)
    root.mount("/right", right)
    for app in (left, right, shared):
        app.mount("/shared", shared)
    async with life(root):
        names = ("root", "left", "both", "right")
        assert events == [f"{name} start {number}" for name in names for number in (1, 2)]
        events.clear()
    assert events == [f"{name} stop {number}" for name in reversed(names) for number in (2, 1)]


async def test_a_mounted_app_that_fails_to_start_fails_the_start(logged):
    events = []
    root, child, grandchild, sibling = (
        noting(events, name) for name in ("root", "child", "grandchild", "sibling")
    )
    root.mount("/child", child)
    child.mount("/grandchild", grandchild)
    root.mount("/sibling", sibling)
    grandchild.startup_handlers.append(note(events, "broken", OSError("refused")))
    message = await failed(root)
    assert message == "start-up handler broken failed: OSError: refused"
    starts = [event for event in events if "start" in event]
    assert starts == [
        f"{name} start {number}" for name in ("root", "child", "grandchild") for number in (1, 2)
    ]
    # Each once, and in reverse: those of an App that had not begun to start run as well.
    assert events[events.index("broken") + 1 :] == [
        f"{name} stop {number}"
        for name in ("sibling", "grandchild", "child", "root")
        for number in (2, 1)
    ]
    assert len(logged) == 1


async def test_a_mounted_apps_failure_at_shutdown_does_not_stop_the_rest(logged):
    events = []
    root, child = noting(events, "root"), noting(events, "child")
    child.shutdown_handlers.append(note(events, "broken", OSError("refused")))
    root.mount("/child", child)
    async with life(root):
        events.clear()
    assert events == ["broken", "child stop 2", "child stop 1", "root stop 2", "root stop 1"]
    assert len(logged) == 1
