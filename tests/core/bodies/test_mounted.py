"""Bodies below a mount: the mounted app reads them itself, after hooks that may have done so."""

import asyncio

import pytest

from micropie import App, HttpMiddleware
from support.asgi import PATIENCE, Client
from support.bodies import JSON, MULTIPART
from support.body_app import A_MULTIPART, AN_OBJECT, PARSED, Bodies, hooked, sending
from support.mounts import Page, named, tree

pytestmark = pytest.mark.anyio

# Mounted apps read the body themselves.


async def test_a_mounted_app_gets_the_body_that_a_hook_parsed():
    async def before(request):
        await request.parse_body()

    for content_type, body in PARSED[:2]:
        client = hooked(before)
        client.app.mount("/below", Bodies())
        answer = await client.request(url="/below/parsed", **sending(body, content_type))
        assert answer.json["form"]["name"] == ["Ada"]


async def test_a_mounted_app_gets_the_body_that_a_hook_only_looked_for():
    async def before(request):
        with pytest.raises(RuntimeError, match="was not read yet"):
            request.form("name")

    client = hooked(before)
    client.app.mount("/below", Bodies())
    answer = await client.request(url="/below/parsed", **sending(A_MULTIPART, MULTIPART))
    assert answer.json["form"] == {"name": ["Ada"]}


async def test_a_mounted_app_can_not_get_what_a_hook_did_not_keep(logged):
    async def before(request):
        await request.parse_body()

    client = hooked(before)
    client.app.mount("/below", Bodies())
    answer = await client.request(url="/below/parsed", **sending(A_MULTIPART, MULTIPART))
    assert answer.status == 500
    (record,) = logged
    assert str(record.exc_info[1]) == "a hook read the body of a request for a mounted app"


async def test_a_mounted_app_hears_of_the_departure_after_the_body():
    class Forever(App):
        async def index(self):
            yield "begun"
            await asyncio.Event().wait()

    async def before(request):
        await request.parse_body()

    client = hooked(before)
    client.app.mount("/below", Forever())
    async with client.open(url="/below", **sending(AN_OBJECT, JSON)) as exchange:
        assert await exchange.chunk() == b"begun"
        exchange.disconnect()
        await exchange.ended()


# The body, read by a hook.


class Reading(HttpMiddleware):
    def __init__(self, how):
        self.how = how
        self.read = None

    async def before_request(self, request):
        if self.how == "read":
            self.read = await request.read()
        elif self.how == "parse_body":
            await request.parse_body()
            self.read = request.body_params
        else:
            self.read = [chunk async for chunk in request.stream()]


def posted(body, content_type):
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return {"body": [body[:3], body[3:]], "headers": headers}


@pytest.mark.parametrize("how", ["read", "parse_body"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"name=Bob", "application/x-www-form-urlencoded"),
        (b'{"name": "Bob"}', "application/json"),
    ],
)
async def test_a_mounted_app_can_read_a_body_that_a_hook_has_read(how, body, content_type):
    root = tree(api=Page())
    reading = Reading(how)
    root.middlewares.append(reading)
    client = Client(root)
    answer = await client.post("/api/form", **posted(body, content_type))
    assert answer.text == "name is Bob"
    assert reading.read == (body if how == "read" else {"name": ["Bob"]})
    assert (await client.post("/api/echo", **posted(body, content_type))).body == body


async def test_a_plain_app_can_read_a_body_that_a_hook_has_read_and_hears_the_end():
    received = []
    gone = asyncio.Event()

    async def reader(scope, receive, send):
        received.append(await receive())
        await named("read")(scope, receive, send)
        received.append(await receive())
        gone.set()

    root = tree(api=reader)
    root.middlewares.append(Reading("read"))
    body = posted(b"name=Bob", "application/x-www-form-urlencoded")
    assert (await Client(root).post("/api", **body)).text == "read"
    async with asyncio.timeout(PATIENCE):
        await gone.wait()
    assert received == [
        {"type": "http.request", "body": b"name=Bob", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_a_body_that_no_hook_read_comes_as_the_client_sends_it():
    root = tree(api=Page())
    root.middlewares.append(Reading("parse_body"))  # which leaves text/plain alone
    answer = await Client(root).post("/api/echo", **posted(b"some text", "text/plain"))
    assert answer.text == "some text"


async def test_a_body_that_a_hook_did_not_keep_is_a_500(logged):
    root = tree(api=Page())
    root.middlewares.append(Reading("stream"))
    answer = await Client(root).post("/api/echo", **posted(b"some text", "text/plain"))
    assert answer.status == 500
    assert "a hook read the body" in str(logged[0].exc_info[1])
    assert len(logged) == 1


async def test_a_body_that_a_hook_cannot_read_is_a_400():
    root = tree(api=Page())
    root.middlewares.append(Reading("parse_body"))
    answer = await Client(root).post("/api/form", **posted(b"{broken", "application/json"))
    assert answer.status == 400
