"""Muffin, whose sessions and templates are plugins of their own."""

import os
import time

from muffin import (
    Application,
    Response,
    ResponseHTML,
    ResponseJSON,
    ResponseSSE,
    ResponseStream,
    ResponseWebSocket,
)

from benchmarks.jobs import CHUNK, EVENT, EVENTS, HELLO, SOLD_OUT, route_names


def site():
    return Application(debug=False)


def add_header(name):
    async def middleware(app, request, receive, send):
        response = await app(request, receive, send)
        response.headers[name] = "yes"
        return response

    return middleware


async def index(request):
    return HELLO


def hello():
    app = site()
    app.route("/")(index)
    return app


def item():
    app = site()

    @app.route("/item/{number:int}")
    async def item(request):
        return {"number": request.path_params["number"], "q": request.url.query.get("q", "")}

    return app


def echo():
    app = site()

    @app.route("/echo", methods=["POST"])
    async def echo(request):
        return {"received": await request.json()}

    return app


def form():
    app = site()

    @app.route("/form", methods=["POST"])
    async def form(request):
        fields = await request.form()
        return f"{fields['name']} <{fields['email']}> is {int(fields['age'])}"

    return app


def middlewares():
    app = hello()
    for name in ("x-first", "x-second", "x-third"):
        app.middleware(add_header(name))
    return app


def routes(count):
    app = site()
    for name in route_names(count):
        app.route(f"/{name}")(index)
    return app


def patterns(count):
    async def page(request):
        return f"page {request.path_params['number']}"

    app = site()
    for name in route_names(count):
        app.route(f"/{name}/{{number:int}}/page")(page)
    return app


def stream(count):
    app = site()

    async def chunks():
        for _ in range(count):
            yield CHUNK

    @app.route("/")
    async def stream(request):
        return ResponseStream(chunks(), content_type="text/html")

    return app


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    app = site()

    @app.on_error(SoldOut)
    async def answer(request, error):
        return ResponseJSON({"error": str(error)}, status_code=409)

    @app.route("/")
    async def fail(request):
        raise SoldOut(SOLD_OUT)

    return app


def set_cookie():
    app = site()

    @app.route("/")
    async def page(request):
        response = ResponseHTML(HELLO)
        response.cookies["theme"] = "dark"
        response.cookies["theme"].update({"max-age": 86_400, "httponly": True})
        return response

    return app


def model():
    from benchmarks.models import PIE

    app = site()

    @app.route("/")
    async def page(request):
        return Response(PIE.model_dump_json(), content_type="application/json")

    return app


def events():
    app = site()

    async def events():
        for _ in range(EVENTS):
            yield f"data: {EVENT}"

    @app.route("/")
    async def stream(request):
        return ResponseSSE(events())

    return app


def upload():
    app = site()

    def new_path(filename):
        return os.path.join(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")

    @app.route("/", methods=["POST"])
    async def upload(request):
        fields = await request.form(max_size=1 << 30, upload_to=new_path)
        with fields["file"] as file:
            return ResponseHTML(file.name)

    return app


def websocket():
    app = site()

    @app.route("/echo")
    async def echo(request):
        async with ResponseWebSocket(request) as socket:
            while True:
                message = await socket.receive()
                if not isinstance(message, str):
                    break
                await socket.send(message)

    return app


def files(folder):
    return Application(static_folders=[folder], static_url_prefix="/static")
