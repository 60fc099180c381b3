"""What visitors who have the guestbook open are told the moment it happens, by Socket.IO."""

from micropie import App
from micropie_socketio import SocketIO


def live(app: App, redis_url: str | None) -> SocketIO:
    """Return the server: it emits `arrived` with a name, handlers `signed` with [name, address]."""
    sio = SocketIO(app, redis_url=redis_url)

    @sio.event
    async def connect(sid, environ):
        async with sio.http_session(sid) as session:
            name = session.get("name")
        if name:
            await sio.emit("arrived", name, skip_sid=sid)

    return sio
