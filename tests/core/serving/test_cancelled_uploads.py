"""Uploads that were cancelled when the server stopped."""

import asyncio
import os
import sys
import tempfile
import threading

import pytest

from micropie import App, _threads
from micropie._serving import lifespan
from support.asgi import PATIENCE, Client, settled
from support.lifespans import Life

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "emscripten", reason="needs another thread"),
]


@pytest.fixture
async def deleting(tmp_path, monkeypatch):
    """Begin an upload with a temporary file that takes until `go_on` to be deleted."""
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    unlink, go_on = os.unlink, threading.Event()

    def slow_unlink(path):
        assert go_on.wait(PATIENCE)
        unlink(path)

    monkeypatch.setattr(os, "unlink", slow_unlink)

    class Site(App):
        async def upload(self, file):
            return "never"

    async def begin(app):
        part = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        headers = [
            ("Content-Type", "multipart/form-data; boundary=B"),
            ("Content-Length", "9999999"),
        ]
        scope = Client(app).scope("POST", "/upload", headers)
        chunks = [part, *[b"x" * 2**20] * 3]
        waiting = asyncio.Event()

        async def receive():
            if chunks:
                return {"type": "http.request", "body": chunks.pop(0), "more_body": True}
            waiting.set()
            return await asyncio.Event().wait()

        task = asyncio.create_task(app(scope, receive, None))
        await waiting.wait()
        return task

    yield Site(), begin, go_on
    go_on.set()


async def test_the_shutdown_waits_until_temporary_files_are_deleted(deleting, tmp_path):
    app, begin, go_on = deleting
    running = Life(app)
    await running.start()
    task = await begin(app)
    assert len(os.listdir(tmp_path)) == 1
    task.cancel()
    stopping = asyncio.create_task(running.stop())
    await settled()
    assert not stopping.done()
    go_on.set()
    assert (await stopping)["type"] == "lifespan.shutdown.complete"
    assert os.listdir(tmp_path) == []


async def test_the_shutdown_does_not_wait_forever(deleting, monkeypatch, logged):
    monkeypatch.setattr(lifespan, "DELETION_TIMEOUT", 0.01)
    monkeypatch.setattr(_threads, "_GRACE", 0.01)
    app, begin, _ = deleting
    running = Life(app)
    await running.start()
    task = await begin(app)
    task.cancel()
    assert (await running.stop())["type"] == "lifespan.shutdown.complete"
    (record,) = logged
    assert record.getMessage() == "shutdown waits no longer for 1 busy threads"
