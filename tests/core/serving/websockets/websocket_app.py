"""The app that test_servers.py runs under each server."""

import asyncio
import time

from micropie import App, ConnectionClosed, HTTPError, InvalidMessage

PATIENCE = 45.0  # seconds to wait for what becomes of a handler; the client waits for longer


class WebSocketApp(App):
    def __init__(self, **options):
        super().__init__(**options)
        self._endings: dict[str, str] = {}

    # How a test learns what became of a handler.

    async def ending(self, key):
        deadline = time.monotonic() + PATIENCE
        while key not in self._endings:
            if time.monotonic() > deadline:
                raise HTTPError(504)
            await asyncio.sleep(0.005)
        return self._endings[key]

    async def release(self, key):
        self._endings[key] = "released"

    async def sign_up(self, name):
        self.session["name"] = name

    async def name(self):
        return self.session.get("name", "nobody")

    # Messages.

    async def ws_echo(self, ws):
        await ws.accept()
        async for message in ws:
            if isinstance(message, str):
                await ws.send_text(message)
            else:
                await ws.send_bytes(message)

    async def ws_double(self, ws):
        await ws.accept()
        while True:
            await ws.send_json({"double": 2 * (await ws.receive_json())["number"]})

    async def ws_count(self, ws, number: int):
        await ws.accept()
        for index in range(number):
            await ws.send_text(str(index))

    # The handshake.

    async def ws_last_subprotocol(self, ws):
        await ws.accept(ws.subprotocols[-1], {"X-Pie": "apple"})

    async def ws_forbidden(self, ws):
        raise HTTPError(403)

    async def ws_paid(self, ws):
        raise HTTPError(402)

    async def ws_sign_in(self, ws, name):
        self.session["name"] = name
        await ws.accept()
        await ws.receive_text()

    async def ws_rename(self, ws, name):
        await ws.accept()
        await ws.send_text(ws.session["name"])
        ws.session["name"] = name

    # Closing.

    async def ws_bye(self, ws):
        await ws.accept()
        await ws.close(4001, "bye")

    async def ws_fail(self, ws):
        await ws.accept()
        raise RuntimeError("a detail that is nobody's business")

    async def ws_text_only(self, ws):
        await ws.accept()
        await ws.receive_text()

    async def ws_json_only(self, ws):
        await ws.accept()
        await ws.receive_json()

    async def ws_patient(self, ws):
        await ws.accept()
        try:
            await ws.receive_text()
        except InvalidMessage as error:
            await ws.send_text(str(error))
        await ws.send_text(await ws.receive_text())

    async def ws_kicked(self, ws, key):
        await ws.accept()
        receiving = asyncio.create_task(ws.receive_text())
        await asyncio.sleep(0.01)
        await ws.close(4002, "kicked")
        try:
            await receiving
        except ConnectionClosed as error:
            self._endings[key] = f"ConnectionClosed {error.code}"

    async def ws_surrogate(self, ws):
        await ws.accept()
        await ws.send_text("\ud800")

    # Clients that leave.

    async def ws_waiting(self, ws, key):
        await ws.accept()
        await ws.send_text("ready")
        try:
            while True:
                await ws.receive_text()
        except ConnectionClosed as error:
            self._endings[key] = f"{error.code} {error.reason}".strip()
            raise

    async def ws_iterating(self, ws, key):
        await ws.accept()
        await ws.send_text("ready")
        async for _ in ws:
            pass
        self._endings[key] = f"closed: {ws.closed}"

    async def ws_ticking(self, ws, key):
        await ws.accept()
        try:
            while True:
                await ws.send_text("tick")
                await asyncio.sleep(0.005)
        except ConnectionClosed as error:
            self._endings[key] = str(error.code)
            raise

    async def ws_silent(self, ws, key):
        """Send once, then only now and then."""
        await ws.accept()
        await ws.send_text("ready")
        try:
            while True:
                await asyncio.sleep(0.2)
                await ws.send_text("still here")
        except ConnectionClosed as error:
            self._endings[key] = str(error.code)
            raise

    async def ws_sending(self, ws, how, key):
        await ws.accept()
        value = b"tick" if how == "bytes" else "tick"
        try:
            while True:
                await getattr(ws, f"send_{how}")(value)
                await asyncio.sleep(0.005)
        except ConnectionClosed as error:
            self._endings[key] = f"{error.code} {error.reason}".strip()

    async def ws_both(self, ws, key):
        """Read and send at the same time."""

        async def read():
            try:
                while True:
                    await ws.receive_text()
            except ConnectionClosed as error:
                return error.code

        await ws.accept()
        reading = asyncio.create_task(read())
        try:
            while True:
                await ws.send_text("tick")
                await asyncio.sleep(0.005)
        except ConnectionClosed as error:
            self._endings[key] = f"{error.code} {await reading}"

    async def ws_flood(self, ws, key):
        """Send more than buffers hold, while another task waits for messages."""
        await ws.accept()
        reading = asyncio.create_task(anext(aiter(ws), "over"))
        try:
            while True:
                await ws.send_bytes(bytes(2**20))
        except ConnectionClosed as error:
            self._endings[key] = f"{error.code} {await reading}"

    async def ws_late(self, ws, key):
        """Return long after the client has left, and without having noticed."""
        await ws.accept()
        await ws.send_text("ready")
        await self._released(key)
        self._endings[f"{key}-late"] = "returned"

    async def ws_slow(self, ws, key):
        """Accept long after the client has left."""
        self._endings[f"{key}-begun"] = "begun"
        await self._released(key)
        try:
            await ws.accept()
            await ws.send_text("ready")
            await ws.receive_text()
        finally:
            self._endings[f"{key}-slow"] = "over"

    async def _released(self, key):
        while key not in self._endings:  # noqa: ASYNC110 - set by an HTTP request
            await asyncio.sleep(0.005)


app = WebSocketApp()
impatient = WebSocketApp(websocket_send_timeout=0.5)
