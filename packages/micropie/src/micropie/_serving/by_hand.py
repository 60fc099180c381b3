"""A response that is sent by hand: to the current request, or outside of any."""

from asyncio import Event
from typing import NoReturn, cast

from micropie._http.request import Request
from micropie._http.response import Response
from micropie._serving.context import current_connection
from micropie._serving.http import HttpExchange
from micropie._serving.parts import Parts
from micropie.types import Send


async def send_by_hand(parts: Parts, send: Send, response: Response) -> None:
    """Send *response* to the current request, or, outside of any, as to a plain GET."""
    try:
        request = cast(Request, current_connection())
    except RuntimeError:
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        request = Request(scope, _receive_nothing, parts.limits)
    await HttpExchange(parts, request, send).answer(response)


async def _receive_nothing() -> NoReturn:
    while True:
        await Event().wait()
