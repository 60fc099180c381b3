"""Requests written byte by byte, to servers that run."""

from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse

from support.servers import Server


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
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: pie", b"Connection: close"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in headers]
    with server.connect() as connection:
        try:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            response = HTTPResponse(connection, method=method)
            response.begin()
        except (ConnectionError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            return None  # http.client's RemoteDisconnected is one as well
        return RawAnswer(response.status, response.headers, response.read())
