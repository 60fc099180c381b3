"""Servers and clients for the tests of micropie-socketio."""

from pathlib import Path

import pytest

from support.servers import serve
from support.socketio_clients import browsing

FOLDER = Path(__file__).parent
APP = "chat_app:app"

TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": None}


@pytest.fixture(scope="module")
def server():
    """uvicorn with the chat, whose log must show nothing bad in the end."""
    with serve("uvicorn", APP, FOLDER) as running:
        yield running
        assert_clean(running)


def assert_clean(server):
    log = server.log()
    assert "Traceback" not in log
    assert "ERROR" not in log


@pytest.fixture(params=TRANSPORTS)
def transports(request):
    return TRANSPORTS[request.param]


@pytest.fixture
async def browser(server):
    async with browsing(server) as one:
        yield one


@pytest.fixture
async def other(server):
    async with browsing(server) as one:
        yield one
