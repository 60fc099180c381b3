"""Sessions of WebSockets below a mount."""

import pytest

from micropie import App, InMemorySessionBackend, WebSocketMiddleware
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.websocket_sessions import COOKIE, Backend, cookie_of

pytestmark = pytest.mark.anyio

# Below a mount: other ASGI apps.


class Foreign:
    """An ASGI app that keeps what it is called with, and echoes one message."""

    def __init__(self):
        self.scope = None
        self.received = []

    async def __call__(self, scope, receive, send):
        self.scope = scope
        self.received.append(await receive())
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"]})
        await send({"type": "websocket.close", "code": 4000, "reason": "mounted"})


class Noting(WebSocketMiddleware):
    def __init__(self, seen, answer=None):
        self.seen = seen
        self.answer = answer

    async def before_websocket(self, request):
        self.seen.append(("before", request.path))
        return self.answer

    async def after_websocket(self, request):
        self.seen.append(("after", request.path))


async def test_a_mounted_app_speaks_asgi_itself():
    app, foreign = App(), Foreign()
    app.mount("/foreign", foreign)
    async with WebSocketClient(app).connect(
        "/pie/foreign/a%2Fb?q=1", subprotocols=["x"], root_path="/pie"
    ) as socket:
        socket.send_text("echo")
        assert await socket.receive() == "echo"
        ending = await socket.ended()
    assert ending.closed == (4000, "mounted")
    assert foreign.received == [{"type": "websocket.connect"}]
    assert foreign.scope["type"] == "websocket"
    assert foreign.scope["path"] == "/pie/foreign/a/b"
    assert foreign.scope["root_path"] == "/pie/foreign"
    assert foreign.scope["raw_path"] == b"/pie/foreign/a%2Fb"
    assert foreign.scope["query_string"] == b"q=1"
    assert foreign.scope["subprotocols"] == ["x"]
    ours = {key for key in foreign.scope if key.startswith("micropie")}
    assert ours == {"micropie.root_paths", "micropie.state"}


async def test_a_mount_wins_over_a_handler_and_the_root_mount_does_not():
    class Site(App):
        async def ws_chat(self, ws):
            await ws.accept()
            await ws.send_text("handler")

    app, above, root = Site(), Foreign(), Foreign()
    app.mount("/", root)
    client = WebSocketClient(app)
    assert (await client.run("/chat")).sent == ["handler"]
    async with client.connect("/elsewhere") as socket:
        socket.send_text("root")
        assert await socket.receive() == "root"
    assert root.scope["root_path"] == ""
    app.mount("/chat", above)
    async with client.connect("/chat/room") as socket:
        socket.send_text("mount")
        assert await socket.receive() == "mount"
    assert above.scope["root_path"] == "/chat"


async def test_a_path_that_only_begins_like_a_mount_is_not_below_it():
    app = App()
    app.mount("/chat", Foreign())
    assert (await WebSocketClient(app).run("/chatter")).refused is not None


async def test_hooks_stand_in_front_of_a_mounted_app():
    app, foreign, seen = App(), Foreign(), []
    app.mount("/foreign", foreign)
    app.ws_middlewares.append(Noting(seen))
    async with WebSocketClient(app).connect("/foreign/x") as socket:
        socket.send_text("a")
        await socket.ended()
    assert seen == [("before", "/foreign/x"), ("after", "/foreign/x")]


async def test_a_hook_refuses_in_front_of_a_mounted_app():
    app, foreign, seen = App(), Foreign(), []
    app.mount("/foreign", foreign)
    app.ws_middlewares.append(Noting(seen, {"code": 4403}))
    assert (await WebSocketClient(app).run("/foreign")).refused == (4403, "")
    assert foreign.scope is None


async def test_what_a_mounted_app_raises_is_the_servers_to_see():
    async def broken(scope, receive, send):
        await receive()
        raise RuntimeError("broken")

    app, seen = App(), []
    app.mount("/broken", broken)
    app.ws_middlewares.append(Noting(seen))
    ending = await WebSocketClient(app).run("/broken")
    assert str(ending.error) == "broken"
    assert seen == [("before", "/broken"), ("after", "/broken")]


async def test_a_mounted_app_without_hooks_costs_no_session(backend):
    app = App(backend)
    app.mount("/foreign", Foreign())
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        await socket.ended()
    assert backend.calls == []


async def test_what_a_hook_changes_in_front_of_a_mounted_app_is_stored(backend):
    class Count(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.session["count"] = 1

    app = App(backend)
    app.mount("/foreign", Foreign())
    app.ws_middlewares.append(Count())
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        await socket.ended()
    assert (await backend.stored())["count"] == 1


async def test_a_store_that_is_down_after_a_mounted_app_is_logged(backend, logged):
    class Count(WebSocketMiddleware):
        async def before_websocket(self, request):
            request.session["count"] = 1

    app = App(backend)
    app.mount("/foreign", Foreign())
    app.ws_middlewares.append(Count())
    backend.failing.add("merge")
    async with WebSocketClient(app).connect("/foreign", headers=COOKIE) as socket:
        socket.send_text("a")
        ending = await socket.ended()
    assert ending.error is None
    assert ending.closed == (4000, "mounted")
    assert len(logged) == 1


# Below a mount: Apps.


class Part(App):
    """A part of a site, to be mounted."""

    async def ws_index(self, ws):
        await ws.accept()
        await ws.send_text("part")

    async def ws_name(self, ws, new=None):
        if new is not None:
            self.session["name"] = new
        await ws.accept()
        await ws.send_json([self.session.get("name"), self.request.path, ws.request.path_params])
        assert self.session is ws.session

    async def ws_fail(self, ws):
        self.session["name"] = "never"
        await ws.accept()
        raise RuntimeError

    async def ws_late(self, ws):
        await ws.accept()
        self.session["name"] = "too late"

    async def ws_where(self, ws):
        await ws.accept()
        await ws.send_text(self._url_for("page"))

    async def page(self):
        return "page"


def mounted(part, *, backend=None, path="/part"):
    app = App(backend)
    app.mount(path, part)
    return WebSocketClient(app)


async def test_a_mounted_app_serves_its_own_handlers(backend):
    client = mounted(Part(), backend=backend)
    assert (await client.run("/part")).sent == ["part"]
    assert (await client.run("/part/")).sent == ["part"]
    assert (await client.run("/part/where")).sent == ["/part/page"]
    assert (await client.run("/part/nothing")).refused == (1008, "there is no such WebSocket")
    assert (await client.run("/name")).refused == (1008, "there is no such WebSocket")


async def test_a_mounted_app_shares_the_session_of_its_parent(backend):
    client = mounted(Part(), backend=backend)
    ending = await client.run("/part/name/Eve", headers=COOKIE)
    assert ending.sent == ['["Eve","/name/Eve",["Eve"]]']
    assert cookie_of(ending.messages[0]) is None
    assert await backend.stored() == {"name": "Eve", "list": [1]}
    assert backend.calls == ["load", "merge"]


async def test_a_mounted_app_begins_a_session_of_its_parent(backend):
    ending = await mounted(Part(), backend=backend).run("/part/name/Eve")
    session_id = cookie_of(ending.messages[0])
    assert await backend.stored(session_id) == {"name": "Eve"}
    assert backend.calls[0] == "save"


async def test_a_handler_that_fails_below_a_mount_stores_nothing(backend, logged):
    ending = await mounted(Part(), backend=backend).run("/part/fail", headers=COOKIE)
    assert ending.closed == (1011, "")
    assert await backend.stored() == {"name": "Ada", "list": [1]}
    assert len(logged) == 1


async def test_a_session_begun_too_late_below_a_mount_is_logged_once(backend, logged):
    ending = await mounted(Part(), backend=backend).run("/part/late")
    assert ending.closed == (1000, "")
    assert backend.calls == []
    assert len(logged) == 1


async def test_a_store_that_is_down_refuses_below_a_mount(backend, logged):
    backend.failing.add("load")
    ending = await mounted(Part(), backend=backend).run("/part/name", headers=COOKIE)
    assert ending.refused == (1011, "")
    assert len(logged) == 1


async def test_a_mounted_app_with_a_backend_of_its_own_has_its_own_sessions(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    client = mounted(Part(own), backend=backend)
    ending = await client.run("/part/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']
    assert backend.calls == []
    ending = await client.run("/part/name/Eve")
    assert await own.stored(cookie_of(ending.messages[0])) == {"name": "Eve"}
    assert backend.calls == []


async def test_a_session_is_shared_through_several_mounts(backend):
    middle = App()
    middle.mount("/inner", Part())
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name/Eve", headers=COOKIE)
    assert ending.sent == ['["Eve","/name/Eve",["Eve"]]']
    assert (await backend.stored())["name"] == "Eve"
    ending = await client.run("/middle/inner/name/Zoe")
    assert await backend.stored(cookie_of(ending.messages[0])) == {"name": "Zoe"}


async def test_a_backend_of_its_own_counts_below_several_mounts(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    middle = App()
    middle.mount("/inner", Part(own))
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']
    await client.run("/middle/inner/name/Eve", headers=COOKIE)
    assert (await own.stored())["name"] == "Eve"
    assert (await backend.stored())["name"] == "Ada"


async def test_a_backend_of_its_own_counts_below_several_mounts_for_http_too(backend):
    class Page(App):
        async def name(self):
            return self.session["name"]

    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    middle, app = App(), App(backend)
    middle.mount("/inner", Page(own))
    app.mount("/middle", middle)
    assert (await Client(app).get("/middle/inner/name", headers=COOKIE)).text == "own"


async def test_an_app_inside_another_asgi_app_has_its_own_sessions(backend):
    own = Backend()
    await InMemorySessionBackend.save(own, "known", {"name": "own"}, 8 * 3600)
    inner = Part(own)

    async def wrapper(scope, receive, send):
        await inner(scope, receive, send)

    middle = App()
    middle.mount("/inner", wrapper)
    client = mounted(middle, backend=backend, path="/middle")
    ending = await client.run("/middle/inner/name", headers=COOKIE)
    assert ending.sent == ['["own","/name",[]]']


async def test_hooks_of_parent_and_part_nest(backend):
    seen = []
    part, app = Part(), App(backend)
    app.mount("/part", part)
    app.ws_middlewares.append(Noting(seen))
    part.ws_middlewares.append(Noting(seen))
    await WebSocketClient(app).run("/part/name", headers=COOKIE)
    assert seen == [
        ("before", "/part/name"),
        ("before", "/name"),
        ("after", "/name"),
        ("after", "/part/name"),
    ]
    assert backend.calls == ["load"]


async def test_a_mounted_app_looks_at_the_origin_itself():
    handshake = {"headers": {"Origin": "http://evil.example", "Host": "pie.example"}}
    assert (await mounted(Part()).run("/part", **handshake)).refused == (
        1008,
        "this origin is not allowed",
    )
    client = mounted(Part(websocket_origins=["http://evil.example"]))
    assert (await client.run("/part", **handshake)).sent == ["part"]


async def test_parent_and_part_have_requests_of_their_own():
    requests = []

    class Outer(App):
        pass

    class Inner(App):
        async def ws_index(self, ws):
            requests.append((self.request, outer.request))
            await ws.accept()

    class Hook(WebSocketMiddleware):
        async def before_websocket(self, request):
            requests.append(request)

        async def after_websocket(self, request):
            assert outer.request is request

    outer = Outer()
    outer.mount("/inner", Inner())
    outer.ws_middlewares.append(Hook())
    ending = await WebSocketClient(outer).run("/inner")
    assert ending.closed == (1000, "")
    parents, (inner, seen_by_outer) = requests
    assert inner is seen_by_outer
    assert inner is not parents
