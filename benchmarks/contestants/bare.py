"""ASGI callables that no framework serves: the limit."""

from urllib.parse import parse_qs

import orjson

from benchmarks.jobs import CHUNK, EVENT, EVENTS, HELLO, route_names

TEXT = (b"content-type", b"text/html; charset=utf-8")
JSON = (b"content-type", b"application/json")


async def answer(send, body, content_type=TEXT):
    headers = [content_type, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def read(receive):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    return body


def hello():
    async def app(scope, receive, send):
        headers = [TEXT, (b"content-length", b"13")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Hello, World!"})

    return app


def item():
    async def app(scope, receive, send):
        number = int(scope["path"].removeprefix("/item/"))
        query = parse_qs(scope["query_string"].decode())
        await answer(send, orjson.dumps({"number": number, "q": query["q"][0]}), JSON)

    return app


def echo():
    async def app(scope, receive, send):
        received = orjson.loads(await read(receive))
        await answer(send, orjson.dumps({"received": received}), JSON)

    return app


def form():
    async def app(scope, receive, send):
        fields = parse_qs((await read(receive)).decode())
        name, email, age = fields["name"][0], fields["email"][0], int(fields["age"][0])
        await answer(send, f"{name} <{email}> is {age}".encode())

    return app


def routes(count):
    bodies = dict.fromkeys((f"/{name}" for name in route_names(count)), HELLO.encode())

    async def app(scope, receive, send):
        await answer(send, bodies[scope["path"]])

    return app


def patterns(count):
    names = frozenset(route_names(count))

    async def app(scope, receive, send):
        _, name, number, page = scope["path"].split("/")
        if name in names and page == "page":
            await answer(send, f"page {int(number)}".encode())

    return app


def stream(count):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        for _ in range(count):
            await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def model():
    from benchmarks.models import PIE

    async def app(scope, receive, send):
        await answer(send, PIE.model_dump_json().encode(), JSON)

    return app


def events():
    event = f"data: {EVENT}\n\n".encode()

    async def app(scope, receive, send):
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(EVENTS):
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def websocket():
    async def app(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})

    return app
