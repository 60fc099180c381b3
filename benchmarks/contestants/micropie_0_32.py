"""MicroPie 0.32, the release before: from the package index, in an environment of its own."""

import os
import time

from benchmarks.jobs import CHUNK, EVENT, EVENTS, HELLO, ROWS, TEMPLATES, route_names
from micropie import App, ConnectionClosed, HttpMiddleware


class AddHeader(HttpMiddleware):
    def __init__(self, name):
        self.name = name

    async def before_request(self, request):
        pass

    async def after_request(self, request, status_code, response_body, extra_headers):
        extra_headers.append((self.name, "yes"))


def hello():
    class Site(App):
        async def index(self):
            return HELLO

    return Site()


def item():
    class Site(App):
        async def item(self, number, q=""):
            return {"number": int(number), "q": q}

    return Site()


def echo():
    class Site(App):
        async def echo(self):
            return {"received": self.request.json()}

    return Site()


def form():
    class Site(App):
        async def form(self, name, email, age):
            return f"{name} <{email}> is {int(age)}"

    return Site()


def middlewares():
    app = hello()
    app.middlewares += [AddHeader("x-first"), AddHeader("x-second"), AddHeader("x-third")]
    return app


def session():
    class Site(App):
        async def read(self):
            return str(self.request.session["visits"])

        async def write(self):
            session = self.request.session
            session["visits"] = session.get("visits", 0) + 1
            return str(session["visits"])

    return Site(session_cookie_secure=False)


def routes(count):
    async def page(self):
        return HELLO

    return type("Site", (App,), dict.fromkeys(route_names(count), page))()


def template():
    class Site(App):
        async def index(self):
            return await self._render_template("page.html", title="Pies", rows=ROWS)

    app = Site()
    app.env.loader.searchpath[:] = [str(TEMPLATES)]
    return app


def stream(count):
    class Site(App):
        async def index(self):
            async def chunks():
                for _ in range(count):
                    yield CHUNK

            return chunks()

    return Site()


def events():
    class Site(App):
        async def index(self):
            async def events():
                for _ in range(EVENTS):
                    yield f"data: {EVENT}\n\n"

            return 200, events(), [("Content-Type", "text/event-stream")]

    return Site()


def upload():
    class Site(App):
        async def index(self, file):
            path = os.path.join(os.environ["BENCHMARK_FOLDER"], f"{time.time_ns()}.bin")
            with open(path, "xb") as target:  # noqa: ASYNC230 - as its documentation does
                while chunk := await file["content"].get():
                    target.write(chunk)
            return path

    return Site(max_body_size=None)


def websocket():
    class Site(App):
        async def ws_echo(self, ws):
            await ws.accept()
            try:
                while True:
                    await ws.send_text(await ws.receive_text())
            except ConnectionClosed:
                pass

    return Site()
