"""Functions after the response: when they run and when not, in what context, how they end."""

import asyncio
import contextvars
import gc
import sys
import threading

import pytest

from micropie import App, EventStream, HTTPError, HttpMiddleware, SessionBackend
from micropie._serving import afterwards
from support.asgi import Client, settled
from support.asgi_websocket import WebSocketClient
from support.binding import send_parts
from support.bodies import file_part
from support.lifespans import Life, life

pytestmark = pytest.mark.anyio

color = contextvars.ContextVar("color", default="none")


class Site(App):
    """Records what ran after its responses."""

    def __init__(self, **options):
        super().__init__(**options)
        self.done = []

    async def _note(self, what, **more):
        self.done.append((what, *more.items()))

    def _note_in_thread(self, what):
        self.done.append((what, threading.current_thread() is not threading.main_thread()))

    async def index(self):
        self._after_response(self._note, "index")
        return "Hello."

    async def several(self):
        self._after_response(self._note, 1, by="name")
        self._after_response(self._note_in_thread, 2)
        self._after_response(self._note, 3)
        return {"several": True}

    def blocking(self):
        self._after_response(self._note_in_thread, "blocking")
        return "Hello."

    async def empty(self):
        self._after_response(self._note, "empty")

    async def refused(self):
        self._after_response(self._note, "refused")
        raise HTTPError(403)

    async def crash(self):
        self._after_response(self._note, "crash")
        raise ZeroDivisionError

    async def unavailable(self):
        self._after_response(self._note, "unavailable")
        return 503, "Later."

    async def stream(self):
        self._after_response(self._note, "before")
        yield "one"
        self._after_response(self._note, "within")
        yield "two"

    async def broken(self):
        self._after_response(self._note, "broken")
        yield "one"
        raise ZeroDivisionError

    async def endless(self):
        self._after_response(self._note, "endless")
        yield "one"
        await asyncio.Event().wait()

    async def events(self):
        self._after_response(self._note, "events")
        return EventStream(["one"])


@pytest.mark.parametrize(
    ("path", "done"),
    [
        ("/", [("index",)]),
        ("/several", [(1, ("by", "name")), (2, True), (3,)]),
        ("/blocking", [("blocking", True)]),
        ("/empty", [("empty",)]),
        ("/refused", [("refused",)]),
        ("/stream", [("before",), ("within",)]),
        ("/events", [("events",)]),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_they_run_in_the_order_of_their_registration(path, done, method):
    app = Site()
    if method == "HEAD" and path == "/stream":
        done = done[:1]  # the rest of a generator does not run
    answer = await Client(app).request(method, path)
    assert answer.complete
    assert app.done == done


@pytest.mark.parametrize("path", ["/crash", "/unavailable", "/broken"])
async def test_they_do_not_run_when_the_response_fails(path, logged):
    app = Site()
    await Client(app).get(path)
    await settled()
    assert app.done == []


async def test_they_run_after_the_last_byte():
    class Watching(Site):
        async def _note(self, what, **more):
            self.done.append([message["type"] for message in exchange.messages])

    app = Watching()
    async with life(app), Client(app).open("GET", "/stream") as exchange:
        await exchange.finish()
    # The head, two chunks and the end of them.
    assert [len(sent) for sent in app.done] == [4, 4]


async def test_they_do_not_run_when_the_client_leaves_a_stream():
    app = Site()
    async with life(app):
        async with Client(app).open("GET", "/endless") as exchange:
            await exchange.chunk()
            exchange.disconnect()
            await exchange.ended()
        await settled()
    assert app.done == []


async def test_they_do_not_run_when_the_client_has_left_before_a_short_response():
    entered, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Site):
        async def slow(self):
            self._after_response(self._note, "slow")
            entered.set()
            await go_on.wait()
            return "Hello."

    app = Slow()
    async with Client(app).open("GET", "/slow") as exchange:
        await entered.wait()
        exchange.disconnect()
        go_on.set()
        await exchange.ended()
    await settled()
    assert app.done == []


async def test_they_do_not_run_when_sending_fails():
    app = Site()
    async with Client(app).open("GET", "/") as exchange:
        exchange.break_sending(OSError("gone"))
        await exchange.ended()
    await settled()
    assert app.done == []


async def test_the_request_need_not_wait_for_them_where_there_is_a_lifespan():
    go_on = asyncio.Event()

    class Slow(Site):
        async def slow(self):
            self._after_response(go_on.wait)
            self._after_response(self._note, "slow")
            return "Hello."

    app = Slow()
    async with life(app):
        assert (await Client(app).get("/slow")).text == "Hello."
        assert app.done == []
        go_on.set()
    assert app.done == [("slow",)]  # the shutdown has waited


async def test_without_a_lifespan_the_server_waits_for_them():
    go_on = asyncio.Event()

    class Slow(Site):
        async def slow(self):
            self._after_response(go_on.wait)
            return "Hello."

    app = Slow()
    async with Client(app).open("GET", "/slow") as exchange:
        assert await exchange.chunk() == b"Hello."
        await settled()
        assert exchange.running
        go_on.set()
        await exchange.ended()


async def test_a_crowd_keeps_its_connections(monkeypatch):
    monkeypatch.setattr(afterwards, "_MOST_AT_WORK", 1)
    go_on = asyncio.Event()

    class Slow(Site):
        async def slow(self):
            self._after_response(go_on.wait)
            return "Hello."

    app = Slow()
    async with life(app):
        await Client(app).get("/slow")
        async with Client(app).open("GET", "/slow") as exchange:
            await exchange.chunk()
            await settled()
            assert exchange.running
            go_on.set()
            await exchange.ended()


async def test_an_error_is_logged_with_the_whole_path_and_stops_none_of_the_rest(logged):
    class Failing(Site):
        async def fail(self):
            self._after_response(self._break)
            self._after_response(self._break_in_thread)
            self._after_response(self._note, "rest")
            return "Hello."

        async def _break(self):
            raise ZeroDivisionError

        def _break_in_thread(self):
            raise KeyError("x")

    root, app = App(), Failing()
    root.mount("/shop", app)
    assert (await Client(root, root_path="/pie").get("/pie/shop/fail")).status == 200
    assert app.done == [("rest",)]
    messages = [record.getMessage() for record in logged]
    assert [("'/pie/shop/fail'" in each, "after the response" in each) for each in messages] == [
        (True, True)
    ] * 2
    assert "_break" in messages[0]
    assert "_break_in_thread" in messages[1]
    assert all(record.exc_info for record in logged)


async def test_what_cancels_itself_is_an_error_like_any_other(logged):
    class Cancelling(Site):
        async def cancel(self):
            self._after_response(self._give_up)
            self._after_response(self._note, "rest")
            return "Hello."

        async def _give_up(self):
            raise asyncio.CancelledError

    app = Cancelling()
    await Client(app).get("/cancel")
    assert app.done == [("rest",)]
    assert len(logged) == 1


@pytest.mark.parametrize("path", ["/coroutine", "/thread"])
async def test_each_sees_the_context_in_which_it_was_registered(path):
    class Colored(Site):
        async def coroutine(self):
            color.set("red")
            self._after_response(self._tell)
            color.set("blue")
            self._after_response(self._tell)
            color.set("green")
            return "Hello."

        def thread(self):
            color.set("red")
            self._after_response(self._tell_in_thread)
            color.set("blue")
            self._after_response(self._tell_in_thread)
            return "Hello."

        async def _tell(self):
            self._tell_in_thread()

        def _tell_in_thread(self):
            self.done.append((color.get(), self.request.path))

    app = Colored()
    await Client(app).get(path)
    assert app.done == [("red", path), ("blue", path)]


async def test_functions_of_any_kind_may_be_given():
    class Sender:
        async def __call__(self, what):
            app.done.append(what)

    class Kinds(Site):
        async def kinds(self):
            self._after_response(Sender(), "object")
            self._after_response(lambda: self._note("wrapped"))
            self._after_response(self.done.append, "builtin")
            return "Hello."

    app = Kinds()
    await Client(app).get("/kinds")
    assert app.done == ["object", ("wrapped",), "builtin"]


async def test_what_is_no_function_is_refused_at_once():
    class Wrong(Site):
        async def index(self):
            with pytest.raises(TypeError, match="takes a function"):
                self._after_response(self._note("called too early"))
            with pytest.raises(TypeError, match="takes a function"):
                self._after_response(None)
            return "Hello."

    assert (await Client(Wrong()).get("/")).status == 200
    gc.collect()  # no coroutine is left that nobody awaits


async def test_outside_of_a_request_it_raises():
    app = Site()
    with pytest.raises(RuntimeError, match="no current request"):
        app._after_response(print)


async def test_after_the_response_it_raises():
    class Late(Site):
        async def late(self):
            self._after_response(self._again)
            return "Hello."

        async def _again(self):
            with pytest.raises(RuntimeError, match="sent already"):
                self._after_response(self._note, "again")
            self.done.append("refused")

    app = Late()
    await Client(app).get("/late")
    assert app.done == ["refused"]


async def test_in_a_websocket_it_raises():
    class Talk(App):
        async def ws_index(self, ws):
            await ws.accept()
            with pytest.raises(RuntimeError, match="WebSocket"):
                self._after_response(print)

    async with WebSocketClient(Talk()).connect("/") as socket:
        assert (await socket.ended()).closed == (1000, "")


async def test_hooks_may_register_them_too_and_mounted_apps_do():
    class Hook(HttpMiddleware):
        async def before_request(self, request):
            root._after_response(root._note, "before")

        async def after_request(self, request, status_code, response_body, extra_headers):
            root._after_response(root._note, "after")

    async def foreign(scope, receive, send):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"Hello."})

    root, child, status = Site(), Site(), 200
    root.mount("/child", child)
    root.mount("/foreign", foreign)
    client = Client(root)
    await client.get("/child/stream")  # nothing stands between
    assert child.done == [("before",), ("within",)]
    root.middlewares.append(Hook())
    child.done.clear()
    await client.get("/child")
    assert (root.done, child.done) == ([("before",), ("after",)], [("index",)])
    root.done.clear()
    await client.get("/foreign")
    assert root.done == [("before",), ("after",)]
    root.done.clear()
    status = 500
    await client.get("/foreign")
    assert root.done == []


@pytest.mark.parametrize("error", [ZeroDivisionError(), HTTPError(503)])
async def test_what_replaces_the_answer_of_a_mounted_app_by_an_error_stops_them(error, logged):
    class Hook(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            raise error

    root, child = App(), Site()
    root.mount("/child", child)
    root.middlewares.append(Hook())
    assert (await Client(root).get("/child")).status >= 500
    assert child.done == []


async def test_an_exception_that_a_hook_answers_has_failed_all_the_same():
    class Hook(HttpMiddleware):
        async def on_error(self, request, error):
            return {"status_code": 200, "body": "Never mind."}

    app = Site()
    app.middlewares.append(Hook())
    assert (await Client(app).get("/crash")).status == 200
    assert app.done == []


async def test_the_session_is_stored_before_and_one_that_is_not_stops_them(logged):
    class Backend(SessionBackend):
        fails = False

        async def load(self, session_id):
            return {}

        async def save(self, session_id, data, timeout):
            if self.fails:
                raise OSError("the store is away")
            app.done.append("stored")

    class Login(Site):
        async def login(self):
            self.session["user"] = "ada"
            self._after_response(self._note, "greeted")
            return "Hello."

    backend = Backend()
    app = Login(session_backend=backend)
    await Client(app).get("/login")
    assert app.done == ["stored", ("greeted",)]
    backend.fails = True
    assert (await Client(app).get("/login")).status == 503
    assert app.done == ["stored", ("greeted",)]


async def test_an_upload_is_closed_by_then():
    pytest.importorskip("multipart")

    class Uploading(Site):
        async def upload(self, file):
            self._after_response(self._read, file)
            return "Thanks."

        async def _read(self, file):
            with pytest.raises(ValueError, match="closed"):
                await file.read()
            self.done.append("closed")

    app = Uploading()
    parts = file_part("file", "a.txt", "content")
    await send_parts(app, "/upload", parts)
    async with life(app):
        await send_parts(app, "/upload", parts)
    assert app.done == ["closed"] * 2


@pytest.mark.skipif(sys.platform == "emscripten", reason="needs another thread")
async def test_the_shutdown_cancels_them_after_a_while(monkeypatch, logged):
    monkeypatch.setattr(afterwards, "_STOP_WAITS", 0.05)
    monkeypatch.setattr(afterwards, "_THREAD_WAITS", 0.05)
    let_go = threading.Event()

    class Endless(Site):
        async def coroutine(self):
            self._after_response(asyncio.Event().wait)
            self._after_response(self._note, "never")
            return "Hello."

        async def thread(self):
            self._after_response(let_go.wait)
            self._after_response(self._note, "never")
            return "Hello."

    app = Endless()
    running = Life(app)
    await running.start()
    for path in ("/coroutine", "/thread"):
        await Client(app).get(path)
    await settled()
    assert await running.stop() == {"type": "lifespan.shutdown.complete"}
    let_go.set()
    assert app.done == []
    assert sum("was cancelled" in record.getMessage() for record in logged) == 2
