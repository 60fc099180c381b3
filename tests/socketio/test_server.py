"""A client of python-socketio against the chat, under real servers."""

import pytest

from support.socketio_clients import next_event

pytestmark = pytest.mark.anyio


async def test_events_go_both_ways(browser, transports):
    client = await browser.connect(transports=transports)
    await client.emit("echo", ("hi", 1, {"a": [None, True]}))
    assert await next_event(client) == ("echo", "hi", 1, {"a": [None, True]})
    assert await client.call("add", (1, 2)) == 3
