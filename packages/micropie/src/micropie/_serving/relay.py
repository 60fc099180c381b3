"""The answer of another ASGI app, on its way through an exchange."""

from collections.abc import Awaitable, Callable

from micropie._http.response import BODILESS
from micropie.types import Message, Send


class Relay:
    """Passes on the messages of another app.

    Theory of operation. Until the head comes, the exchange can still answer an error. The head
    goes through the exchange, for its hooks and its session; then the body passes. The relay
    is closed when an error was answered in place of the head, or when the head has a status without
    a body: what the app sends afterwards is dropped.

    Args:
        finish_head: returns the head after hooks and session; None if it answered an error instead.
        send: the ASGI channel.

    Attributes:
        has_begun: whether a head has come.
    """

    def __init__(
        self, finish_head: Callable[[Message], Awaitable[Message | None]], send: Send
    ) -> None:
        self._finish_head = finish_head
        self._send = send
        self._is_closed = False
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Send *message*: the ASGI channel that the other app is called with."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            head = await self._finish_head(message)
            self._is_closed = head is None
            message = head or message
        if self._is_closed:
            return
        await self._send(message)
        if message.get("status") in BODILESS:
            # A hook may have made it one, and the body would be taken for the next response.
            self._is_closed = True
            await self._send({"type": "http.response.body", "body": b""})
