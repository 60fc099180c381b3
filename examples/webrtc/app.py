"""Video calls of two: WebRTC between the browsers, brought together over Socket.IO."""

import secrets
from pathlib import Path

from micropie import App, HTTPError
from micropie_socketio import SocketIO

MAX_NAME = 64  # characters of a room's name


class Calls(App):
    async def index(self, room: str | None = None):
        """`/` leads to a room whose name nobody can guess; who gets the address can come too."""
        if room is None:
            return self._redirect(f"{self._url_for('index')}{secrets.token_urlsafe(12)}")
        if len(room) > MAX_NAME:
            raise HTTPError(404)
        headers = {"Referrer-Policy": "no-referrer"}  # the address is the key to the room
        return 200, await self._render_template("index.html", room=room), headers


app = Calls(template_dir=Path(__file__).parent / "templates")
sio = SocketIO(app, max_http_buffer_size=100_000)  # bytes of a message
rooms: dict[str, list[str]] = {}  # who is in them


@sio.event
async def join(sid, room):
    """Enter a room: the one who is there already hears of it, and makes an offer."""
    if not isinstance(room, str) or len(room) > MAX_NAME or await _room_of(sid):
        return
    members = rooms.setdefault(room, [])
    if len(members) == 2:
        await sio.emit("full", to=sid)
        return
    members.append(sid)
    await sio.save_session(sid, {"room": room})
    await sio.emit("joined", len(members), to=sid)
    await _tell_other(sid, "arrived")


@sio.event
async def signal(sid, message):
    """Pass on an offer, an answer or a candidate; what is in it only concerns the browsers."""
    await _tell_other(sid, "signal", message)


@sio.event
async def disconnect(sid, reason):
    room = await _room_of(sid)
    if room:
        await _tell_other(sid, "left")
        rooms[room].remove(sid)
        if not rooms[room]:
            del rooms[room]


async def _room_of(sid: str) -> str | None:
    return (await sio.get_session(sid)).get("room")


async def _tell_other(sid: str, event: str, *arguments) -> None:
    for other in rooms.get(await _room_of(sid), ()):
        if other != sid:
            await sio.emit(event, arguments, to=other)
