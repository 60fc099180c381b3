"""The answer of another ASGI app, on its way through an exchange."""

from collections.abc import Awaitable, Callable, Sequence

from micropie._headers import raw_headers
from micropie._http.request import Request
from micropie._http.response import BODILESS, Response
from micropie._serving.middleware import Hooks, blame
from micropie.types import Headers, Message, Send

_START = "http.response.start"


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
        status: of the head; None if something else was answered, or nothing.
        is_complete: whether the body has passed to its end.
    """

    status: int | None = None
    is_complete = False

    def __init__(
        self, finish_head: Callable[[Message], Awaitable[Message | None]], send: Send
    ) -> None:
        self._finish_head = finish_head
        self._send = send
        self._is_closed = False
        self.has_begun = False

    async def send(self, message: Message) -> None:
        """Send *message*: the ASGI channel that the other app is called with."""
        if message["type"] == _START:
            self.has_begun = True
            head = await self._finish_head(message)
            self._is_closed = head is None
            message = head or message
            self.status = None if head is None else head["status"]
        if self._is_closed:
            return
        await self._send(message)
        self.is_complete = not message.get("more_body", message["type"] == _START)
        if message.get("status") in BODILESS:
            # A hook may have made it one, and the body would be taken for the next response.
            self._is_closed = self.is_complete = True
            await self._send({"type": "http.response.body", "body": b""})


async def run_hooks_on_head(
    request: Request, start: Message, hooks: list[Hooks]
) -> Message | Response:
    """Return the head *start* after the *hooks*, or the response with a body that one of them gave.

    The hooks run in reverse, and are taken out of the list when they do.

    Raises:
        Exception: one of them failed, or what they gave can't be sent.
    """
    raw = start.get("headers", ())
    sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    status, headers = start["status"], [*sent]
    entered: Sequence[Hooks] = [*hooks]
    culprits: Sequence[Hooks] = ()
    try:
        while hooks:
            culprits = [hooks.pop()]
            after_request = culprits[0].after_request
            if after_request is None:
                continue
            changes = await after_request(request, status, None, headers)
            if changes is not None:
                changed = Response(status, None, headers).replaced(changes)
                status, headers = changed.status, changed.headers
                if changed.body is not None:
                    changed.headers = _of_new_body(headers, sent, "headers" in changes)
                    return changed
        culprits = entered  # any of them may have changed the headers in place
        raw = raw_headers(headers)
    except Exception:
        blame(request, "after_request", *culprits)
        raise
    if status in BODILESS and status != start["status"]:
        raw = [pair for pair in raw if pair[0] != b"content-length"]
    return {**start, "status": status, "headers": raw}


# Headers that are wrong for any other body than the one they came with.
_OF_A_BODY = {
    *("content-length", "content-encoding", "content-range", "accept-ranges"),
    *("etag", "last-modified"),
}


def _of_new_body(headers: Headers, sent: Headers, are_given: bool) -> Headers:
    """Return *headers* without those *sent* that described the body which a hook has replaced.

    Content-Type is dropped too, unless the hook gave headers together with its body (*are_given*).
    """
    dropped = _OF_A_BODY if are_given else {*_OF_A_BODY, "content-type"}
    return [pair for pair in headers if pair not in sent or pair[0].lower() not in dropped]
