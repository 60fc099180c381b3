"""Quart, with its sessions in a signed cookie."""

import os
import time

import orjson
from quart import Quart, Response, render_template, request
from quart import session as quart_session
from quart import websocket as quart_websocket
from quart.json.provider import DefaultJSONProvider

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


class FastJSONProvider(DefaultJSONProvider):
    """Quart's documented way to another encoder."""

    def dumps(self, value, **kwargs):
        return orjson.dumps(value).decode()

    def loads(self, text, **kwargs):
        return orjson.loads(text)


class Site(Quart):
    json_provider_class = FastJSONProvider


def site():
    return Site(__name__, template_folder=str(TEMPLATES))


def add_header(name):
    async def add(response):
        response.headers[name] = "yes"
        return response

    return add


async def index():
    return HELLO


def hello():
    app = site()
    app.get("/")(index)
    return app


def item():
    app = site()

    @app.get("/item/<int:number>")
    async def item(number):
        return {"number": number, "q": request.args.get("q", "")}

    return app


def echo():
    app = site()

    @app.post("/echo")
    async def echo():
        return {"received": await request.get_json()}

    return app


def form():
    app = site()

    @app.post("/form")
    async def form():
        fields = await request.form
        return f"{fields['name']} <{fields['email']}> is {int(fields['age'])}"

    return app


def middlewares():
    app = hello()
    for name in ("x-first", "x-second", "x-third"):
        app.after_request(add_header(name))
    return app


def session():
    app = site()
    app.secret_key = "a secret of the benchmark"

    @app.get("/read")
    async def read():
        return str(quart_session["visits"])

    @app.get("/write")
    async def write():
        quart_session["visits"] = quart_session.get("visits", 0) + 1
        return str(quart_session["visits"])

    return app


def sync():
    app = site()

    @app.get("/")
    def index():
        return HELLO

    return app


def routes(count):
    app = site()
    for name in route_names(count):
        app.add_url_rule(f"/{name}", name, index)
    return app


def patterns(count):
    async def page(number):
        return f"page {number}"

    app = site()
    for name in route_names(count):
        app.add_url_rule(f"/{name}/<int:number>/page", name, page)
    return app


def template():
    app = site()

    @app.get("/")
    async def page():
        return await render_template("page.html", title="Pies", rows=ROWS)

    return app


def stream(count):
    app = site()

    async def chunks():
        for _ in range(count):
            yield CHUNK

    @app.get("/")
    async def stream():
        return chunks(), 200, {"content-type": "text/html"}

    return app


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    app = site()

    @app.errorhandler(SoldOut)
    async def answer(error):
        return {"error": str(error)}, 409

    @app.get("/")
    async def fail():
        raise SoldOut(SOLD_OUT)

    return app


def set_cookie():
    app = site()

    @app.get("/")
    async def page():
        response = Response(HELLO)
        response.set_cookie("theme", "dark", max_age=86_400, httponly=True)
        return response

    return app


def model():
    from benchmarks.models import PIE

    app = site()

    @app.get("/")
    async def page():
        return Response(PIE.model_dump_json(), content_type="application/json")

    return app


def events():
    app = site()

    async def events():
        for _ in range(EVENTS):
            yield f"data: {EVENT}\n\n"

    @app.get("/")
    async def stream():
        return events(), 200, {"content-type": "text/event-stream"}

    return app


def upload():
    app = site()
    app.config["MAX_CONTENT_LENGTH"] = None

    @app.post("/")
    async def upload():
        path = os.path.join(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
        file = (await request.files)["file"]
        await file.save(path)
        file.close()
        return path

    return app


def websocket():
    app = site()

    @app.websocket("/echo")
    async def echo():
        while True:
            await quart_websocket.send(await quart_websocket.receive())

    return app


def files(folder):
    return Quart(__name__, static_folder=folder, static_url_path="/static")
