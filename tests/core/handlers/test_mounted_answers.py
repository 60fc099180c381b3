"""Answers of mounted apps: what gets through, and what becomes of an app that fails."""

import asyncio

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route

from micropie import App, HTTPError, HttpMiddleware
from support.asgi import PATIENCE, Client
from support.mounts import Noting, Page, tree
from support.sessions import WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio

# What gets through.


@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("hooked", [True, False])
async def test_everything_gets_through(shares, hooked):
    own = {"session_backend": WatchedBackend(), "session_cookie": "page_id"}
    child = Page(**({} if shares else own))
    root = tree(api=child)
    if hooked:
        root.middlewares.append(HttpMiddleware())
    client = Client(root)
    assert (await client.get("/api")).text == "child index"
    assert (await client.get("/api/nowhere")).status == 404
    assert (await client.get("/api/forbid")).text == "no entry"
    assert (await client.get("/api/stream")).chunks == [b"one,", b"two"]
    head = await client.head("/api")
    assert (head.status, head.header("content-length"), head.body) == (200, "11", b"")
    assert (await client.options("/api")).text == "child index"
    body = [b"a" * 10, b"b" * 10]
    length = {"Content-Length": "20", "Content-Type": "text/plain"}
    assert (await client.post("/api/echo", body=body, headers=length)).body == b"".join(body)


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_starlette_app_can_be_mounted(hooked):
    async def show(request):
        return JSONResponse([request.path_params["name"], str(request.url_for("show", name="x"))])

    async def echo(request):
        return PlainTextResponse(await request.body())

    async def stream(request):
        async def chunks():
            yield b"one,"
            yield b"two"

        return StreamingResponse(chunks())

    async def fail(request):
        raise RuntimeError("broken")

    inner = Starlette(routes=[Route("/show/{name}", show, name="inner")])
    starlette = Starlette(
        routes=[
            Route("/show/{name}", show, name="show"),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
            Route("/fail", fail),
            StarletteMount("/inner", inner),
        ]
    )
    root = tree(star=starlette)
    if hooked:
        root.middlewares.append(HttpMiddleware())
    client = Client(root, headers=[(b"host", b"example.com")])
    assert (await client.get("/star/show/a")).json == ["a", "http://example.com/star/show/x"]
    assert (await client.post("/star/echo", body=b"hello")).text == "hello"
    assert (await client.get("/star/stream")).text == "one,two"
    assert (await client.get("/star/nowhere")).status == 404
    assert (await client.get("/star/echo")).status == 405
    failed = await client.get("/star/fail")
    assert (failed.status, type(failed.error)) == (500, RuntimeError)


async def test_an_app_can_be_mounted_in_starlette():
    starlette = Starlette(routes=[StarletteMount("/pie", Page())])
    client = Client(starlette)
    assert (await client.get("/pie/show/a%2Fb")).json[-1] == "a/b"
    assert (await client.get("/pie/links")).json[0] == "/pie/"


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_stream_of_a_mounted_app_comes_chunk_by_chunk(hooked):
    go_on = asyncio.Event()

    class Steps(App):
        async def index(self):
            yield "one"
            await go_on.wait()
            yield "two"

    root = tree(api=Steps())
    if hooked:
        root.middlewares.append(HttpMiddleware())
    async with Client(root).open("GET", "/api") as exchange:
        assert await exchange.chunk() == b"one"
        go_on.set()
        assert await exchange.chunk() == b"two"
        assert (await exchange.finish()).complete


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_mounted_app_hears_that_the_client_has_gone(hooked):
    closed = asyncio.Event()

    class Endless(App):
        async def index(self):
            try:
                yield "one"
                await asyncio.Event().wait()
            finally:
                closed.set()

    root = tree(api=Endless())
    if hooked:
        root.middlewares.append(HttpMiddleware())
    async with Client(root).open("GET", "/api") as exchange:
        await exchange.chunk()
        exchange.disconnect()
        await exchange.ended()
    assert closed.is_set()


async def test_a_head_without_headers_gets_through_the_hooks():
    async def bare(scope, receive, send):
        await send({"type": "http.response.start", "status": 204})  # ASGI: headers are optional
        await send({"type": "http.response.body", "body": b""})

    root = tree(bare=bare)
    root.middlewares.append(Noting([], add=("X-Hook", "yes")))
    answer = await Client(root).get("/bare")
    assert (answer.status, answer.headers) == (204, [("x-hook", "yes")])


async def test_what_else_a_head_says_gets_through_the_hooks():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": (), "trailers": True})
        await send({"type": "http.response.body", "body": b""})

    root = tree(app=app)
    root.middlewares.append(HttpMiddleware())

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        sent.append(message)

    await root(Client(root).scope("GET", "/app"), receive, send)
    assert sent[0]["trailers"] is True


async def test_set_cookies_of_a_mounted_app_stay_apart():
    async def baker(scope, receive, send):
        headers = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    root = tree(baker=baker)
    root.middlewares.append(Noting([]))
    assert [c["name"] for c in set_cookies(await Client(root).get("/baker"))] == ["a", "b"]


# Mounted apps that fail.


async def failing(scope, receive, send):
    raise RuntimeError("broken before its head")


async def breaking(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"partial", "more_body": True})
    raise RuntimeError("broken after its head")


async def test_a_failure_before_the_head_is_a_500_where_hooks_are(logged):
    root = tree(api=failing)
    root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


async def test_a_failure_before_the_head_is_the_servers_to_answer_where_no_hooks_are():
    with pytest.raises(RuntimeError, match="before its head"):
        await Client(tree(api=failing)).get("/api")


@pytest.mark.parametrize("hooked", [True, False])
async def test_a_failure_after_the_head_cuts_the_response_short(hooked):
    root = tree(api=breaking)
    if hooked:
        root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.body, answer.complete) == (200, b"partial", False)
    assert str(answer.error) == "broken after its head"


async def test_a_mounted_app_that_fails_is_logged_once(logged):
    root = tree(api=Page())
    seen = []
    root.middlewares.append(Noting(seen))
    answer = await Client(root).get("/api/fail")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert seen[-1] == ("after", 500, None)
    assert len(logged) == 1


async def test_an_http_error_out_of_a_plain_app_is_answered():
    async def refusing(scope, receive, send):
        raise HTTPError(403, "not here")

    root = tree(api=refusing)
    root.middlewares.append(Noting([]))
    answer = await Client(root).get("/api")
    assert (answer.status, answer.text) == (403, "not here")


async def test_a_mounted_app_that_is_cancelled_is_cancelled():
    root = tree(api=Waiting())
    root.middlewares.append(Noting([]))
    async with Client(root).open("GET", "/api") as exchange:
        async with asyncio.timeout(PATIENCE):
            await WAITING.wait()
        exchange.cancel()
        await exchange.ended()
    assert not exchange.running


WAITING = asyncio.Event()


class Waiting(App):
    async def index(self):
        WAITING.set()
        await asyncio.Event().wait()
