"""Handshakes that are refused with an HTTP status, by servers that can (ASGI's denial response)."""

import json

import pytest

from micropie import App, ConnectionClosed, HTTPError, WebSocketMiddleware
from support.asgi_websocket import WebSocketClient
from support.websockets import Chat, Recorder, app_of, with_origin

pytestmark = pytest.mark.anyio

EXTENSION = {"extensions": {"websocket.http.response": {}}}


async def denied(url, app, **options):
    """Return the response that the handshake for *url* gets."""
    ending = await WebSocketClient(app, **EXTENSION).run(url, **options)
    assert ending.error is None
    return ending.denied


def raising(error):
    async def handler(ws):
        raise error

    return app_of(handler)


@pytest.mark.parametrize("url", ["/nothing", "/ws_chat", "/_private", "/page", "/%FF", "/a%2Fb"])
async def test_no_such_websocket_is_a_404(url):
    status, headers, body = await denied(url, Chat())
    assert (status, body) == (404, b"404 Not Found")
    assert headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_bad_parameter_is_a_400_that_names_it():
    async def handler(ws, number: int):
        raise AssertionError

    app = app_of(handler)
    for url, reason in (("/test/x", b"'number' must be an integer"), ("/test", b"'number'")):
        status, _, body = await denied(url, app)
        assert status == 400
        assert reason in body


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (HTTPError(401), 401, b"401 Unauthorized"),
        (HTTPError(403, "not you"), 403, b"not you"),
        (HTTPError(429, {"wait": 5}), 429, b'{"wait":5}'),
        (HTTPError(503), 503, b"503 Service Unavailable"),
        (HTTPError(302, "", {"Location": "/login"}), 302, b""),
        (HTTPError(204), 204, b""),
    ],
    ids=str,
)
async def test_an_http_error_before_accept_is_the_answer(error, status, body, logged):
    found = await denied("/test", raising(error))
    assert (found[0], found[2]) == (status, body)
    assert logged == []


async def test_headers_of_the_error_are_sent():
    error = HTTPError(401, {"problem": "who are you?"}, {"WWW-Authenticate": "Bearer"})
    _, headers, body = await denied("/test", raising(error))
    assert headers["www-authenticate"] == "Bearer"
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"problem": "who are you?"}


async def test_an_error_in_a_task_group_answers_too():
    error = ExceptionGroup("of tasks", [HTTPError(409)])
    assert (await denied("/test", raising(error)))[0] == 409


async def test_an_unexpected_error_is_a_500_without_detail(logged):
    status, _, body = await denied("/test", raising(RuntimeError("secret")))
    assert (status, body) == (500, b"500 Internal Server Error")
    assert len(logged) == 1


async def chunks():
    yield "a"


@pytest.mark.parametrize(
    "error",
    [
        HTTPError(99),
        HTTPError(403, object()),
        HTTPError(403, "", {"X": "a\r\nb"}),
        HTTPError(403, chunks()),
    ],
    ids=["status", "body", "header", "stream"],
)
async def test_an_error_that_can_not_be_sent_is_a_500_and_in_the_log(error, logged):
    assert (await denied("/test", raising(error)))[0] == 500
    assert len(logged) == 1


async def test_an_http_error_of_a_hook_is_the_answer():
    app, seen = Chat(), []
    app.ws_middlewares += [
        Recorder(seen, "outer"),
        Recorder(seen, "inner", before=HTTPError(402, "pay first")),
    ]
    status, _, body = await denied("/chat", app)
    assert (status, body) == (402, b"pay first")
    assert seen == ["before outer", "before inner", "after outer"]


async def test_a_hook_that_names_a_close_code_closes_with_it():
    class Refusing(WebSocketMiddleware):
        async def before_websocket(self, request):
            return {"code": 4001, "reason": "not now"}

    app = Chat()
    app.ws_middlewares.append(Refusing())
    ending = await WebSocketClient(app, **EXTENSION).run("/chat")
    assert (ending.denied, ending.refused) == (None, (4001, "not now"))


async def test_another_origin_is_refused_as_ever():
    client = WebSocketClient(Chat(), **EXTENSION)
    ending = await client.run("/chat", **with_origin("http://evil.example"))
    assert (ending.denied, ending.refused[0]) == (None, 1008)


async def test_an_error_after_accept_closes():
    async def handler(ws):
        await ws.accept()
        raise HTTPError(404)

    ending = await WebSocketClient(app_of(handler), **EXTENSION).run("/test")
    assert (ending.denied, ending.closed) == (None, (1008, ""))


async def test_an_error_after_a_close_changes_nothing():
    async def handler(ws):
        await ws.close(4000)
        raise HTTPError(404)

    ending = await WebSocketClient(app_of(handler), **EXTENSION).run("/test")
    assert (ending.denied, ending.refused) == (None, (4000, ""))


async def test_a_handler_that_never_accepts_refuses():
    async def handler(ws):
        pass

    ending = await WebSocketClient(app_of(handler), **EXTENSION).run("/test")
    assert (ending.denied, ending.refused) == (None, (1000, ""))


async def test_a_refused_websocket_is_closed():
    async def handler(ws):
        kept.append(ws)
        raise HTTPError(404)

    kept = []
    await denied("/test", app_of(handler))
    assert kept[0].closed
    assert not kept[0].accepted
    with pytest.raises(ConnectionClosed):
        await kept[0].send_text("too late")


@pytest.mark.parametrize("error", [OSError("gone"), TimeoutError()], ids=repr)
async def test_a_client_that_left_before_it_was_refused_is_no_error(error):
    async with WebSocketClient(Chat(), **EXTENSION).open("/nothing") as socket:
        socket.break_sending(error)
        socket.leave()
        assert (await socket.ended()).error is None


async def test_a_mounted_app_refuses_likewise():
    app = App()
    app.mount("/part", Chat())
    assert (await denied("/part/nothing", app))[0] == 404
