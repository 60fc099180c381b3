"""`limit`: how large a body one handler takes."""

import functools

import pytest

from micropie import App, HttpMiddleware, limit
from support.asgi import Client
from support.bodies import BINARY, JSON, MIB
from support.body_app import CHUNKED, head, sending

pytestmark = pytest.mark.anyio


def logged(handler):
    @functools.wraps(handler)
    async def call(*args, **kwargs):
        return await handler(*args, **kwargs)

    return call


class Site(App):
    def __init__(self):
        super().__init__(max_body_size=200, max_json_size=100)

    async def usual(self):
        return len(await self.request.read())

    @limit(body=400)
    async def more(self):
        return len(await self.request.read())

    @limit(body=50)
    async def less(self):
        return len(await self.request.read())

    @limit(body=None)
    async def endless(self):
        return sum([len(chunk) async for chunk in self.request.stream()])

    @limit(body=400, json=300)
    async def documents(self, text):
        return text

    @limit(body=4 * MIB, json=None)
    async def any_json(self, text):
        return len(text)

    @logged
    @limit(body=400)
    async def decorated(self):
        return len(await self.request.read())

    @staticmethod
    @limit(body=400)
    def static():
        return "static"

    async def _parsing(self):
        return "chosen"


def text(size):
    return b'{"text":"' + b"a" * (size - 11) + b'"}'


@pytest.mark.parametrize(
    ("url", "most"),
    [("/usual", 200), ("/more", 400), ("/less", 50), ("/decorated", 400)],
)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_handler_has_the_limit_that_it_sets(url, most, announced):
    client = Client(Site())
    for size, status in ((most, 200), (most + 1, 413)):
        headers = {} if announced else CHUNKED
        headers = {**head(BINARY, size if announced else None), **headers}
        answer = await client.post(url, headers=headers, body=b"x" * size)
        assert answer.status == status
    assert answer.text == f"413 Content Too Large: the body is over {most} bytes"


async def test_none_is_no_limit():
    answer = await Client(Site()).request(url="/endless", **sending(b"x" * 17 * MIB, BINARY))
    assert (answer.status, answer.json) == (200, 17 * MIB)
    answer = await Client(Site()).request(url="/any_json", **sending(text(3 * MIB), JSON))
    assert answer.status == 200
    assert (
        await Client(Site()).request(url="/any_json", **sending(text(5 * MIB), JSON))
    ).status == 413


async def test_json_has_a_limit_of_its_own():
    client = Client(Site())
    for size, status in ((300, 200), (301, 413)):
        answer = await client.request(url="/documents", **sending(text(size), JSON))
        assert answer.status == status
    # What is not said stays as the App has it.
    answer = await client.request(url="/more", **sending(text(400), JSON))
    assert answer.json == 400


async def test_a_body_that_nothing_announces_is_held_to_the_limit():
    class Unannounced(App):
        @limit(body=10)
        async def index(self):
            return len(await self.request.read())

    for size, status in ((10, 200), (11, 413)):
        answer = await Client(Unannounced()).post("/", body=b"x" * size, http_version="2")
        assert answer.status == status


async def test_a_hook_meets_the_limit_of_the_handler():
    class Parses(HttpMiddleware):
        async def before_request(self, request):
            await request.parse_body()

    app = Site()
    app.middlewares.append(Parses())
    client = Client(app)
    assert (await client.request(url="/documents", **sending(text(300), JSON))).status == 200
    assert (await client.request(url="/documents", **sending(text(301), JSON))).status == 413
    assert (await client.request(url="/usual", **sending(text(101), JSON))).status == 413


async def test_a_handler_that_a_hook_chose_has_its_own_limit():
    class Chooses(HttpMiddleware):
        async def before_request(self, request):
            request.handler = "more"

    app = Site()
    app.middlewares.append(Chooses())
    assert (await Client(app).request(url="/less", **sending(b"x" * 400, BINARY))).json == 400
    assert (await Client(app).request(url="/less", **sending(b"x" * 401, BINARY))).status == 413


async def test_handlers_of_any_kind_have_limits():
    app = Site()

    @limit(body=300)
    async def assigned(self=None):
        return len(await app.request.read())

    app.assigned = assigned
    app.partial = functools.partial(assigned, None)
    client = Client(app)
    for url in ("/assigned", "/partial"):
        assert (await client.request(url=url, **sending(b"x" * 300, BINARY))).json == 300
        assert (await client.request(url=url, **sending(b"x" * 301, BINARY))).status == 413
    assert (await client.request(url="/static", **sending(text(301), JSON))).text == "static"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({}, TypeError, "limit.. takes body, json or both"),
        ({"body": "1 MiB"}, TypeError, "limit.body=.... must be an integer or None"),
        ({"json": -1}, ValueError, "limit.json=.... must be at least 0"),
        ({"json": True}, TypeError, "limit.json"),
    ],
)
def test_a_wrong_limit_is_refused_when_it_is_written(given, error, message):
    with pytest.raises(error, match=message):
        limit(**given)


def test_a_websocket_has_no_body_to_limit():
    class Chat(App):
        @limit(body=10)
        async def ws_chat(self, ws): ...

    with pytest.raises(TypeError, match="'ws_chat' serves a WebSocket, which has no body"):
        Chat()
