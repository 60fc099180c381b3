"""Servers that send files themselves."""

import asyncio

import pytest

from micropie import App
from micropie_static import Static
from support.asgi import Client
from support.static_files import LARGE, open_files

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("value", [None, "bytes=1000-600000"], ids=["whole file", "part"])
async def test_a_large_file_is_left_to_a_server_that_can(root, value):
    extension = "http.response.pathsend"
    app = App()
    app.mount("/static", Static(root))
    scope = Client(app, extensions={extension: {}}).scope("GET", "/static/large.bin")
    scope["headers"] = [(b"range", value.encode())] if value else []
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return await asyncio.Event().wait()

    await app(scope, receive, send)
    expected = LARGE[1000:600_001] if value else LARGE
    kinds = [message["type"] for message in sent]
    if value is None:
        assert kinds == ["http.response.start", extension]
        assert sent[1]["path"] == str(root / "large.bin")
    else:  # a path stands for the whole file
        assert set(kinds[1:]) == {"http.response.body"}
        assert b"".join(message["body"] for message in sent[1:]) == expected
    assert open_files("large.bin") == []
