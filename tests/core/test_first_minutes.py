"""The first minutes: what a beginner gets wrong is answered by a message that says what to do."""

import logging
import socket
import subprocess
import sys

import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.servers import HOST, serve
from support.sessions import WatchedBackend

pytestmark = pytest.mark.anyio


class Hello(App):
    async def index(self):
        return "Hello"


def told(logged):
    """Return the one thing that was logged, the last line of its traceback included."""
    (record,) = logged
    return logging.Formatter("%(message)s").format(record)


# Writing a class.


def test_a_handler_named_like_something_of_app():
    with pytest.raises(TypeError, match=r"'session' would hide App\.session.*rename it"):

        class Shop(App):
            async def session(self): ...


def test_a_handler_without_self():
    with pytest.raises(TypeError, match="handler 'index' must take self as its first parameter"):

        class Shop(App):
            async def index(): ...


def test_a_websocket_handler_without_its_websocket():
    class Chat(App):
        async def ws_chat(self): ...

    with pytest.raises(TypeError, match="'ws_chat' must take the WebSocket as its first param"):
        Chat()


class Forgetful(App):
    def __init__(self):
        self.name = "shop"

    async def index(self):
        return "Hello"

    async def page(self, name=""):
        return name


NO_SUPER = r"Forgetful\.__init__ must call super\(\)\.__init__\(\)"


async def test_an_init_without_super_init_is_told_at_start_up(logged):
    incoming = [{"type": "lifespan.startup"}]
    sent = []

    async def receive():
        return incoming.pop()

    async def send(message):
        sent.append(message)

    await Forgetful()({"type": "lifespan"}, receive, send)
    assert sent[0]["type"] == "lifespan.startup.failed"
    assert sent[0]["message"].startswith("Forgetful.__init__ must call super().__init__()")


async def test_an_init_without_super_init_is_told_at_the_first_request(logged):
    with pytest.raises(RuntimeError, match=NO_SUPER):
        await Client(Forgetful()).get("/")
    assert (await Client(Forgetful()).get("/page/x")).status == 500
    assert "Forgetful.__init__ must call super().__init__()" in told(logged)


@pytest.mark.parametrize(
    "use",
    [
        lambda app: app.middlewares.append(HttpMiddleware()),
        lambda app: app.mount("/hello", Hello()),
        lambda app: setattr(app, "session_backend", WatchedBackend()),
        lambda app: list(app.startup_handlers),
    ],
    ids=["middlewares", "mount", "session_backend", "startup_handlers"],
)
def test_what_init_makes_can_not_be_used_before_it(use):
    with pytest.raises(RuntimeError, match=NO_SUPER):
        use(Forgetful())


# Starting it.


def test_uvicorn_serves_the_class_as_well(tmp_path):
    (tmp_path / "shop.py").write_text(
        "from micropie import App\n"
        "class Shop(App):\n"
        "    async def index(self):\n"
        "        return 'Hello'\n"
    )
    with serve("uvicorn", "shop:Shop", tmp_path) as server:
        assert server.get("/").text == "Hello"
        assert "factory" in server.log()


@pytest.mark.parametrize("arguments", [3, 1], ids=["ASGI 3", "ASGI 2"])
def test_another_server_that_is_given_the_class(arguments):
    scope = Client(Hello).scope("GET", "/")
    with pytest.raises(TypeError, match=r"Hello is a class.*write `app = Hello\(\)`"):
        Hello(*[scope, None, None][:arguments])


def test_a_port_that_is_taken(tmp_path):
    (tmp_path / "shop.py").write_text("from micropie import App\napp = App()\n")
    with socket.create_server((HOST, 0)) as taken:
        command = ["uvicorn", "shop:app", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode != 0
    assert "address already in use" in done.stderr


def test_a_session_backend_that_is_none():
    with pytest.raises(TypeError, match="session_backend must be a SessionBackend, not 'redis://"):
        App("redis://127.0.0.1")


def test_a_mount_without_its_slash():
    with pytest.raises(ValueError, match="mount path 'static' must start with '/'"):
        App().mount("static", Hello())


def test_a_mounted_class():
    with pytest.raises(TypeError, match="a class must be instantiated"):
        App().mount("/hello", Hello)


# Returning something.


class Helped(App):
    async def _helper(self):
        return "help"

    async def template(self):
        return self._render_template("index.html")

    async def other(self):
        return 200, self._helper()

    async def inside(self):
        self.forgotten = self._helper()
        return {"help": self.forgotten}

    def sync(self):
        return self._helper()


@pytest.mark.parametrize(
    ("path", "helper"), [("template", "App._render_template"), ("other", "Helped._helper")]
)
async def test_a_coroutine_that_was_returned_and_not_awaited(path, helper, logged):
    assert (await Client(Helped()).get(f"/{path}")).status == 500
    assert f"{path} returned coroutine" in told(logged)
    assert f"did you forget to await {helper}()?" in told(logged)


async def test_a_coroutine_inside_of_what_was_returned(logged):
    app = Helped()
    assert (await Client(app).get("/inside")).status == 500
    app.forgotten.close()  # Python would warn of it too, whenever it is collected
    assert "coroutine has no JSON form; did you forget to await it?" in told(logged)


async def test_a_sync_handler_that_can_not_await_may_return_the_coroutine():
    assert (await Client(Helped()).get("/sync")).text == "help"


class Returning(App):
    async def a_set(self):
        return {1, 2}

    async def an_object(self):
        return object()


@pytest.mark.parametrize(("path", "kind"), [("a_set", "set"), ("an_object", "object")])
async def test_what_is_no_response(path, kind, logged):
    assert (await Client(Returning()).get(f"/{path}")).status == 500
    assert f"{path} returned {kind}, which is not a response; return str, bytes," in told(logged)


class Silent(App):
    async def index(self): ...

    async def meant(self):
        return 204, None


async def test_nothing_at_all_is_remarked_upon_in_debug(logged):
    client = Client(Silent(debug=True))
    assert (await client.get("/")).status == 204
    assert "index returned None, so the client gets 204 No Content; return" in told(logged)
    assert (await client.get("/meant")).status == 204
    assert (await client.post("/")).status == 204
    assert len(logged) == 1


async def test_nothing_at_all_is_nothing_to_remark_upon_otherwise():
    assert (await Client(Silent()).get("/")).status == 204


def nameless(handler):
    async def wrapper(*args, **kwargs):
        return await handler(*args, **kwargs)

    return wrapper


async def test_a_decorator_that_loses_the_name_loses_no_route():
    class Decorated(App):
        @nameless
        async def greet(self, name):
            return f"Hello {name}"

    client = Client(Decorated())
    assert (await client.get("/greet/Ada")).text == "Hello Ada"
    assert (await client.get("/wrapper/Ada")).status == 404
    assert Decorated()._url_for("greet", "Ada") == "/greet/Ada"


# Templates.


async def test_a_template_folder_that_is_missing(tmp_path, logged):
    class Pages(App):
        async def index(self):
            return await self._render_template("index.html")

    await Client(Pages(template_dir=tmp_path / "templates")).get("/")
    assert f"the folder {tmp_path / 'templates'} does not exist; create it" in told(logged)
    logged.clear()
    await Client(Pages(template_dir=tmp_path)).get("/")
    assert f"template 'index.html' not found in {tmp_path}" in told(logged)


@pytest.mark.parametrize(
    ("missing", "extra"), [("jinja2", "templates"), ("multipart", "multipart")]
)
async def test_an_extra_that_is_not_installed(missing, extra, monkeypatch, logged):
    class Pages(App):
        async def index(self):
            return await self._render_template("index.html")

    monkeypatch.setitem(sys.modules, missing, None)
    body = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(len(body))}
    request = {"headers": headers, "body": body} if extra == "multipart" else {}
    assert (await Client(Pages()).post("/", **request)).status == 500
    assert f"pip install 'micropie[{extra}]'" in told(logged)


# Requests and sessions.


def test_the_session_outside_of_a_request():
    with pytest.raises(RuntimeError, match=r"there is no current request.*handlers, hooks"):
        _ = Hello().session


async def test_a_session_value_that_is_no_json(logged):
    class Shop(App):
        async def index(self):
            self.session["cart"] = {1, 2}
            return "stored"

    assert (await Client(Shop()).get("/")).status == 500
    assert "session['cart'] holds a set; sessions hold JSON values" in told(logged)


async def test_a_store_that_is_not_running(logged):
    backend = WatchedBackend()
    backend.failing = {"load", "save"}

    class Shop(App):
        async def index(self):
            self.session["cart"] = []
            return "stored"

    client = Client(Shop(backend))
    answer = await client.get("/", headers={"Cookie": "session_id=abc"})
    assert (answer.status, answer.text) == (
        503,
        "503 Service Unavailable: the session store is unavailable",
    )
    assert "a session could not be loaded from WatchedBackend" in told(logged)
    assert "ConnectionError: no load today" in told(logged)
    logged.clear()
    assert (await client.get("/")).status == 503
    assert "a session could not be stored in WatchedBackend" in told(logged)


async def test_a_body_looked_at_before_it_was_read(logged):
    class Hook(HttpMiddleware):
        async def before_request(self, request):
            return {"body": request.form("name")}

    app = Hello()
    app.middlewares.append(Hook())
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "6"}
    assert (await Client(app).post("/", headers=headers, body=b"name=x")).status == 500
    assert "the body was not read yet; await request.parse_body() first" in told(logged)
