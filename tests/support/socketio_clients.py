"""Clients of python-socketio with the cookies of a browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

import socketio
from support.servers import Server

PATIENCE = 30.0  # seconds; the machine may be busy with other tests


class Browser:
    """A Socket.IO client that keeps cookies over its HTTP requests and its connections."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.url = server.url
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.refusals: list[Any] = []
        self._clients: list[socketio.AsyncClient] = []

    async def get(self, target: str) -> tuple[int, str]:
        """Return status and body of a page."""
        async with self.http.get(self.url + target) as answer:
            return answer.status, await answer.text()

    async def connect(self, target: str = "", **options: Any) -> socketio.AsyncClient:
        """Return a connected client, whose `events` is a queue of (name, *arguments)."""
        client = socketio.AsyncClient(
            reconnection=options.pop("reconnection", False), http_session=self.http
        )
        client.events = asyncio.Queue()

        @client.on("*")
        async def receive(event: str, *arguments: Any) -> None:
            await client.events.put((event, *arguments))

        client.on("connect_error", self.refusals.append)
        self._clients.append(client)
        await client.connect(self.url + target, wait_timeout=int(PATIENCE), **options)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.disconnect()
        await self.http.close()


@asynccontextmanager
async def browsing(server: Server) -> AsyncIterator[Browser]:
    browser = Browser(server)
    try:
        yield browser
    finally:
        await browser.close()


async def next_event(client: socketio.AsyncClient) -> tuple[Any, ...]:
    async with asyncio.timeout(PATIENCE):
        return await client.events.get()
