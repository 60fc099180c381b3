"""Mistakes that type checkers find in a user's code: on each line that says so, and on no other."""

from micropie import (
    App,
    Headers,
    HookAnswer,
    HttpMiddleware,
    Request,
    Result,
    WebSocketMiddleware,
    WebSocketRefusal,
    WebSocketRequest,
)


class Hook(HttpMiddleware):
    async def before_request(self, request: Request) -> HookAnswer | None:
        return {"status": 303}  # mistake: status_code

    async def on_error(self, request: Request, error: Exception) -> HookAnswer | None:
        return {"status_code": "404"}  # mistake: a str


class Refusal(WebSocketMiddleware):
    async def before_websocket(self, request: WebSocketRequest) -> WebSocketRefusal | None:
        return {"status_code": 403}  # mistake: an answer of HTTP


class Site(App):
    async def a_set(self) -> Result:
        return {1, 2}  # mistake: has no JSON form

    async def swapped(self) -> Result:
        return "created", 201  # mistake: the status comes first

    async def three(self) -> Result:
        return 200, "text", [("X-Number", 1)]  # mistake: the value of a header is a str

    async def an_object(self) -> Result:
        return object()  # mistake: not a response

    async def may_be_missing(self) -> Result:
        return self.request.query("name").upper()  # mistake: None has no such method

    async def a_text(self) -> Result:
        page: int = self.request.query("page", "1")  # mistake: what a query says is text
        return page


headers: Headers = {"Location": "/"}  # mistake: a list of pairs
site = Site()
site.debug = "yes"  # mistake: a bool
site.middlewares.append(Refusal())  # mistake: belongs into ws_middlewares
