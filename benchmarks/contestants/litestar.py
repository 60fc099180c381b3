"""Litestar, with its server-side sessions in memory."""

import asyncio
import os
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

from litestar import Litestar, MediaType, Request, WebSocket, get, post
from litestar import websocket as websocket_route
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.datastructures import Cookie, MutableScopeHeaders, UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import WebSocketDisconnect
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.params import Body
from litestar.response import Response, ServerSentEvent, Stream, Template
from litestar.static_files import create_static_files_router
from litestar.template.config import TemplateConfig

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


def site(*handlers, **options):
    return Litestar(list(handlers), openapi_config=None, **options)


@get("/", media_type=MediaType.HTML)
async def index() -> str:
    return HELLO


class AddHeader:
    def __init__(self, app, name):
        self.app = app
        self.name = name

    async def __call__(self, scope, receive, send):
        async def send_with_header(message):
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)[self.name] = "yes"
            await send(message)

        await self.app(scope, receive, send_with_header)


def hello():
    return site(index)


def item():
    @get("/item/{number:int}")
    async def item(number: int, q: str = "") -> dict[str, Any]:
        return {"number": number, "q": q}

    return site(item)


def echo():
    @post("/echo", status_code=200)
    async def echo(data: Any) -> dict[str, Any]:
        return {"received": data}

    return site(echo)


def form():
    @post("/form", status_code=200, media_type=MediaType.HTML)
    async def form(
        data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
    ) -> str:
        return f"{data['name']} <{data['email']}> is {int(data['age'])}"

    return site(form)


def middlewares():
    names = ("x-first", "x-second", "x-third")
    return site(index, middleware=[DefineMiddleware(AddHeader, name=name) for name in names])


def session():
    @get("/read", media_type=MediaType.HTML)
    async def read(request: Request) -> str:
        return str(request.session["visits"])

    @get("/write", media_type=MediaType.HTML)
    async def write(request: Request) -> str:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return str(request.session["visits"])

    return site(read, write, middleware=[ServerSideSessionConfig().middleware])


def sync():
    @get("/", media_type=MediaType.HTML, sync_to_thread=True)
    def index() -> str:
        return HELLO

    return site(index)


def routes(count):
    def page(name):
        @get(f"/{name}", name=name, media_type=MediaType.HTML)
        async def page() -> str:
            return HELLO

        return page

    return site(*map(page, route_names(count)))


def patterns(count):
    def page(name):
        @get(f"/{name}/{{number:int}}/page", name=name, media_type=MediaType.HTML)
        async def page(number: int) -> str:
            return f"page {number}"

        return page

    return site(*map(page, route_names(count)))


def template():
    @get("/")
    async def page() -> Template:
        return Template("page.html", context={"title": "Pies", "rows": ROWS})

    engine = TemplateConfig(directory=TEMPLATES, engine=JinjaTemplateEngine)
    return site(page, template_config=engine)


def stream(count):
    async def chunks():
        for _ in range(count):
            yield CHUNK

    @get("/")
    async def stream() -> Stream:
        return Stream(chunks(), media_type=MediaType.HTML)

    return site(stream)


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    def answer(request: Request, error: SoldOut) -> Response:
        return Response({"error": str(error)}, status_code=409)

    @get("/")
    async def fail() -> None:
        raise SoldOut(SOLD_OUT)

    return site(fail, exception_handlers={SoldOut: answer})


def set_cookie():
    @get("/", media_type=MediaType.HTML)
    async def page() -> Response[str]:
        cookie = Cookie("theme", "dark", max_age=86_400, httponly=True)
        return Response(HELLO, cookies=[cookie])

    return site(page)


def model():
    from benchmarks.models import PIE, Pie

    @get("/")
    async def page() -> Pie:
        return PIE

    return site(page)


def events():
    async def events():
        for _ in range(EVENTS):
            yield EVENT

    @get("/")
    async def stream() -> ServerSentEvent:
        return ServerSentEvent(events())

    return site(stream)


def upload():
    def copy(source, path):
        with path.open("xb") as target:
            shutil.copyfileobj(source, target, MIB)

    @post("/", status_code=200, media_type=MediaType.TEXT, request_max_body_size=None)
    async def upload(
        data: Annotated[dict[str, UploadFile], Body(media_type=RequestEncodingType.MULTI_PART)],
    ) -> str:
        path = Path(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
        await asyncio.to_thread(copy, data["file"].file, path)
        return str(path)

    return site(upload)


def websocket():
    @websocket_route("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    return site(echo)


def files(folder):
    return site(create_static_files_router("/static", [folder]))
