"""Echoes: WebSocket messages a second, under uvicorn.

The client is a bare socket with prepared frames, many under way at a time: it must not be what is
measured.
"""

import os
import socket
import time
from collections.abc import Iterator
from functools import partial

from benchmarks.contestants import able
from benchmarks.options import Options
from benchmarks.processes import HOST, Server, pinned_cores, servers
from benchmarks.table import ContestantError, Measurement, Table

TEXT = b"a message of thirty-two letters."
# RFC 6455, 5.2: final text frame, masked by a client, with a mask of zeros that changes nothing.
FRAME = bytes([0x81, 0x80 | len(TEXT), 0, 0, 0, 0]) + TEXT
REPLY = bytes([0x81, len(TEXT)]) + TEXT
AT_ONCE = 64
SECONDS = 2.0


def tables(options: Options) -> Iterator[Table]:
    """Measure the echo of each contestant."""
    if not options.chosen(["websocket"]):
        return
    table = Table("websocket", "WebSocket echo", "messages/s", more_is_better=True)
    contestants, table.left_out = able(options.contestants, "websocket")
    core, other_core = pinned_cores()
    if other_core is not None:
        os.sched_setaffinity(0, other_core)
    seconds = SECONDS / 4 if options.is_quick else SECONDS
    try:
        with servers(contestants, ("websocket",), "uvicorn", cores=core) as running:
            table.fill(running, options.rounds, partial(_echo, seconds=seconds))
    finally:
        if core is not None and other_core is not None:
            os.sched_setaffinity(0, core | other_core)
    yield table


def _echo(server: Server, seconds: float) -> Measurement:
    """Return messages a second, and the CPU time in µs that the server took for one."""
    with server.connect() as connection:
        _shake_hands(connection, server.port)
        count = 0
        begin, cpu = time.perf_counter(), server.cpu_seconds
        while (spent := time.perf_counter() - begin) < seconds:
            connection.sendall(FRAME * AT_ONCE)
            replies = _receive(connection, AT_ONCE * len(REPLY))
            if replies != REPLY * AT_ONCE:
                raise ContestantError(f"echoed {replies[:80]!r}")
            count += AT_ONCE
        return count / spent, {"µs of CPU": (server.cpu_seconds - cpu) / count * 1e6}


def _shake_hands(connection: socket.socket, port: int) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = [
        f"GET /echo HTTP/1.1\r\nHost: {HOST}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
    ]
    lines += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
    connection.sendall("\r\n".join([*lines, "\r\n"]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte, so that no frame is taken with it
        head += _receive(connection, 1)
    if b" 101 " not in head:
        raise ContestantError(f"the handshake was answered with {head!r}")


def _receive(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = connection.recv(length - len(data))
        if not chunk:
            raise ContestantError(f"the connection was closed after {data[-80:]!r}")
        data += chunk
    return data
