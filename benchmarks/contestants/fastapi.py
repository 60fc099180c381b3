"""FastAPI: handlers with annotations, its own JSON, Starlette's middleware."""

import os
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import (
    Body,
    FastAPI,
    Form,
    Request,
    Response,
    UploadFile,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.responses import HTMLResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.middleware.sessions import SessionMiddleware

from benchmarks.contestants.starlette import MIB, AddHeader, FastJSONResponse
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


async def index():
    return HELLO


def hello():
    app = FastAPI()
    app.get("/", response_class=HTMLResponse)(index)
    return app


def item():
    app = FastAPI()

    @app.get("/item/{number}")
    async def item(number: int, q: str = ""):
        return {"number": number, "q": q}

    return app


def echo():
    app = FastAPI()

    @app.post("/echo")
    async def echo(document: Annotated[Any, Body()]):
        return {"received": document}

    return app


def form():
    app = FastAPI()

    @app.post("/form", response_class=HTMLResponse)
    async def form(
        name: Annotated[str, Form()], email: Annotated[str, Form()], age: Annotated[int, Form()]
    ):
        return f"{name} <{email}> is {age}"

    return app


def middlewares():
    app = hello()
    for name in ("x-first", "x-second", "x-third"):
        app.add_middleware(AddHeader, name)
    return app


def session():
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key="a secret of the benchmark")

    @app.get("/read", response_class=HTMLResponse)
    async def read(request: Request):
        return str(request.session["visits"])

    @app.get("/write", response_class=HTMLResponse)
    async def write(request: Request):
        request.session["visits"] = request.session.get("visits", 0) + 1
        return str(request.session["visits"])

    return app


def sync():
    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    def index():
        return HELLO

    return app


def routes(count):
    app = FastAPI()
    for name in route_names(count):
        app.get(f"/{name}", response_class=HTMLResponse)(index)
    return app


def patterns(count):
    async def page(number: int):
        return f"page {number}"

    app = FastAPI()
    for name in route_names(count):
        app.get(f"/{name}/{{number}}/page", response_class=HTMLResponse)(page)
    return app


def template():
    app = FastAPI()
    templates = Jinja2Templates(TEMPLATES)

    @app.get("/", response_class=HTMLResponse)
    async def page(request: Request):
        return templates.TemplateResponse(request, "page.html", {"title": "Pies", "rows": ROWS})

    return app


def stream(count):
    app = FastAPI()

    async def chunks():
        for _ in range(count):
            yield CHUNK

    @app.get("/")
    async def stream():
        return StreamingResponse(chunks(), media_type="text/html")

    return app


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    app = FastAPI()

    @app.exception_handler(SoldOut)
    async def answer(request: Request, error: SoldOut):
        return FastJSONResponse({"error": str(error)}, 409)

    @app.get("/")
    async def fail():
        raise SoldOut(SOLD_OUT)

    return app


def set_cookie():
    app = FastAPI()

    @app.get("/", response_class=HTMLResponse)
    async def page(response: Response):
        response.set_cookie("theme", "dark", max_age=86_400, httponly=True)
        return HELLO

    return app


def model():
    from benchmarks.models import PIE, Pie

    app = FastAPI()

    @app.get("/")
    async def page() -> Pie:
        return PIE

    return app


def events():
    app = FastAPI()

    @app.get("/", response_class=EventSourceResponse)
    async def stream():
        for _ in range(EVENTS):
            yield ServerSentEvent(raw_data=EVENT)

    return app


def upload():
    app = FastAPI()

    @app.post("/", response_class=HTMLResponse)
    def upload(file: UploadFile):  # in a thread, as FastAPI runs it
        path = Path(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
        with path.open("xb") as target:
            shutil.copyfileobj(file.file, target, MIB)
        return str(path)

    return app


def websocket():
    app = FastAPI()

    @app.websocket("/echo")
    async def echo(socket: WebSocket):
        await socket.accept()
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    return app


def files(folder):
    app = FastAPI()
    app.mount("/static", StaticFiles(directory=folder))
    return app
