"""Starlette."""

import os
import shutil
import time
from pathlib import Path

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocketDisconnect

from benchmarks.jobs import (
    CHUNK,
    CUSTOMER,
    EVENT,
    EVENTS,
    HELLO,
    ROWS,
    SOLD_OUT,
    TEMPLATES,
    route_names,
)

MIB = 1024**2


class FastJSONResponse(JSONResponse):
    """Starlette's documented way to the encoder that MicroPie picks by itself."""

    def render(self, content):
        return orjson.dumps(content)


class AddHeader:
    """Pure ASGI, which Starlette's documentation recommends over BaseHTTPMiddleware for speed."""

    def __init__(self, app, name):
        self.app = app
        self.name = name

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_header(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append(self.name, "yes")
            await send(message)

        await self.app(scope, receive, send_with_header)


THREE = [Middleware(AddHeader, name) for name in ("x-first", "x-second", "x-third")]


async def index(request):
    return HTMLResponse(HELLO)


def hello(middleware=()):
    return Starlette(routes=[Route("/", index)], middleware=middleware)


def item():
    async def item(request):
        number = request.path_params["number"]
        return FastJSONResponse({"number": number, "q": request.query_params.get("q", "")})

    return Starlette(routes=[Route("/item/{number:int}", item)])


def echo():
    async def echo(request):
        return FastJSONResponse({"received": orjson.loads(await request.body())})

    return Starlette(routes=[Route("/echo", echo, methods=["POST"])])


def form():
    async def form(request):
        async with request.form() as fields:
            text = f"{fields['name']} <{fields['email']}> is {int(fields['age'])}"
        return HTMLResponse(text)

    return Starlette(routes=[Route("/form", form, methods=["POST"])])


def middlewares():
    return hello(THREE)


def session():
    async def read(request):
        return HTMLResponse(str(request.session["visits"]))

    async def write(request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return HTMLResponse(str(request.session["visits"]))

    return Starlette(
        routes=[Route("/read", read), Route("/write", write)],
        middleware=[Middleware(SessionMiddleware, secret_key="a secret of the benchmark")],
    )


def sync():
    def index(request):
        return HTMLResponse(HELLO)

    return Starlette(routes=[Route("/", index)])


def routes(count):
    return Starlette(routes=[Route(f"/{name}", index) for name in route_names(count)])


def patterns(count):
    async def page(request):
        return HTMLResponse(f"page {request.path_params['number']}")

    return Starlette(
        routes=[Route(f"/{name}/{{number:int}}/page", page) for name in route_names(count)]
    )


def template():
    templates = Jinja2Templates(TEMPLATES)

    async def page(request):
        return templates.TemplateResponse(request, "page.html", {"title": "Pies", "rows": ROWS})

    return Starlette(routes=[Route("/", page)])


def stream(count):
    async def chunks():
        for _ in range(count):
            yield CHUNK

    async def stream(request):
        return StreamingResponse(chunks(), media_type="text/html")

    return Starlette(routes=[Route("/", stream)])


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    async def fail(request):
        raise SoldOut(SOLD_OUT)

    async def answer(request, error):
        return FastJSONResponse({"error": str(error)}, 409)

    return Starlette(routes=[Route("/", fail)], exception_handlers={SoldOut: answer})


def set_cookie():
    async def page(request):
        response = HTMLResponse(HELLO)
        response.set_cookie("theme", "dark", max_age=86_400, httponly=True)
        return response

    return Starlette(routes=[Route("/", page)])


def model():
    from benchmarks.models import PIE

    async def page(request):
        return Response(PIE.model_dump_json(), media_type="application/json")

    return Starlette(routes=[Route("/", page)])


def events():
    async def events():
        for _ in range(EVENTS):
            yield f"data: {EVENT}\n\n"

    async def stream(request):
        return StreamingResponse(events(), media_type="text/event-stream")

    return Starlette(routes=[Route("/", stream)])


def upload():
    def copy(source, path):
        with path.open("xb") as target:
            shutil.copyfileobj(source, target, MIB)

    async def upload(request):
        path = Path(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
        async with request.form() as fields:
            await run_in_threadpool(copy, fields["file"].file, path)
        return HTMLResponse(str(path))

    return Starlette(routes=[Route("/", upload, methods=["POST"])])


def websocket():
    async def echo(socket):
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    return Starlette(routes=[WebSocketRoute("/echo", echo)])


def files(folder):
    return Starlette(routes=[Mount("/static", StaticFiles(directory=folder))])


def shop(store):
    """Use starsessions, which is how Starlette's users get at sessions in Redis."""
    from redis.asyncio import Redis
    from starsessions import SessionAutoloadMiddleware
    from starsessions import SessionMiddleware as StoredSessionMiddleware
    from starsessions.stores.redis import RedisStore

    async def enter(request):
        request.session.update(CUSTOMER)
        return HTMLResponse("welcome")

    async def read(request):
        session = request.session
        return HTMLResponse(f"{session['user']['name']}, {len(session['cart'])}")

    async def write(request):
        session = request.session
        session["seen"] += 1
        return HTMLResponse(f"{session['user']['name']}, {session['seen'] > 0}")

    stored = Middleware(
        StoredSessionMiddleware,
        store=RedisStore(connection=Redis.from_url(store)),
        lifetime=8 * 3600,
        rolling=True,
        cookie_https_only=False,
    )
    return Starlette(
        routes=[Route("/enter", enter), Route("/read", read), Route("/write", write)],
        middleware=[stored, Middleware(SessionAutoloadMiddleware)],
    )
