"""The demo, served by Uvicorn as the documentation advises for visitors, and those."""

import json
from contextlib import contextmanager
from pathlib import Path

import httpx2
from websockets.sync.client import connect

from support.servers import CLIENT_TIMEOUT, HOST, serve

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "examples" / "demo"

# Of WebSocket messages the server makes 16 MiB before the app sees them; Socket.IO takes 1 MB.
_LIMITS = ("--ws-max-size", "1000000")

MB = 1_000_000


def serve_demo(folder, *options):
    """Run the demo, with its sessions in *folder*."""
    return serve(
        "uvicorn",
        "app:app",
        folder,
        options=("--app-dir", str(DEMO), *_LIMITS, *options),
        environment={"DATABASE_URL": f"sqlite:///{folder}/demo.db"},
    )


def browser(server):
    """Return an HTTP client that keeps cookies and follows redirects, as a browser does."""
    return httpx2.Client(base_url=server.url, follow_redirects=True, timeout=CLIENT_TIMEOUT)


def leave(visitor, name, content=b"content", **options):
    """Upload a file; return the answer."""
    file = (name, content, "text/html")
    return visitor.post("/files", files={"file": file}, **options)


@contextmanager
def chatting(server, path="/chat", visitor=None, **options):
    """Yield a member of a chat room, and what it was welcomed with."""
    headers = {}
    if visitor is not None and "session_id" in visitor.cookies:
        headers["Cookie"] = f"session_id={visitor.cookies['session_id']}"
    address = f"ws://{HOST}:{server.port}{path}"
    with connect(address, additional_headers=headers, proxy=None, **options) as member:
        yield member, hear(member)


def say(member, text):
    member.send(json.dumps({"text": text}))


def hear(member):
    return json.loads(member.recv(CLIENT_TIMEOUT))
