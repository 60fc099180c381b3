"""An address that moves from one server to another, as that of a managed database does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from support.servers import HOST


class MovingAddress:
    """Leads new connections to `target`; those that are open stay where they are.

    Attributes:
        port: where it is, on 127.0.0.1.
        target: the port of the server behind it.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._open: set[asyncio.StreamWriter] = set()

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry the bytes of one connection both ways until a side closes it."""
        there_reader, there_writer = await asyncio.open_connection(HOST, self.target)
        ends = {writer, there_writer}
        self._open |= ends
        await asyncio.gather(_pump(reader, there_writer), _pump(there_reader, writer))
        self._open -= ends

    async def close(self) -> None:
        """Close the connections that are open, and wait for their end."""
        while self._open:
            for writer in self._open:
                writer.close()
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def moving_address(target: int) -> AsyncIterator[MovingAddress]:
    """Open an address that leads to the port *target* at first."""
    address = MovingAddress(target)
    server = await asyncio.start_server(address.lead, HOST, 0)
    address.port = server.sockets[0].getsockname()[1]
    try:
        yield address
    finally:
        server.close()
        await address.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(2**16):
            sink.write(data)
            await sink.drain()
    sink.close()
