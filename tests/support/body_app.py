"""An App that shows what there is of a body, and requests that have one."""

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.bodies import END, FORM, JSON, MULTIPART, file_part, text_part

A_FORM = b"name=Ada&tag=a&tag=b"
AN_OBJECT = b'{"name": "Ada", "tags": ["a", "b"]}'

A_MULTIPART = text_part("name", "Ada") + file_part("file", "a.txt", "content") + END

PARSED = [(JSON, AN_OBJECT), (FORM, A_FORM), (MULTIPART, A_MULTIPART)]
PARSED_IDS = ["json", "form", "multipart"]

CHUNKED = {"Transfer-Encoding": "chunked"}


def head(content_type: str | None, length: int | None) -> dict[str, str]:
    """Return the headers of a body; None leaves one out."""
    headers = {"Content-Type": content_type, "Content-Length": length}
    return {name: str(value) for name, value in headers.items() if value is not None}


def sending(body: bytes, content_type: str | None = None, method: str = "POST") -> dict:
    """Return options of `Client.request` for *body*, with its length."""
    return {"method": method, "headers": head(content_type, len(body)), "body": body}


class Bodies(App):
    """Shows what there is of a body; `runs` counts the handlers that were reached."""

    runs = 0

    async def parsed(self):
        self.runs += 1
        request = self.request
        return {
            "form": request.body_params,
            "json": request.get_json,
            "files": {name: file.filename for name, file in request.files.items()},
        }

    async def raw(self):
        self.runs += 1
        return await self.request.read()

    async def twice(self):
        first = await self.request.read()
        return "same" if await self.request.read() is first else "another"

    async def chunks(self):
        self.runs += 1
        return [chunk.decode() async for chunk in self.request.stream()]

    async def ignore(self):
        self.runs += 1
        return "ignored"

    async def stream_and(self, then):
        async for _ in self.request.stream():
            pass
        if then == "read":
            return await self.request.read()
        return [chunk.decode() async for chunk in self.request.stream()]

    async def half(self):
        async for _ in self.request.stream():
            break
        return await self.request.read()

    async def helpers(self):
        request = self.request
        return {
            "form": [request.form("name"), request.form("nobody"), request.form("nobody", 7)],
            "json": [request.json(), request.json("name"), request.json("nobody", 7)],
            "default": request.json(default="none"),
        }

    async def named(self, name):
        return name

    async def pieces(self):
        return [len(chunk) async for chunk in self.request.stream()]

    async def echo(self):
        async for chunk in self.request.stream():
            yield chunk

    async def late(self):
        yield "begun;"
        yield await self.request.read()


class Hook(HttpMiddleware):
    """Runs what a test gives it before or after the handler."""

    def __init__(self, before=None, after=None):
        self.before = before
        self.after = after

    async def before_request(self, request):
        return await self.before(request) if self.before else None

    async def after_request(self, request, status_code, response_body, extra_headers):
        return await self.after(request) if self.after else None


def hooked(before=None, after=None, app=Bodies) -> Client:
    made = app()
    made.middlewares.append(Hook(before, after))
    return Client(made)


def trace(answer) -> str:
    """Return the last line of the traceback that debug mode shows."""
    assert answer.status == 500
    return answer.text.removesuffix("</pre>").strip().splitlines()[-1].replace("&#x27;", "'")


class Small(Bodies):
    def __init__(self):
        super().__init__(max_body_size=100)
