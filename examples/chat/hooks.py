"""What stands in front of Socket.IO."""

from collections import Counter

from micropie import WebSocketMiddleware


class FewSockets(WebSocketMiddleware):
    """Lets an address have so many WebSockets at a time; without one Socket.IO goes on polling."""

    MAX_SOCKETS = 50

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    async def before_websocket(self, request):
        address = self._address(request)
        self._open[address] += 1
        if self._open[address] > self.MAX_SOCKETS:
            return {"code": 1013, "reason": "too many connections"}
        return None

    async def after_websocket(self, request):
        address = self._address(request)
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]

    def _address(self, request):
        return request.client[0] if request.client else ""
