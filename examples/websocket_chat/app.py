"""Chat rooms over WebSockets: one handler for each connection, and a set of them for each room."""

import asyncio
from collections import defaultdict
from pathlib import Path

from micropie import App, ConnectionClosed, HTTPError, SecurityHeaders, WebSocket

MAX_NAME, MAX_TEXT, MAX_ROOM = 40, 500, 30  # characters
PAUSE = 0.05  # seconds between two messages of one client, so that nobody drowns the others
TOO_SLOW = 5.0  # seconds that a message may take to be sent


class Chat(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates")
        self.middlewares.append(SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS))
        self._rooms: defaultdict[str, set[WebSocket]] = defaultdict(set)

    async def index(self, room="lobby"):
        """`/kitchen` is the kitchen: what names no method comes here, if it is not too long."""
        if len(room) > MAX_ROOM:
            raise HTTPError(404)
        return await self._render_template(
            "index.html",
            nonce=self.request.state.csp_nonce,
            room=room,
            max_name=MAX_NAME,
            max_text=MAX_TEXT,
        )

    async def ws_chat(self, ws: WebSocket, room: str, *, name: str = ""):
        """`/chat/kitchen?name=Ada`; a browser that is on another site's page is refused."""
        name = " ".join(name.split())[:MAX_NAME] or "Guest"
        if len(room) > MAX_ROOM:
            return  # refuses the connection
        await ws.accept()
        self._rooms[room].add(ws)
        try:
            await self._tell(room, {"info": f"{name} has come in."})
            async for text in ws:
                if isinstance(text, str) and 0 < len(text.strip()) <= MAX_TEXT:
                    await self._tell(room, {"name": name, "text": text.strip()})
                else:
                    await ws.send_json({"info": "That was too long, or nothing."})
                await asyncio.sleep(PAUSE)
        finally:
            self._rooms[room].discard(ws)
            await self._tell(room, {"info": f"{name} has left."})
            if not self._rooms[room]:
                del self._rooms[room]

    async def _tell(self, room: str, message: dict[str, str]) -> None:
        """Send to all in the room at once: a slow one holds up the speaker only."""
        async with asyncio.TaskGroup() as sending:
            for ws in self._rooms[room]:
                sending.create_task(_send(ws, message))


async def _send(ws: WebSocket, message: dict[str, str]) -> None:
    try:
        async with asyncio.timeout(TOO_SLOW):
            await ws.send_json(message)
    except ConnectionClosed:
        pass  # it has just left; its own handler takes note of that
    except TimeoutError:
        await ws.close(1013, "too slow")


app = Chat()
