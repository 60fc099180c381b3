"""Requests written byte by byte, to servers that run."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse, RemoteDisconnected
from typing import Any

from support.servers import Server


def head(path: str | bytes, *lines: str | bytes, method: str = "POST") -> bytes:
    """Return the head of a request; *lines* are header lines."""
    path = path if isinstance(path, bytes) else path.encode()
    encoded = [line if isinstance(line, bytes) else line.encode() for line in lines]
    start = method.encode() + b" " + path + b" HTTP/1.1"
    return b"\r\n".join([start, b"Host: pie", *encoded, b"", b""])


def whole(
    path: str | bytes, body: bytes, content_type: str, *lines: str | bytes, method: str = "POST"
) -> bytes:
    """Return a request with its *body*, and the headers that this needs."""
    lines = (f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *lines)
    return head(path, *lines, method=method) + body


def chunk(data: bytes) -> bytes:
    """Return *data* as a body with `Transfer-Encoding: chunked` has it."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Reply:
    """The answer to a request sent by hand; status None if the connection just ended."""

    def __init__(self, connection: socket.socket) -> None:
        self.status, self.body, self.headers = None, b"", {}
        response = HTTPResponse(connection)
        try:
            response.begin()
            self.body = response.read()
        except (RemoteDisconnected, ConnectionResetError):
            return
        self.status, self.headers = response.status, response.headers

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def sent(server: Server, *data: bytes) -> Iterator[socket.socket]:
    """Return a connection on which *data* was sent, as far as the server took it."""
    with server.connect() as connection:
        try:
            for piece in data:
                connection.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before its end; the answer may still be read
        yield connection


def half_close(connection: socket.socket) -> None:
    """Say that nothing more will be sent; the server may have hung up already."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def talk(server: Server, *data: bytes) -> Reply:
    """Send *data* and return the first answer."""
    with sent(server, *data) as connection:
        return Reply(connection)


@dataclass
class RawAnswer:
    """A response, read to its end."""

    status: int
    headers: Message
    body: bytes


def ask(
    server: Server, target: bytes, *headers: tuple[str, str], method: str = "GET"
) -> RawAnswer | None:
    """Return the answer to a request for *target* just as it is given.

    None if the server closes the connection without one.
    """
    lines = [f"{name}: {value}".encode("latin-1") for name, value in headers]
    with server.connect() as connection:
        try:
            connection.sendall(head(target, "Connection: close", *lines, method=method))
            response = HTTPResponse(connection, method=method)
            response.begin()
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            return None  # http.client's RemoteDisconnected is one as well
        return RawAnswer(response.status, response.headers, response.read())
