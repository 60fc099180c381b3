"""Hooks around every request and every WebSocket: what users subclass."""

from typing import Any

from micropie._http.request import Request, WebSocketRequest
from micropie.types import Headers


class HttpMiddleware:
    """Runs around every HTTP request; append an instance to `app.middlewares`.

    `before_request` runs in list order, `after_request` in reverse. Both may raise HTTPError.
    """

    async def before_request(self, request: Request) -> dict[str, Any] | None:
        """Look at *request* before its body is read and its handler runs.

        Args:
            request: what was asked for; may be given attributes.

        Returns:
            None to go on, or a dict with any of `status_code`, `body` and `headers`, which
            answers at once.
        """
        return None

    async def after_request(
        self, request: Request, status_code: int, response_body: Any, extra_headers: Headers
    ) -> dict[str, Any] | None:
        """Look at the response before it is sent, whatever it came from.

        Args:
            request: the request it answers.
            status_code: its status.
            response_body: what the handler returned as the body, before it is encoded; of a
                stream, an async generator of its chunks, to be passed on or made into another.
            extra_headers: (name, value) pairs beside the automatic ones; may be changed in place.

        Returns:
            None, or a dict with those of `status_code`, `body` and `headers` to replace.
        """
        return None


class WebSocketMiddleware:
    """Runs around every WebSocket; append an instance to `app.ws_middlewares`."""

    async def before_websocket(self, request: WebSocketRequest) -> dict[str, Any] | None:
        """Look at the handshake before it is accepted.

        Args:
            request: the handshake.

        Returns:
            None to go on, or a dict with any of `code` (1008 if left out) and `reason`, which
            refuses it.
        """
        return None

    async def after_websocket(self, request: WebSocketRequest) -> None:
        """Run after the connection has ended, however it did.

        Args:
            request: its handshake.
        """
