"""The example of a chat under real servers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socketio import AsyncClient
from support.servers import Server, serve
from support.socketio_clients import Browser, next_event

EXAMPLE = Path(__file__).parents[2] / "examples" / "chat"

# What each server needs to be told, so that long polls can't keep it from ending.
_OPTIONS = {
    "granian": ("--workers-kill-timeout", "2"),
    "hypercorn": ("--graceful-timeout", "2"),
}


@contextmanager
def chat(
    name: str, folder: Path, *, redis_url: str = "", port: int | None = None
) -> Iterator[Server]:
    """Run the chat under the server *name*, with its database in *folder*.

    Args:
        name: one of the ASGI servers.
        folder: all servers that are given the same one share messages and sessions.
        redis_url: the Redis that keeps the sessions and joins the servers; "" for none.
        port: where, if the caller has reserved one.
    """
    environment = {
        "DATABASE_URL": f"sqlite+aiosqlite:///{folder}/chat.db",
        "REDIS_URL": redis_url,
    }
    options = _OPTIONS.get(name, ())
    with serve(
        name, "app:app", EXAMPLE, options=options, environment=environment, port=port
    ) as server:
        yield server


async def come_in(browser: Browser, name: str) -> str:
    """Log in by the form; return the page that follows."""
    async with browser.http.post(browser.url + "/login", data={"name": name}) as answer:
        assert answer.status == 200
        return await answer.text()


async def hear(client: AsyncClient) -> tuple[str, str]:
    """Return who said the next message, and what."""
    while True:
        event, value = await next_event(client)
        if event == "message":
            return value["name"], value["text"]
