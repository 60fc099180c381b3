"""Hooks around WebSockets."""

import asyncio

import pytest

from micropie import App, ConnectionClosed, HTTPError, WebSocketMiddleware, WebSocketRequest
from support.asgi_websocket import WebSocketClient
from support.mounts import Noting
from support.websockets import NEW, OLD, Chat, Recorder, app_of, hooked, noting

pytestmark = pytest.mark.anyio


async def test_hooks_run_in_order_before_and_in_reverse_after():
    seen = []
    ending = await hooked(seen, noting(seen), {}, {}, {}).run("/test")
    assert ending.closed == (1000, "")
    assert seen == [
        *("before a", "before b", "before c", "handler", "after c", "after b", "after a")
    ]


async def test_hooks_see_the_handlers_request():
    requests = []

    class Hook(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.user = "Ada"
            requests.append(request)

        async def after_websocket(self, request):
            requests.append(request)

    async def handler(ws):
        requests.append(ws.request)
        await ws.accept()
        await ws.send_text(ws.request.user)

    app = app_of(handler)
    app.ws_middlewares.append(Hook())
    assert (await WebSocketClient(app).run("/test")).sent == ["Ada"]
    assert requests[0] is requests[1] is requests[2]
    assert type(requests[0]) is WebSocketRequest


async def test_a_hook_may_leave_either_method_out():
    seen = []
    app = app_of(noting(seen))
    app.ws_middlewares.append(WebSocketMiddleware())
    assert (await WebSocketClient(app).run("/test")).closed == (1000, "")
    assert seen == ["handler"]


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ({"code": 4401, "reason": "sign in"}, (4401, "sign in")),
        ({"code": 4401}, (4401, "")),
        ({"reason": "sign in"}, (1008, "sign in")),
        ({}, (1008, "")),
        ({"code": 4401, "reason": "é" * 100}, (4401, "é" * 61)),
    ],
)
async def test_a_hook_refuses_with_its_code_and_reason(answer, refused):
    seen = []
    client = hooked(seen, noting(seen), {}, {"answer": answer}, {})
    assert (await client.run("/test")).refused == refused
    assert seen == ["before a", "before b", "after b", "after a"]


@pytest.mark.parametrize(
    "answer",
    [
        False,
        True,
        4401,
        "no",
        (4401, "no"),
        ["code"],
        {"status_code": 403},
        {"code": 4401, "body": "no"},
        {"code": "4401"},
        {"code": None},
        {"code": 1005},
        {"code": 403},
        {"code": 4401, "reason": None},
        {"code": 4401, "reason": b"no"},
    ],
    ids=repr,
)
async def test_a_hook_that_returns_something_else_refuses_and_is_logged(answer, logged):
    seen = []
    client = hooked(seen, noting(seen), {}, {"answer": answer}, {})
    ending = await client.run("/test")
    assert ending.error is None
    assert ending.refused == (1011, "")
    assert seen == ["before a", "before b", "after b", "after a"]
    (record,) = logged
    assert isinstance(record.exc_info[1], TypeError | ValueError)


@pytest.mark.parametrize("error", [RuntimeError("secret"), OSError("disk")], ids=repr)
async def test_an_exception_in_a_hook_refuses_with_1011_and_is_logged_once(error, logged):
    seen = []
    ending = await hooked(seen, noting(seen), {}, {"before": error}, {}).run("/test")
    assert ending.error is None
    assert ending.refused == (1011, "")
    assert seen == ["before a", "before b", "after a"]
    (record,) = logged
    assert record.exc_info[1] is error


@pytest.mark.parametrize(
    ("error", "refused"),
    [(HTTPError(403, "no"), (1008, "")), (HTTPError(503), (1011, ""))],
    ids=str,
)
async def test_an_http_error_in_a_hook_refuses_without_a_log(error, refused):
    seen = []
    ending = await hooked(seen, noting(seen), {"before": error}).run("/test")
    assert ending.refused == refused
    assert seen == ["before a"]


async def test_connection_closed_in_a_hook_refuses():
    ending = await hooked([], noting([]), {"before": ConnectionClosed(4000)}).run("/test")
    assert ending.error is None
    assert ending.refused is not None


@pytest.mark.parametrize(
    "error", [RuntimeError("x"), HTTPError(403), ConnectionClosed(1001)], ids=repr
)
async def test_hooks_after_run_however_the_handler_ended(error, logged):
    seen = []
    await hooked(seen, noting(seen, error), {}, {}).run("/test")
    assert seen == ["before a", "before b", "handler", "after b", "after a"]


async def test_hooks_after_run_when_the_client_left():
    seen = []

    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    async with hooked(seen, handler, {}).connect("/test") as socket:
        socket.leave()
        await socket.ended()
    assert seen == ["before a", "after a"]


async def test_hooks_after_run_when_the_handler_is_cancelled():
    seen = []

    async def handler(ws):
        await ws.accept()
        await ws.receive_text()

    async with hooked(seen, handler, {}).connect("/test") as socket:
        socket.cancel()
        await socket.ended()
    assert seen == ["before a", "after a"]


@pytest.mark.parametrize("url", ["/nothing", "/test?number=x", "/test"])
async def test_hooks_run_for_what_is_refused_afterwards(url):
    seen = []

    async def handler(ws, number: int):
        raise AssertionError

    ending = await hooked(seen, handler, {}).run(url)
    assert ending.refused[0] == 1008
    assert seen == ["before a", "after a"]


async def test_an_exception_after_is_logged_and_stops_no_other(logged):
    seen = []
    error, other = RuntimeError("x"), HTTPError(403)
    client = hooked(seen, noting(seen), {}, {"after": error}, {"after": other})
    ending = await client.run("/test")
    assert ending.error is None
    assert ending.closed == (1000, "")
    assert seen[-3:] == ["after c", "after b", "after a"]
    assert [record.exc_info[1] for record in logged] == [other, error]


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_hook_after_that_is_cancelled_stops_no_other_and_leaves_no_request_behind(mounted):
    class Waiting(WebSocketMiddleware):
        async def after_websocket(self, request):
            waiting.set()
            await asyncio.Event().wait()

    class Outer(WebSocketMiddleware):
        async def after_websocket(self, request):
            assert outer.request is request
            seen.append("outer")

    async def handler(ws):
        await ws.accept()

    async def serve(scope, receive, send):
        try:
            await outer(scope, receive, send)
        finally:
            with pytest.raises(RuntimeError, match="no current request"):
                _ = outer.request

    waiting, seen = asyncio.Event(), []
    inner = outer = app_of(handler)
    if mounted:
        outer = App()
        outer.mount("/part", inner)
    inner.ws_middlewares += [Recorder(seen, "first"), Waiting(), Recorder(seen, "last")]
    outer.ws_middlewares.insert(0, Outer())
    async with WebSocketClient(serve).connect("/part/test" if mounted else "/test") as socket:
        await waiting.wait()
        socket.cancel()
        ending = await socket.ended()
    assert isinstance(ending.error, asyncio.CancelledError)
    assert seen == ["before first", "before last", "after last", "after first", "outer"]


async def test_what_a_hook_after_awaits_being_cancelled_is_logged(logged):
    class Failing(WebSocketMiddleware):
        async def after_websocket(self, request):
            task = asyncio.ensure_future(asyncio.sleep(5))
            task.cancel()
            await task

    seen = []
    app = app_of(noting(seen))
    app.ws_middlewares += [Recorder(seen, "a"), Failing()]
    ending = await WebSocketClient(app).run("/test")
    assert (ending.error, ending.closed) == (None, (1000, ""))
    assert seen == ["before a", "handler", "after a"]
    assert len(logged) == 1


async def test_a_hook_added_while_another_runs_counts_from_the_next_connection():
    seen = []

    class Adding(WebSocketMiddleware):
        async def before_websocket(self, request):
            app.ws_middlewares.append(Recorder(seen, "new"))

    app = app_of(noting(seen))
    app.ws_middlewares.append(Adding())
    await WebSocketClient(app).run("/test")
    assert seen == ["handler"]
    await WebSocketClient(app).run("/test")
    assert seen == ["handler", "before new", "handler", "after new"]


async def test_http_hooks_do_not_run_for_websockets():
    seen = []
    app = app_of(noting(seen))
    app.middlewares.append(Noting(seen))
    assert (await WebSocketClient(app).run("/test")).closed == (1000, "")
    assert seen == ["handler"]


@pytest.mark.parametrize("asgi", [OLD, NEW], ids=["asgi 2.3", "asgi 2.4"])
async def test_a_client_that_left_before_it_is_refused_is_no_error(asgi):
    client = WebSocketClient(Chat(), asgi=asgi)
    async with client.open("/nothing") as socket:
        socket.break_sending(OSError("gone"))
        ending = await socket.ended()
    assert ending.error is None
