"""MicroPie of this checkout."""

import os

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
from micropie import App, EventStream, HttpMiddleware, InMemorySessionBackend, UploadFile, route


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
        async def item(self, number: int, q=""):
            return {"number": number, "q": q}

    return Site()


def echo():
    class Site(App):
        async def echo(self):
            return {"received": self.request.get_json}

    return Site()


def form():
    class Site(App):
        async def form(self, name, email, age: int):
            return f"{name} <{email}> is {age}"

    return Site()


def middlewares():
    app = hello()
    app.middlewares += [AddHeader("x-first"), AddHeader("x-second"), AddHeader("x-third")]
    return app


def session():
    class Site(App):
        async def read(self):
            return str(self.session["visits"])

        async def write(self):
            self.session["visits"] = self.session.get("visits", 0) + 1
            return str(self.session["visits"])

    return Site()


def sync():
    class Site(App):
        def index(self):
            return HELLO

    return Site()


def routes(count):
    async def page(self):
        return HELLO

    return type("Site", (App,), dict.fromkeys(route_names(count), page))()


def patterns(count):
    def page(name):
        @route(f"/{name}/{{number}}/page")
        async def page(self, number: int):
            return f"page {number}"

        return page

    return type("Site", (App,), {name: page(name) for name in route_names(count)})()


def template():
    class Site(App):
        async def index(self):
            return await self._render_template("page.html", title="Pies", rows=ROWS)

    return Site(template_dir=TEMPLATES)


def stream(count):
    class Site(App):
        async def index(self):
            for _ in range(count):
                yield CHUNK

    return Site()


class SoldOut(Exception):
    """What code that knows nothing of HTTP raises; so in all contestants."""


class Answers(HttpMiddleware):
    async def on_error(self, request, error):
        if not isinstance(error, SoldOut):
            return None
        return {"status_code": 409, "body": {"error": str(error)}}


def on_error():
    class Site(App):
        async def index(self):
            raise SoldOut(SOLD_OUT)

    app = Site()
    app.middlewares.append(Answers())
    return app


def set_cookie():
    class Site(App):
        async def index(self):
            self.request.set_cookie("theme", "dark", max_age=86_400)
            return HELLO

    return Site()


def model():
    from benchmarks.models import PIE

    class Site(App):
        async def index(self):
            return PIE

    return Site()


def events():
    class Site(App):
        async def index(self):
            return EventStream(self._events())

        async def _events(self):
            for _ in range(EVENTS):
                yield EVENT

    return Site()


def upload():
    class Site(App):
        async def index(self, file: UploadFile):
            return str(await file.save(os.environ["BENCHMARK_FOLDER"]))

    return Site(max_body_size=None)


def websocket():
    class Site(App):
        async def ws_echo(self, ws):
            await ws.accept()
            async for message in ws:
                await ws.send_text(message)

    return Site()


def files(folder):
    from micropie_static import Static

    app = App()
    app.mount("/static", Static(folder))
    return app


def shop(store):
    class Shop(App):
        async def enter(self):
            self.session.update(CUSTOMER)
            return "welcome"

        async def read(self):
            return f"{self.session['user']['name']}, {len(self.session['cart'])}"

        async def write(self):
            self.session["seen"] += 1
            return f"{self.session['user']['name']}, {self.session['seen'] > 0}"

    return Shop(session_backend(store))


def session_backend(store):
    if store == "memory":
        return InMemorySessionBackend()
    if store.startswith("redis:"):
        from micropie_redis import RedisSessionBackend

        return RedisSessionBackend(store)
    from micropie_sql_sessions import SQLSessionBackend

    return SQLSessionBackend(store)
