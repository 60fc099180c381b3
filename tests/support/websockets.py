"""Apps of one WebSocket handler or of many, conversations with them, and hooks in front."""

from micropie import App, WebSocketMiddleware
from support.asgi_websocket import WebSocketClient

OLD = {"version": "3.0", "spec_version": "2.3"}
NEW = {"version": "3.0", "spec_version": "2.4"}


def app_of(handler, **options):
    """Return an App that serves *handler* at /test."""
    app = App(**options)
    app.ws_test = handler
    return app


def client_of(handler, **options):
    return WebSocketClient(app_of(handler, **options))


async def accept(ws):
    await ws.accept()


async def talk(handler, *messages, **options):
    """Let *handler* have text *messages*, after which the client leaves; return the ending."""
    async with client_of(handler, **options).open("/test") as socket:
        for message in messages:
            socket.send_text(message)
        socket.leave()
        return await socket.ended()


class Chat(App):
    """Every handler says who it is, and what it was given."""

    async def ws_index(self, ws):
        await self._tell(ws, "index")

    async def ws_chat(self, ws, room="lobby", name="Guest"):
        await self._tell(ws, "chat", room, name)

    async def ws_sign_up(self, ws):
        await self._tell(ws, "sign up")

    async def ws__private(self, ws):
        await self._tell(ws, "private")

    async def _ws_hidden(self, ws):
        await self._tell(ws, "hidden")

    async def page(self):
        return "page"

    @staticmethod
    async def ws_static(ws, word):
        await Chat._tell(ws, "static", word)

    @classmethod
    async def ws_of_class(cls, ws, word):
        await cls._tell(ws, "class", word)

    @staticmethod
    async def _tell(ws, *words):
        await ws.accept()
        await ws.send_text(" ".join(map(str, words)))


async def refusal(url, app=None, **options):
    """Return the code and reason with which *url* is refused."""
    ending = await WebSocketClient(app or Chat()).run(url, **options)
    assert ending.error is None
    assert [message["type"] for message in ending.messages] == ["websocket.close"]
    return ending.refused


class Recorder(WebSocketMiddleware):
    """Notes what it sees in a list that several may share."""

    def __init__(self, seen, name, answer=None, before=None, after=None):
        self.seen = seen
        self.name = name
        self.answer = answer
        self.before = before
        self.after = after

    async def before_websocket(self, request):
        self.seen.append(f"before {self.name}")
        if self.before is not None:
            raise self.before
        return self.answer

    async def after_websocket(self, request):
        self.seen.append(f"after {self.name}")
        if self.after is not None:
            raise self.after


def hooked(seen, handler, *recorders, **options):
    """Return a client of an App with *handler* at /test and one hook for each dict given."""
    app = app_of(handler, **options)
    app.ws_middlewares += [
        Recorder(seen, name, **more) for name, more in zip("abc", recorders, strict=False)
    ]
    return WebSocketClient(app)


def noting(seen, error=None):
    async def handler(ws):
        await ws.accept()
        seen.append("handler")
        if error is not None:
            raise error

    return handler


def with_origin(origin, host="pie.example", **more):
    headers = [("Origin", origin)] if isinstance(origin, str) else list(origin)
    if host is not None:
        headers.append(("Host", host))
    return {"headers": headers, **more}
