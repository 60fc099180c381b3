"""Streamed responses: chunk by chunk, and no longer than the client stays."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from micropie.types import Message, Send


class BodyStream:
    """Pumps the chunks of an async generator to the client.

    The generator runs in one task of its own from its first line to its last, so that timeouts
    and task groups inside it work, and can be stopped while it waits.
    """

    def __init__(self, chunks: AsyncGenerator[str | bytes, None]) -> None:
        self._chunks = chunks
        self._send: asyncio.Future[Send] = asyncio.get_running_loop().create_future()
        self._pump = asyncio.create_task(self._pump_chunks())

    async def begin(self) -> None:
        """Run the generator to its first yield or its first wait, before anything is sent.

        What it raises until then raises here, and what it did (to the session, say) can still
        be part of the response's head.
        """
        await asyncio.sleep(0)
        if self._pump.done():
            self._pump.result()

    async def send(self, start: Message, send: Send, gone: Callable[[], Awaitable[None]]) -> None:
        """Send *start* and every chunk; return early when `gone()` says the client has left.

        Raises:
            Exception: what the generator raised; the last chunk is then never sent.
        """
        watch = asyncio.ensure_future(gone())
        try:
            await send(start)
            self._send.set_result(send)
            await asyncio.wait({self._pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            if self._pump.done() and not self._pump.cancelled():
                self._pump.result()
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            watch.cancel()
            await self.close()

    async def close(self) -> None:
        """Stop the generator where it waits and run its `finally` blocks."""
        self._pump.cancel()
        await asyncio.wait({self._pump})
        if not self._pump.cancelled():
            self._pump.exception()  # fetched here; send() has raised it where it matters
        await self._chunks.aclose()

    async def _pump_chunks(self) -> None:
        first = await anext(self._chunks, None)
        send = await self._send
        if first is not None:
            await _send_chunk(send, first)
        count = 0
        async for chunk in self._chunks:
            await _send_chunk(send, chunk)
            count += 1
            if count % _CHUNKS_A_TURN == 0:
                await asyncio.sleep(0)


# Neither a generator nor a server's send() needs to wait for anything, and while nobody waits no
# other client is served and nobody hears that this one has left.
_CHUNKS_A_TURN = 32


async def _send_chunk(send: Send, chunk: str | bytes) -> None:
    if isinstance(chunk, str):
        chunk = chunk.encode("utf-8", "replace")
    elif not isinstance(chunk, bytes):
        raise TypeError(f"a stream's chunk must be str or bytes, not {type(chunk).__name__}")
    if chunk:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
