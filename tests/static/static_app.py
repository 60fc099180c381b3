"""What the tests serve on real servers: files found at first, looked for each time, and sent."""

import os

from micropie import App, HttpMiddleware
from micropie_static import Static, send_file

ROOT = os.environ["MICROPIE_TEST_STATIC"]


class Files(App):
    async def pid(self):
        return os.getpid()

    async def send(self, name, root=ROOT):
        return send_file(name, root=root)

    async def shown(self, name):
        self.session["seen"] = name
        return send_file(name, root=ROOT, inline=True)


class Guard(HttpMiddleware):
    async def before_request(self, request):
        if request.path.startswith("/guarded") and "key" not in request.query_params:
            return {"status_code": 403, "body": "no key"}
        return None

    async def after_request(self, request, status_code, response_body, extra_headers):
        extra_headers.append(("X-Hook", str(status_code)))


app = Files()
app.mount("/static", Static(ROOT))
app.mount("/fresh", Static(ROOT, autorefresh=True))

hooked = Files()
hooked.middlewares.append(Guard())
hooked.mount("/guarded", Static(ROOT))
app.mount("/hooked", hooked)
app.mount("/", Static(ROOT, index="index.html"))
