"""The chat: a room passes on what its members say, and remembers the last of it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from micropie import Broadcast, WebSocket

MAX_TEXT = 500  # characters
MAX_HISTORY = 50  # messages that a room remembers
MAX_WAITING = 100  # messages on their way to one member; one who reads too slowly has to go
PAUSE = 0.02  # seconds between two messages of one member, so that nobody can drown the others


@dataclass(frozen=True)
class Message:
    name: str
    text: str
    said_at: datetime


class Room:
    def __init__(self) -> None:
        self._history: deque[Message] = deque(maxlen=MAX_HISTORY)
        self._broadcast = Broadcast(max_waiting=MAX_WAITING)

    async def host(self, ws: WebSocket, name: str) -> None:
        """Have a client in the room until it leaves.

        It gets `{"name", "history"}` first, then messages and `{"error"}`; it sends `{"text"}`.
        """
        async with self._broadcast.join(ws):
            await ws.send_json({"name": name, "history": list(self._history)})
            while True:
                # Nothing of a message is kept while the member is silent.
                await self._hear(ws, name, await ws.receive_json())
                await asyncio.sleep(PAUSE)

    async def _hear(self, ws: WebSocket, name: str, message: Any) -> None:
        text = message.get("text") if isinstance(message, dict) else None
        if not isinstance(text, str) or not text.strip():
            await ws.send_json({"error": "There is nothing in this message."})
        elif len(text) > MAX_TEXT:
            await ws.send_json({"error": f"A message has {MAX_TEXT} characters at most."})
        else:
            said = Message(name, text.strip(), datetime.now(UTC))
            self._history.append(said)
            await self._broadcast.send(said)
