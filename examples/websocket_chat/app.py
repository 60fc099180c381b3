"""Chat rooms over WebSockets: one handler for each connection, and a Broadcast for all of them."""

import asyncio
from pathlib import Path

from micropie import App, Broadcast, HTTPError, SecurityHeaders, WebSocket

MAX_NAME, MAX_TEXT, MAX_ROOM = 40, 500, 30  # characters
PAUSE = 0.05  # seconds between two messages of one client, so that nobody drowns the others


class Chat(App):
    def __init__(self):
        super().__init__(template_dir=Path(__file__).parent / "templates", max_message_size=10_000)
        self.middlewares.append(SecurityHeaders(SecurityHeaders.INLINE_SCRIPTS))
        # Who reads too slowly has to go when so many messages wait; nobody else waits for that.
        self._broadcast = Broadcast(max_waiting=50)

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
            raise HTTPError(404)  # refuses the connection
        await ws.accept()
        try:
            async with self._broadcast.join(ws, room=room):
                await self._broadcast.send({"info": f"{name} has come in."}, room=room)
                async for text in ws:
                    if isinstance(text, str) and 0 < len(text.strip()) <= MAX_TEXT:
                        said = {"name": name, "text": text.strip()}
                        await self._broadcast.send(said, room=room)
                    else:
                        await ws.send_json({"info": "That was too long, or nothing."})
                    await asyncio.sleep(PAUSE)
        finally:
            await self._broadcast.send({"info": f"{name} has left."}, room=room)


app = Chat()
