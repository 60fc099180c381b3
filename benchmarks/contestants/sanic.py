"""Sanic as an ASGI app, which its own server is not needed for."""

import itertools

import orjson
from sanic import Sanic, html, text
from sanic import json as json_response

from benchmarks.jobs import CHUNK, EVENT, EVENTS, HELLO, SOLD_OUT, route_names

numbers = itertools.count()


def site():
    app = Sanic(f"site_{next(numbers)}", dumps=orjson.dumps, loads=orjson.loads)
    app.config.ACCESS_LOG = False
    app.config.MOTD = False
    return app


def add_header(name):
    async def add(request, response):
        response.headers[name] = "yes"

    return add


async def index(request):
    return html(HELLO)


def hello():
    app = site()
    app.get("/")(index)
    return app


def item():
    app = site()

    @app.get("/item/<number:int>")
    async def item(request, number):
        return json_response({"number": number, "q": request.args.get("q", "")})

    return app


def echo():
    app = site()

    @app.post("/echo")
    async def echo(request):
        return json_response({"received": request.json})

    return app


def form():
    app = site()

    @app.post("/form")
    async def form(request):
        fields = request.form
        return html(f"{fields.get('name')} <{fields.get('email')}> is {int(fields.get('age'))}")

    return app


def middlewares():
    app = hello()
    for name in ("x-first", "x-second", "x-third"):
        app.on_response(add_header(name))
    return app


def routes(count):
    app = site()
    for name in route_names(count):
        app.add_route(index, f"/{name}", name=name)
    return app


def patterns(count):
    async def page(request, number):
        return html(f"page {number}")

    app = site()
    for name in route_names(count):
        app.add_route(page, f"/{name}/<number:int>/page", name=name)
    return app


def stream(count):
    app = site()

    @app.get("/")
    async def stream(request):
        response = await request.respond(content_type="text/html")
        for _ in range(count):
            await response.send(CHUNK)
        await response.eof()

    return app


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    app = site()

    @app.exception(SoldOut)
    async def answer(request, error):
        return json_response({"error": str(error)}, 409)

    @app.get("/")
    async def fail(request):
        raise SoldOut(SOLD_OUT)

    return app


def set_cookie():
    app = site()

    @app.get("/")
    async def page(request):
        response = html(HELLO)
        response.add_cookie("theme", "dark", max_age=86_400, httponly=True, secure=False)
        return response

    return app


def model():
    from benchmarks.models import PIE

    app = site()

    @app.get("/")
    async def page(request):
        return text(PIE.model_dump_json(), content_type="application/json")

    return app


def events():
    app = site()

    @app.get("/")
    async def stream(request):
        response = await request.respond(content_type="text/event-stream")
        for _ in range(EVENTS):
            await response.send(f"data: {EVENT}\n\n")
        await response.eof()

    return app


def websocket():
    app = site()

    @app.websocket("/echo")
    async def echo(request, socket):
        while (message := await socket.recv()) is not None:
            await socket.send(message)

    return app


def files(folder):
    app = site()
    app.static("/static", folder)
    return app
