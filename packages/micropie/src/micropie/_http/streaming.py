"""Streamed responses: chunk by chunk, and no longer than the client stays."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from time import perf_counter

from micropie._errors import ClientDisconnected, cancelled_within
from micropie.types import Message, Send


class BodyStream:
    """Pumps the chunks of an async generator to the client.

    The generator runs in one task of its own from its first line to its last, so that timeouts
    and task groups inside it work, and can be stopped while it waits.
    """

    def __init__(self, chunks: AsyncGenerator[str | bytes, None]) -> None:
        self._chunks = chunks
        self._has_ended = False
        self._is_closing = False
        self._send: asyncio.Future[Send] = asyncio.get_running_loop().create_future()
        self._pump = asyncio.create_task(self._pump_chunks())

    async def begin(self) -> None:
        """Run the generator to its first yield or its first wait, before anything is sent.

        What it raises until then raises here, and what it did (to the session, say) can still
        be part of the response's head.
        """
        await asyncio.sleep(0)
        if self._has_ended:
            await asyncio.wait({self._pump})  # a sync generator is closed in a thread
            self._pump.result()

    @property
    def is_handed_over(self) -> bool:
        """Whether a hook iterates over the chunks, which therefore can't be sent any more."""
        return self._send.done()

    async def handed_over(self) -> AsyncGenerator[bytes, None]:
        """Yield the chunks to a hook, which makes another stream of them; `send` is out then."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def put(message: Message) -> None:
            queue.put_nowait(message["body"])
            await queue.join()  # back-pressure: no faster than the hook iterates

        self._send.set_result(put)
        self._pump.add_done_callback(lambda _: queue.put_nowait(None))
        while (chunk := await queue.get()) is not None:
            yield chunk
            queue.task_done()
        self._pump.result()

    async def send(self, start: Message, send: Send, gone: Callable[[], Awaitable[None]]) -> None:
        """Send *start* and every chunk; return early when the client has left.

        Args:
            start: the first message.
            send: the ASGI channel; its OSError says that the client has left (ASGI 2.4).
            gone: waits until the client has left.

        Raises:
            Exception: what the generator raised; the last chunk is then never sent.
        """
        watch = asyncio.ensure_future(gone())
        try:
            await _send_on(send, start)
            self._send.set_result(send)
            await asyncio.wait({self._pump, watch}, return_when=asyncio.FIRST_COMPLETED)
            if self._pump.done() and not self._pump.cancelled():
                self._pump.result()
                end = {"type": "http.response.body", "body": b"", "more_body": False}
                await _send_on(send, end)
            else:
                await self.close()
                if not self._pump.cancelled():
                    self._pump.result()  # raises what went wrong in its `finally` blocks
        except ClientDisconnected:
            pass
        finally:
            watch.cancel()
            await self.close()

    async def close(self) -> None:
        """Stop the generator where it waits and run its `finally` blocks."""
        self._is_closing = True
        self._pump.cancel()
        await asyncio.wait({self._pump})
        if not self._pump.cancelled():
            self._pump.exception()  # fetched here; send() has raised it where it matters

    async def _pump_chunks(self) -> None:
        try:
            first = _chunk_bytes(await anext(self._chunks, b""))
            send = await self._send
            if first:
                await _send_on(send, _chunk_message(first))
            turn_ends = perf_counter() + _TURN
            async for chunk in self._chunks:
                if self._is_closing:
                    return  # the generator has caught its cancellation, and gone on
                data = chunk if type(chunk) is bytes else _chunk_bytes(chunk)
                if data:
                    try:  # as _send_on, without a coroutine more for each chunk
                        await send(_chunk_message(data))
                    except OSError:
                        raise ClientDisconnected from None
                if perf_counter() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = perf_counter() + _TURN
        except asyncio.CancelledError as error:
            raise cancelled_within(error) from error
        finally:
            self._has_ended = True
            # In the task and context of all the rest of it.
            await self._chunks.aclose()


# Neither a generator nor a server's send() needs to wait for anything, and while nobody waits no
# other client is served and nobody hears that this one has left. In seconds.
_TURN = 0.0002


async def _send_on(send: Send, message: Message) -> None:
    try:
        await send(message)
    except OSError:
        raise ClientDisconnected from None


def _chunk_bytes(chunk: object) -> bytes:
    if isinstance(chunk, str):
        return chunk.encode("utf-8", "replace")
    if isinstance(chunk, bytes):
        return chunk
    raise TypeError(f"a stream's chunk must be str or bytes, not {type(chunk).__name__}")


def _chunk_message(data: bytes) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": True}
