"""What stands in front of the site."""

from collections.abc import Awaitable, Callable

from micropie import HttpMiddleware, WebSocketMiddleware


class KindlyTooLarge(HttpMiddleware):
    """Says that a file is too large in the page it came from.

    The handler can't: MicroPie refuses such a body before there is anything to call it with.
    """

    def __init__(self, page: Callable[[str], Awaitable[str]]) -> None:
        self._page = page

    async def after_request(self, request, status_code, response_body, extra_headers):
        if status_code != 413 or request.route is None or request.route.name != "files":
            return None
        page = await self._page("That file is too large.")
        return {"body": page, "headers": {"Content-Type": "text/html; charset=utf-8"}}


class FullHouse(WebSocketMiddleware):
    """Takes no more WebSockets, of the chat and of Socket.IO together, than there are chairs."""

    CHAIRS = 80

    def __init__(self) -> None:
        self._taken = 0

    async def before_websocket(self, request):
        self._taken += 1
        if self._taken > self.CHAIRS:
            return {"code": 1013, "reason": "the house is full"}
        return None

    async def after_websocket(self, request):
        self._taken -= 1
