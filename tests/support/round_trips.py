"""Counting round trips on the wire, whatever the protocol is."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from support.servers import HOST

_CHUNK = 65536  # bytes


class Relay:
    """Stands between clients and a server.

    Attributes:
        port: where clients connect instead, on 127.0.0.1.
        round_trips: how often a client has sent something, at first or after an answer.
    """

    def __init__(self, listening: socket.socket, server_port: int) -> None:
        self.port: int = listening.getsockname()[1]
        self.round_trips = 0
        self._listening = listening
        self._server_port = server_port

    def run(self) -> None:
        """Relay connections until the socket that listens is shut down."""
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection((HOST, self._server_port))
                threading.Thread(target=_Conversation(self, client, server).run).start()


class _Conversation:
    """One connection; each way has a thread."""

    def __init__(self, relay: Relay, client: socket.socket, server: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._server = server
        self._answered = True

    def run(self) -> None:
        answering = threading.Thread(target=self._answer)
        answering.start()
        with suppress(OSError):
            while data := self._client.recv(_CHUNK):
                self._relay.round_trips += self._answered
                self._answered = False
                self._server.sendall(data)
        for end in (self._server, self._client):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        answering.join()
        self._server.close()
        self._client.close()

    def _answer(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(_CHUNK):
                self._answered = True
                self._client.sendall(data)
            self._client.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(server_port: int) -> Iterator[Relay]:
    """Relay to *server_port* of 127.0.0.1."""
    with socket.create_server((HOST, 0)) as listening:
        running = Relay(listening, server_port)
        thread = threading.Thread(target=running.run)
        thread.start()
        try:
            yield running
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
