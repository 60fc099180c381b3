"""App itself: construction, the current request, the ASGI interface."""

import asyncio
import contextvars
import gc
import inspect
import weakref
from contextlib import suppress
from pathlib import Path

import pytest

from micropie import App, HttpMiddleware
from support.asgi import PATIENCE, Client

pytestmark = pytest.mark.anyio


class Hello(App):
    async def index(self):
        return "Hello"


# Construction.


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("sync_workers", 0),
        ("sync_workers", -1),
        ("sync_workers", 1.5),
        ("sync_workers", "40"),
        ("sync_workers", None),
        ("sync_queue", -1),
        ("sync_queue", 1.5),
        ("sync_queue", True),
        ("sync_queue", None),
        ("template_dir", 5),
        ("template_dir", None),
        ("debug", "0"),
        ("debug", "false"),
        ("debug", 1),
    ],
)
def test_a_wrong_option_is_refused_by_name(option, value):
    with pytest.raises((TypeError, ValueError), match=option):
        App(**{option: value})


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="nonsense"):
        App(nonsense=1)


@pytest.mark.parametrize("folder", ["templates", Path("templates")])
def test_the_template_folder_is_a_text_or_a_path(folder):
    App(template_dir=folder)


def test_a_class_may_take_arguments_of_its_own():
    class Tagged:
        def __init_subclass__(cls, tag="", **kwargs):
            super().__init_subclass__(**kwargs)
            cls.tag = tag

    class Named(App, Tagged, tag="x"):
        def __init__(self, name, *, debug=False):
            super().__init__(debug=debug)
            self.name = name

    app = Named("shop", debug=True)
    assert (app.name, app.debug, app.tag) == ("shop", True, "x")


def test_apps_do_not_share_middlewares():
    one, other = Hello(), Hello()
    one.middlewares.append(HttpMiddleware())
    assert other.middlewares == []


def test_the_signature_of_a_class_is_that_of_its_init():
    class Named(App):
        def __init__(self, name, *, debug=False):
            super().__init__(debug=debug)

    assert str(inspect.signature(Named)) == "(name, *, debug=False)"
    parameters = inspect.signature(Hello).parameters
    assert [*parameters][:3] == ["session_backend", "template_dir", "debug"]
    assert parameters["sync_workers"].default == 40
    assert [*inspect.signature(Hello()).parameters] == ["scope", "receive", "send"]


# The current request.


async def test_each_of_many_requests_at_once_sees_itself():
    arrived = asyncio.Barrier(20)

    class Meeting(App):
        async def index(self, number):
            await arrived.wait()
            return f"{number} {self.request.query('number')} {self.request.path}"

    client = Client(Meeting())
    answers = await asyncio.gather(*(client.get(f"/{n}?number={n}") for n in range(20)))
    assert [answer.text for answer in answers] == [f"{n} {n} /{n}" for n in range(20)]


async def test_tasks_of_a_handler_see_its_request():
    class Tasks(App):
        async def index(self):
            return await asyncio.create_task(self._path())

        async def _path(self):
            return self.request.path

    assert (await Client(Tasks()).get("/")).text == "/"


async def test_outside_of_a_handler_there_is_no_request():
    app = Hello()
    with pytest.raises(RuntimeError, match="no current request"):
        _ = app.request
    await Client(app).get("/")
    with pytest.raises(RuntimeError, match="no current request"):
        _ = app.request


async def test_an_app_called_from_an_app_does_not_lose_its_request():
    inner = Hello()

    class Outer(App):
        async def index(self):
            answer = await Client(inner).get("/")
            return f"{answer.text} {self.request.query('who')}"

    assert (await Client(Outer()).get("/?who=Bob")).text == "Hello Bob"


async def test_an_app_called_in_the_same_task_does_not_lose_its_request_either():
    inner = Hello()

    class Outer(App):
        async def index(self):
            sent = []

            async def send(message):
                sent.append(message)

            await inner(Client(inner).scope("GET", "/"), None, send)
            return f"{sent[1]['body'].decode()} {self.request.query('who')}"

        async def plain(self):
            async def fail(message):
                raise OSError("the client has left")

            with suppress(OSError):
                await inner(Client(inner).scope("GET", "/"), None, fail)
            return self.request.path

    assert (await Client(Outer()).get("/?who=Bob")).text == "Hello Bob"
    assert (await Client(Outer()).get("/plain")).text == "/plain"


async def test_a_handler_that_was_cancelled_is_no_longer_the_current_request():
    class Waiting(App):
        async def index(self):
            limit.reschedule(asyncio.get_running_loop().time())
            await asyncio.Event().wait()

    inner = Waiting()

    limit = asyncio.timeout(None)

    class Outer(App):
        async def impatient(self):
            with suppress(TimeoutError):
                async with limit:
                    await inner(Client(inner).scope("GET", "/"), None, None)
            return self.request.path

    assert (await Client(Outer()).get("/impatient")).text == "/impatient"


@pytest.mark.parametrize("path", ["/", "/item/1", "/visit"])
async def test_a_timer_that_a_server_starts_after_an_answer_holds_nothing_of_the_request(path):
    requests, contexts = [], []

    class Site(App):
        async def index(self):
            requests.append(weakref.ref(self.request))
            return "Hello"

        async def item(self, number: int):
            requests.append(weakref.ref(self.request))
            return {"number": number}

        async def visit(self):
            self.session["visits"] = 1
            requests.append(weakref.ref(self.request))
            return "Welcome"

    async def send(message):
        contexts.append(contextvars.copy_context())  # as loop.call_later does

    app = Site()
    await app(Client(app).scope("GET", path), None, send)
    gc.collect()
    assert [request() for request in requests] == [None]
    assert len(contexts) == 2


async def test_a_handler_sees_the_context_of_its_server():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    class Context(App):
        async def index(self):
            return variable.get()

        def sync(self):
            return variable.get()

    variable.set("server's")
    client = Client(Context())
    assert (await client.get("/")).text == "server's"
    assert (await client.get("/sync")).text == "server's"


# ASGI.


async def test_an_unknown_scope_type_is_refused():
    with pytest.raises(ValueError, match="'telepathy'"):
        await Hello()({"type": "telepathy"}, None, None)


async def test_the_scope_is_left_as_it_was():
    scopes = []

    class Scopes(App):
        async def index(self, *segments):
            scopes.append(self.request.scope)
            return [self.request.headers, self.request.cookies, self.request.query_params]

    client = Client(Scopes(), root_path="/api")
    await client.get("/api/a%2Fb?c=d", headers={"Cookie": "a=1"})
    assert scopes == [client.scope("GET", "/api/a%2Fb?c=d", {"Cookie": "a=1"})]


async def test_a_response_reads_nothing_from_the_client_unasked():
    async with Client(Hello()).open("POST", "/", body=[b"a", b"b"]) as exchange:
        await exchange.finish()
        assert exchange.received == 0


async def test_a_server_that_cancels_a_request_stops_its_handler():
    begun, stopped = asyncio.Event(), asyncio.Event()

    class Waiting(App):
        async def index(self):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

    async with Client(Waiting()).open("GET", "/") as exchange:
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        exchange.cancel()
        await exchange.ended()
        assert stopped.is_set()
        assert not exchange.messages


async def test_messages_of_one_response_are_not_shared_with_the_next():
    client = Client(Hello())
    first = await client.get("/")
    first.messages[0]["headers"].append((b"x-server", b"changed it"))
    second = await client.get("/")
    assert second.header("x-server") is None


async def test_app_runs_on_different_event_loops_one_after_another():
    app = Hello()
    app.sync = lambda: "sync"

    async def ask():
        return (await Client(app).get("/")).text + (await Client(app).get("/sync")).text

    def run() -> str:
        return asyncio.run(ask())

    assert [await asyncio.to_thread(run) for _ in range(2)] == ["Hellosync", "Hellosync"]
