"""A subclass's private names are its own: nothing of App's inside is in their way."""

import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client

pytestmark = pytest.mark.anyio

# What handlers may call; to replace one of these is to override it.
HELPERS = {
    *("_asgi_app_http", "_parse_cookies", "_parse_multipart", "_redirect", "_render_template"),
    *("_after_response", "_send_response", "_url_for"),
}

# Names that the helpers and attributes of applications have, and that App once kept to itself.
NAMES = [
    *("_answer", "_connection", "_debug", "_env", "_family", "_handlers", "_limits", "_log"),
    *("_load_session", "_mounts", "_parts", "_plain", "_routes", "_run", "_send", "_serve"),
    *("_sessions", "_shutdown", "_startup", "_state", "_templates", "_workers", "_ws_routes"),
    "__parts",
]


class Hook(HttpMiddleware):
    async def before_request(self, request):
        request.session["seen"] = True


class Site(App):
    def __init__(self):
        super().__init__()
        self.middlewares.append(Hook())

    async def index(self):
        return "index"

    async def item(self, number: int):
        return {"number": number}

    def blocking(self):
        return "blocking"

    async def stream(self):
        yield "stream"

    async def fails(self):
        return self._redirect(self._url_for("item", 1))


async def answers(app: App) -> list[str]:
    client = Client(app)
    paths = ["/", "/item/42", "/item/x", "/blocking", "/stream", "/fails", "/missing"]
    return [(await client.get(path)).text for path in paths]


def broken(*args, **kwargs):
    raise AssertionError("App called a name of its subclass")


def test_app_has_no_private_name_beside_its_helpers_and_one_that_is_mangled():
    private = {
        name
        for name in {*dir(App), *vars(App())}
        if name.startswith("_") and not name.startswith("__")
    }
    assert private == HELPERS | {"_App__micropie"}


@pytest.mark.parametrize("name", NAMES)
async def test_a_method_of_any_private_name_means_nothing_to_app(name):
    assert await answers(type("Own", (Site,), {name: broken})()) == await answers(Site())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("is_first", [True, False])
async def test_an_attribute_of_any_private_name_means_nothing_to_app(name, is_first):
    class Own(Site):
        def __init__(self):
            if is_first:
                setattr(self, name, ["mine"])
            super().__init__()
            setattr(self, name, ["mine"])

    own = Own()
    assert await answers(own) == await answers(Site())
    assert getattr(own, name) == ["mine"]


async def test_a_subclass_called_app_keeps_its_mangled_names():
    Base = App  # noqa: N806

    class Shop(Base):
        def __init__(self):
            self.__parts = ["wheel"]
            super().__init__()

        async def index(self):
            return self.__parts

    Named = type("App", (Shop,), {"_App__parts": ["door"]})  # noqa: N806
    assert (await Client(Named()).get("/")).json == ["wheel"]


async def test_start_up_and_shutdown_do_not_call_private_names_of_a_subclass():
    ran = []

    class Own(App):
        _startup = _shutdown = _start_all = _family = _stop = broken

    app = Own()
    app.startup_handlers.append(lambda: ran.append("start"))
    app.shutdown_handlers.append(lambda: ran.append("stop"))
    incoming = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
    sent = []

    async def receive():
        return incoming.pop()

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert ran == ["start", "stop"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
