"""What run.mjs calls inside Pyodide: an App on the event loop of JavaScript, then the tests."""

import asyncio
import platform
import time
from collections.abc import Sequence
from typing import Any


async def serve() -> None:
    """Let an App answer on the loop that a browser has, whose turns are JavaScript's."""
    from micropie import App

    class Shop(App):
        async def index(self) -> str:
            return "async"

        def sync(self, number: int) -> list[int]:
            return [number, number]

        def stream(self) -> Any:
            yield "a"
            yield "b"

    for path, expected in (("/", b"async"), ("/sync/7", b"[7,7]"), ("/stream", b"ab")):
        body = await get(Shop(), path)
        if body != expected:
            raise SystemExit(f"in Pyodide, {path} was answered with {body!r}")


async def get(app: Any, path: str) -> bytes:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if any(message.get("more_body") is False for message in sent):
            return {"type": "http.disconnect"}
        await asyncio.sleep(3600)
        raise AssertionError("an hour is over")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        **{"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"},
        **{"scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b""},
        **{"root_path": "", "headers": [], "client": None, "server": None},
    }
    await app(scope, receive, send)
    return b"".join(message.get("body", b"") for message in sent)


def test(args: Sequence[str]) -> int:
    """Run pytest; return its exit code."""
    # From here on JavaScript's loop waits, and each test has one that it can run to its end.
    asyncio._set_running_loop(None)
    asyncio.new_event_loop = asyncio.events.new_event_loop = Loop
    import pytest

    print(f"Python {platform.python_version()}, on {platform.system()}", flush=True)
    return int(
        pytest.main(["-p", "one_thread", "-p", "stand_ins", "-p", "no:cacheprovider", *args])
    )


class Loop(asyncio.BaseEventLoop):
    """An event loop that sleeps until its next timer: nothing else can ever wake it."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = Clock()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Stop no threads: none could be started."""

    def _process_events(self, events: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Clock:
    """In the place of a selector."""

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is left to happen")
        time.sleep(timeout)
        return []
