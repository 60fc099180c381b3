"""Apps to be mounted, an App to mount them in, and a hook in front that notes what passes."""

import json

from micropie import App, HTTPError, HttpMiddleware


async def tell(scope, receive, send):
    """Answer with what the scope says, as a plain ASGI app."""
    told = {key: scope.get(key) for key in ("path", "root_path", "method")}
    told["raw_path"] = (scope.get("raw_path") or b"").decode("latin-1")
    body = json.dumps(told).encode()
    headers = [(b"content-type", b"application/json"), (b"x-plain", b"yes")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def named(name):
    """Return a plain ASGI app that answers with *name*."""

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


class Page(App):
    """An App that answers with its name and what it saw of the request."""

    def __init__(self, name="child", **options):
        super().__init__(**options)
        self.title = name

    async def index(self):
        return f"{self.title} index"

    async def show(self, *segments):
        scope = self.request.scope
        return [self.request.path, scope["root_path"], scope["path"], *segments]

    async def stream(self):
        yield "one,"
        yield "two"

    async def echo(self):
        return await self.request.read()

    async def form(self, name):
        return f"name is {name}"

    async def fail(self):
        raise RuntimeError("broken")

    async def forbid(self):
        raise HTTPError(403, "no entry")

    async def links(self):
        return [self._url_for("index"), self._url_for("show", "a b", q="x")]

    async def away(self):
        return self._redirect(self._url_for("show", "home"))


def tree(**mounts):
    """Return an App that has the pages index and own, and what is to be mounted."""

    class Root(App):
        async def index(self):
            return "root index"

        async def own(self, *segments):
            return ["own", *segments]

    root = Root()
    for path, app in mounts.items():
        root.mount("/" + path.replace("__", "/"), app)
    return root


class Noting(HttpMiddleware):
    """Notes what it sees; answers, changes or fails on demand."""

    def __init__(self, seen, name="", *, answer=None, add=None, changes=None, error=None):
        self.seen = seen
        self.name = name
        self.answer = answer
        self.add = add
        self.changes = changes
        self.error = error

    async def before_request(self, request):
        self.seen.append(f"before {self.name}".strip())
        return self.answer

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append((f"after {self.name}".strip(), status_code, response_body))
        if self.add is not None:
            extra_headers.append(self.add)
        if self.error is not None:
            raise self.error
        return self.changes
