"""BlackSheep, with its sessions in a signed cookie."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import orjson
from blacksheep import (
    Application,
    Content,
    Cookie,
    FromForm,
    FromJSON,
    Request,
    StreamedContent,
    WebSocket,
    WebSocketDisconnectError,
    html,
    json,
)
from blacksheep.messages import Response
from blacksheep.server.responses import view_async
from blacksheep.server.routing import Router
from blacksheep.server.sse import ServerSentEventsResponse, TextServerSentEvent
from blacksheep.settings.html import html_settings
from blacksheep.settings.json import json_settings
from jinja2 import FileSystemLoader

from benchmarks.jobs import (
    CHUNK,
    EVENT,
    EVENTS,
    HELLO,
    ROWS,
    SOLD_OUT,
    TEMPLATES,
    route_names,
)

MIB = 1024**2

json_settings.use(loads=orjson.loads, dumps=lambda value: orjson.dumps(value).decode())


def site():
    return Application(router=Router())


def add_header(name):
    async def middleware(request, handler):
        response = await handler(request)
        response.add_header(name, b"yes")
        return response

    return middleware


async def index():
    return html(HELLO)


def hello():
    app = site()
    app.router.add_get("/", index)
    return app


def item():
    app = site()

    @app.router.get("/item/{number}")
    async def item(number: int, q: str = ""):
        return json({"number": number, "q": q})

    return app


def echo():
    app = site()

    @app.router.post("/echo")
    async def echo(document: FromJSON[dict]):
        return json({"received": document.value})

    return app


def form():
    app = site()

    @app.router.post("/form")
    async def form(fields: FromForm[dict]):
        fields = fields.value
        return html(f"{fields['name']} <{fields['email']}> is {int(fields['age'])}")

    return app


def middlewares():
    app = hello()
    for name in (b"x-first", b"x-second", b"x-third"):
        app.middlewares.append(add_header(name))
    return app


def session():
    app = site()
    app.use_sessions("a secret of the benchmark")

    @app.router.get("/read")
    async def read(request: Request):
        return html(str(request.session["visits"]))

    @app.router.get("/write")
    async def write(request: Request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return html(str(request.session["visits"]))

    return app


def routes(count):
    app = site()
    for name in route_names(count):
        app.router.add_get(f"/{name}", index)
    return app


def patterns(count):
    async def page(number: int):
        return html(f"page {number}")

    app = site()
    for name in route_names(count):
        app.router.add_get(f"/{name}/{{number}}/page", page)
    return app


def template():
    os.environ["APP_JINJA_EXTENSION"] = ".html"  # read when the renderer is imported
    from blacksheep.server.rendering.jinja2 import JinjaRenderer

    app = site()
    html_settings.use(JinjaRenderer(loader=FileSystemLoader(TEMPLATES), enable_async=True))

    @app.router.get("/")
    async def page():
        return await view_async("page", {"title": "Pies", "rows": ROWS})

    return app


def stream(count):
    app = site()

    async def chunks():
        for _ in range(count):
            yield CHUNK

    @app.router.get("/")
    async def stream():
        return Response(200, content=StreamedContent(b"text/html", chunks))

    return app


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    app = site()

    @app.exception_handler(SoldOut)
    async def answer(self, request, error):
        return json({"error": str(error)}, 409)

    @app.router.get("/")
    async def fail():
        raise SoldOut(SOLD_OUT)

    return app


def set_cookie():
    app = site()

    @app.router.get("/")
    async def page():
        response = html(HELLO)
        response.set_cookie(Cookie("theme", "dark", max_age=86_400, http_only=True))
        return response

    return app


def model():
    from benchmarks.models import PIE

    app = site()

    @app.router.get("/")
    async def page():
        return Response(200, content=Content(b"application/json", PIE.model_dump_json().encode()))

    return app


def events():
    app = site()

    async def events():
        for _ in range(EVENTS):
            yield TextServerSentEvent(EVENT)

    @app.router.get("/")
    async def stream():
        return ServerSentEventsResponse(events)

    return app


def upload():
    app = site()

    def copy(source, path):
        with path.open("xb") as target:
            shutil.copyfileobj(source, target, MIB)

    @app.router.post("/")
    async def upload(request: Request):
        path = Path(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
        (file,) = (await request.form())["file"]
        await asyncio.to_thread(copy, file.file, path)  # save_to stays in the working directory
        return html(str(path))

    return app


def websocket():
    app = site()

    @app.router.ws("/echo")
    async def echo(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnectError:
            pass

    return app


def files(folder):
    app = site()
    app.serve_files(folder, root_path="static")
    return app
