"""Falcon's ASGI side, with orjson as its documentation shows."""

import os
import time

import orjson
from falcon import MEDIA_HTML, MEDIA_JSON, WebSocketDisconnected
from falcon.asgi import App, SSEvent
from falcon.media import JSONHandler

from benchmarks.jobs import CHUNK, EVENT, EVENTS, HELLO, SOLD_OUT, route_names

MIB = 1024**2


def site(path, resource, **options):
    app = App(media_type=MEDIA_HTML, **options)
    handler = JSONHandler(dumps=orjson.dumps, loads=orjson.loads)
    app.req_options.media_handlers[MEDIA_JSON] = handler
    app.resp_options.media_handlers[MEDIA_JSON] = handler
    app.add_route(path, resource)
    return app


class Hello:
    async def on_get(self, request, response):
        response.text = HELLO


class AddHeader:
    def __init__(self, name):
        self.name = name

    async def process_response(self, request, response, resource, succeeded):
        response.set_header(self.name, "yes")


def hello():
    return site("/", Hello())


def item():
    class Item:
        async def on_get(self, request, response, number):
            response.content_type = MEDIA_JSON
            response.media = {"number": number, "q": request.get_param("q", default="")}

    return site("/item/{number:int}", Item())


def echo():
    class Echo:
        async def on_post(self, request, response):
            response.content_type = MEDIA_JSON
            response.media = {"received": await request.get_media()}

    return site("/echo", Echo())


def form():
    class Form:
        async def on_post(self, request, response):
            fields = await request.get_media()
            response.text = f"{fields['name']} <{fields['email']}> is {int(fields['age'])}"

    return site("/form", Form())


def middlewares():
    names = ("x-first", "x-second", "x-third")
    return site("/", Hello(), middleware=[AddHeader(name) for name in names])


def routes(count):
    names = route_names(count)
    app = site(f"/{names[0]}", Hello())
    for name in names[1:]:
        app.add_route(f"/{name}", Hello())
    return app


def patterns(count):
    class Page:
        async def on_get(self, request, response, number):
            response.text = f"page {number}"

    names = route_names(count)
    app = site(f"/{names[0]}/{{number:int}}/page", Page())
    for name in names[1:]:
        app.add_route(f"/{name}/{{number:int}}/page", Page())
    return app


def stream(count):
    async def chunks():
        for _ in range(count):
            yield CHUNK

    class Stream:
        async def on_get(self, request, response):
            response.stream = chunks()

    return site("/", Stream())


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises."""


def on_error():
    class Failing:
        async def on_get(self, request, response):
            raise SoldOut(SOLD_OUT)

    async def answer(request, response, error, params):
        response.status = 409
        response.content_type = MEDIA_JSON
        response.media = {"error": str(error)}

    app = site("/", Failing())
    app.add_error_handler(SoldOut, answer)
    return app


def set_cookie():
    class Page:
        async def on_get(self, request, response):
            response.set_cookie("theme", "dark", max_age=86_400, secure=False)
            response.text = HELLO

    return site("/", Page())


def model():
    from benchmarks.models import PIE

    class Page:
        async def on_get(self, request, response):
            response.content_type = MEDIA_JSON
            response.data = PIE.model_dump_json().encode()

    return site("/", Page())


def events():
    async def events():
        for _ in range(EVENTS):
            yield SSEvent(text=EVENT)

    class Stream:
        async def on_get(self, request, response):
            response.sse = events()

    return site("/", Stream())


def upload():
    class Upload:
        async def on_post(self, request, response):
            path = os.path.join(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
            async for part in await request.get_media():
                with open(path, "xb") as target:  # noqa: ASYNC230 - it has no file of its own
                    while chunk := await part.stream.read(MIB):
                        target.write(chunk)
            response.text = path

    return site("/", Upload())


def websocket():
    class Echo:
        async def on_websocket(self, request, socket):
            await socket.accept()
            try:
                while True:
                    await socket.send_text(await socket.receive_text())
            except WebSocketDisconnected:
                pass

    return site("/echo", Echo())


def files(folder):
    app = App()
    app.add_static_route("/static", folder)
    return app
