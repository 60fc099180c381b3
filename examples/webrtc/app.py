"""Video calls of two: WebRTC between the browsers, brought together over Socket.IO."""

import secrets
from pathlib import Path

from micropie import App, HTTPError, SecurityHeaders
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
        nonce = self.request.state.csp_nonce
        return 200, await self._render_template("index.html", nonce=nonce, room=room), headers


app = Calls(template_dir=Path(__file__).parent / "templates")
app.middlewares.append(SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS))
sio = SocketIO(app, max_http_buffer_size=100_000)  # bytes of a message
members: dict[str, list[str]] = {}  # of each room, two at most
room_of: dict[str, str] = {}  # where each of them is


@sio.event
async def join(sid, room):
    """Enter a room; the one who is there already hears of it, and makes an offer."""
    if sid in room_of or not isinstance(room, str) or len(room) > MAX_NAME:
        return
    if len(members.setdefault(room, [])) == 2:
        await sio.emit("full", to=sid)
        return
    members[room].append(sid)
    room_of[sid] = room
    await sio.emit("joined", len(members[room]), to=sid)
    await _tell_other(sid, "arrived")


@sio.event
async def signal(sid, message):
    """Pass on an offer, an answer or a candidate; what is in it concerns the browsers only."""
    await _tell_other(sid, "signal", message)


@sio.event
async def disconnect(sid, reason):
    room = room_of.pop(sid, None)
    if room is None:
        return
    members[room].remove(sid)
    if members[room]:
        await sio.emit("left", to=members[room][0])
    else:
        del members[room]


async def _tell_other(sid: str, event: str, *arguments) -> None:
    for other in list(members.get(room_of.get(sid), ())):
        if other != sid:
            await sio.emit(event, arguments, to=other)
