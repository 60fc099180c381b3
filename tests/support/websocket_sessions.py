"""WebSockets of a browser with a session, and a backend that counts and fails as told."""

from micropie import App
from support.asgi_websocket import WebSocketClient
from support.sessions import WatchedBackend

COOKIE = {"Cookie": "session_id=known"}


class Backend(WatchedBackend):
    async def stored(self, session_id="known"):
        return await super().stored(session_id)


def app_of(backend, handler, **options):
    app = App(backend, **options)
    app.ws_test = handler
    return app


def cookie_of(message):
    """Return the id in the handshake's cookie; None if it sets none."""
    cookies = [value.decode() for name, value in message["headers"] if name == b"set-cookie"]
    assert len(cookies) <= 1
    return cookies[0].partition(";")[0].removeprefix("session_id=") if cookies else None


async def run(backend, handler, url="/test", *, headers=COOKIE, **options):
    return await WebSocketClient(app_of(backend, handler, **options)).run(url, headers=headers)
