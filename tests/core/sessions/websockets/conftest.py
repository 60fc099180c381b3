"""The backend of these tests."""

import pytest

from micropie import InMemorySessionBackend
from support.websocket_sessions import Backend


@pytest.fixture
async def backend():
    """A backend that holds one session, under the id of COOKIE."""
    backend = Backend()
    await InMemorySessionBackend.save(backend, "known", {"name": "Ada", "list": [1]}, 8 * 3600)
    return backend
