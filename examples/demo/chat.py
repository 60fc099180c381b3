"""The chat: a room passes on what its members say, and remembers the last of it."""

import asyncio
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from micropie import WebSocket

MAX_TEXT = 500  # characters
MAX_HISTORY = 50  # messages that a room remembers
MAX_WAITING = 100  # messages on their way to one member; one who reads too slowly has to go
PAUSE = 0.02  # seconds between two messages of one member, so that nobody can drown the others
TOO_SLOW = 1013  # "Try Again Later", in IANA's registry of WebSocket close codes


@dataclass(frozen=True)
class Message:
    name: str
    text: str
    said_at: datetime


class Member:
    """A client in a room: what waits to be sent to it, and whether that has become too much."""

    def __init__(self, ws: WebSocket, name: str) -> None:
        self.ws = ws
        self.name = name
        self.is_too_slow = asyncio.Event()
        self._waiting: asyncio.Queue[Any] = asyncio.Queue(MAX_WAITING)

    def tell(self, value: Any) -> None:
        """Send *value* as JSON as soon as may be, without making anybody wait for that."""
        try:
            self._waiting.put_nowait(value)
        except asyncio.QueueFull:
            self.is_too_slow.set()

    async def send_waiting(self) -> None:
        """Send what waits, and what comes."""
        while True:
            await self.ws.send_json(await self._waiting.get())


class Room:
    def __init__(self) -> None:
        self._history: deque[Message] = deque(maxlen=MAX_HISTORY)
        self._members: set[Member] = set()

    async def host(self, ws: WebSocket, name: str) -> None:
        """Have a client in the room until it leaves.

        It gets `{"name", "history"}` first, then messages and `{"error"}`; it sends `{"text"}`.
        """
        member = Member(ws, name)
        member.tell({"name": name, "history": list(self._history)})
        self._members.add(member)
        work = [
            asyncio.create_task(self._listen(member)),
            asyncio.create_task(member.send_waiting()),
            asyncio.create_task(member.is_too_slow.wait()),
        ]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._members.discard(member)
            for task in work:
                task.cancel()
        for result in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(result, Exception):
                raise result  # ConnectionClosed, or InvalidMessage: MicroPie knows what to do
        await ws.close(TOO_SLOW, "too slow")

    async def _listen(self, member: Member) -> None:
        while True:
            message = await member.ws.receive_json()
            text = message.get("text") if isinstance(message, dict) else None
            if not isinstance(text, str) or not text.strip():
                member.tell({"error": "There is nothing in this message."})
            elif len(text) > MAX_TEXT:
                member.tell({"error": f"A message has {MAX_TEXT} characters at most."})
            else:
                self._say(member.name, text.strip())
            await asyncio.sleep(PAUSE)

    def _say(self, name: str, text: str) -> None:
        message = Message(name, text, datetime.now(UTC))
        self._history.append(message)
        for member in self._members:
            member.tell(message)
