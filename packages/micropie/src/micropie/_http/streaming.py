"""Streamed responses: chunk by chunk, and no longer than the client stays."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from contextvars import copy_context
from time import perf_counter

from micropie._errors import ClientDisconnected, ExplainedError, cancelled_within, logger
from micropie._threads import apply_changes
from micropie._workers import ThreadedGenerator
from micropie.types import Message, Send

# What gives the chunks; of both kinds only `anext` and `aclose` are used.
Chunks = AsyncGenerator[str | bytes, None] | ThreadedGenerator[str | bytes]


class BodyStream:
    """Pumps the chunks of a generator to the client.

    Theory of operation. The generator runs in one task, `_pump`, from its first line to its last,
    so that timeouts and task groups inside it work, and can be stopped while it waits. Two futures
    join the task to its exchange. The pump sets `_has_begun` when the first chunk is there, or the
    generator has ended without one; `begin` waits for that. Then the pump waits for `_send`: the
    channel of the client, which `send` sets, or a queue, which `handed_over` sets for a hook that
    makes another stream of the chunks. It ends with the generator, or when `close` cancels it; both
    close the generator, in that task. A client that leaves is noticed by `_watch`, or by a send
    that fails, and closes the stream early.

    Args:
        chunks: the generator.
        until_disconnect: waits until the client has left.
        ends_anywhere: whether the body is whole after any chunk, as that of an event stream is.
    """

    _watch: asyncio.Future[None] | None = None  # for the client to leave
    _is_stopped = False
    _has_given_up = False  # on a generator that did not end, such as one that blocks its thread

    def __init__(
        self,
        chunks: Chunks,
        until_disconnect: Callable[[], Awaitable[None]],
        *,
        ends_anywhere: bool = False,
    ) -> None:
        self._chunks = chunks
        self._until_disconnect = until_disconnect
        self._ends_anywhere = ends_anywhere
        self._is_closing = False
        loop = asyncio.get_running_loop()
        self._has_begun: asyncio.Future[None] = loop.create_future()
        self._send: asyncio.Future[Send] = loop.create_future()
        self._before = copy_context()
        self._context = self._before.copy()
        self._pump = asyncio.create_task(self._pump_chunks(), context=self._context)

    async def begin(self) -> None:
        """Run the generator to its first chunk, before anything is sent.

        What it raises until then raises here, and what it did (to the session or to context
        variables, say) can still be part of the response's head.

        Raises:
            ClientDisconnected: the client left before the first chunk; the generator is closed.
            HTTPError: 503, the server stops before that; it is closed, too.
        """
        await asyncio.sleep(0)  # for most generators this is enough
        if not self._has_begun.done():
            await asyncio.wait({self._has_begun, self._disconnect()}, return_when=FIRST_COMPLETED)
            if not self._has_begun.done():
                await self._close_loudly()
                if self._is_stopped:
                    raise ExplainedError(503, "the server is stopping")
                raise ClientDisconnected
        apply_changes(self._context, self._before)
        if self._pump.done():
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

    async def send(self, start: Message, send: Send) -> bool:
        """Send *start* and every chunk; return early when the client has left, or after `stop`.

        Args:
            start: the first message.
            send: the ASGI channel; its OSError says that the client has left (ASGI 2.4).

        Returns:
            whether the body is whole.

        Raises:
            Exception: what the generator raised; the last chunk is then never sent.
        """
        disconnect = self._disconnect()
        try:
            await _send_on(send, start)
            self._send.set_result(send)
            await asyncio.wait({self._pump, disconnect}, return_when=FIRST_COMPLETED)
            if self._has_ended():
                self._pump.result()
                await _send_on(send, _chunk_message(b"", more=False))
                return True
            await self._close_loudly()
            if self._is_stopped and self._ends_anywhere:
                with suppress(TimeoutError):  # the client may take nothing
                    async with asyncio.timeout(_END_WAITS):
                        await _send_on(send, _chunk_message(b"", more=False))
                        return True
        except ClientDisconnected:
            pass
        finally:
            await self.close()
        return False

    def stop(self) -> None:
        """End because the server wants to stop: at once, or soon if that breaks the body off."""
        self._is_stopped = True
        wait = 0 if self._ends_anywhere else _BREAK_OFF_AFTER
        asyncio.get_running_loop().call_later(wait, self._disconnect().cancel)

    async def close(self) -> BaseException | None:
        """Stop the generator where it waits and run its `finally` blocks; return what these raise.

        What was raised before is not returned: `begin` or `send` raised it.
        """
        if self._watch is not None:
            self._watch.cancel()
        self._is_closing = True
        self._send.cancel()
        if self._pump.done() or self._has_given_up:
            return None
        self._pump.cancel()
        while not (await asyncio.wait({self._pump}, timeout=_END_WAITS))[0]:
            if self._is_stopped:
                self._has_given_up = True
                logger.warning("the server stops, and the generator of a stream does not end")
                return None
        return self._pump.exception() if self._has_ended() else None

    async def _close_loudly(self) -> None:
        """Close, and raise what went wrong in the `finally` blocks."""
        await self.close()
        if self._has_ended():
            self._pump.result()

    def _has_ended(self) -> bool:
        """Tell whether the generator ended, rather than its task."""
        return self._pump.done() and not self._pump.cancelled()

    def _disconnect(self) -> asyncio.Future[None]:
        """Return what is done when the client has left."""
        if self._watch is None:
            self._watch = asyncio.ensure_future(self._until_disconnect())
        return self._watch

    async def _pump_chunks(self) -> None:
        try:
            first = _chunk_bytes(await anext(self._chunks, b""))
            self._has_begun.set_result(None)
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
                        await send({"type": "http.response.body", "body": data, "more_body": True})
                    except OSError:
                        raise ClientDisconnected from None
                if perf_counter() > turn_ends:
                    await asyncio.sleep(0)
                    turn_ends = perf_counter() + _TURN
        except asyncio.CancelledError as error:
            raise cancelled_within(error) from error
        finally:
            # In the task and context of all the rest of it.
            await self._chunks.aclose()
            if not self._has_begun.done():
                self._has_begun.set_result(None)


# Seconds in which a body may still come to its end when the server wants to stop: most that are
# short do, and one that is endless holds up nobody.
_BREAK_OFF_AFTER = 0.5
# Seconds for a generator to run its `finally` blocks then, and for the client to take the end.
_END_WAITS = 1.0

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


def _chunk_message(data: bytes, *, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": more}
