"""Real ASGI servers, each in a process of its own."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import pytest

HOST = "127.0.0.1"
START_TIMEOUT = 60.0  # seconds; a loaded machine takes several to import a server
STOP_TIMEOUT = 10.0
CLIENT_TIMEOUT = 60.0

_COMMANDS: dict[str, Callable[[str, int], list[str]]] = {
    "uvicorn": lambda app, port: ["--host", HOST, "--port", str(port), app],
    "hypercorn": lambda app, port: ["--bind", f"{HOST}:{port}", app],
    "daphne": lambda app, port: ["--bind", HOST, "--port", str(port), app],
    "granian": lambda app, port: ["--interface", "asgi", "--host", HOST, "--port", str(port), app],
}
SERVERS = tuple(_COMMANDS)

# Servers, and what uvicorn is told to speak WebSocket or HTTP with.
_LIBRARIES = (*SERVERS, "wsproto", "websockets", "httptools", "h11")


class Server:
    """A running server.

    Attributes:
        name: which of SERVERS it is.
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, name: str, port: int, process: subprocess.Popen, log_file: int) -> None:
        self.name = name
        self.port = port
        self._process = process
        self._log_file = log_file

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def log(self) -> str:
        """Return what the server and its app have written so far, stdout and stderr together."""
        size = os.fstat(self._log_file).st_size
        return os.pread(self._log_file, size, 0).decode(errors="replace")

    def connect(self, timeout: float = CLIENT_TIMEOUT) -> socket.socket:
        """Return a new connection, to speak HTTP on by hand."""
        return socket.create_connection((HOST, self.port), timeout)

    def http(self, timeout: float = CLIENT_TIMEOUT) -> closing[http.client.HTTPConnection]:
        """Return a new `http.client` connection as a context manager."""
        return closing(http.client.HTTPConnection(HOST, self.port, timeout=timeout))

    def request(self, method: str, target: str, **kwargs: object) -> "Answer":
        """Return the answer to one request, made on a connection of its own."""
        with self.http() as connection:
            connection.request(method, target, **kwargs)
            return Answer(connection.getresponse())

    def get(self, target: str) -> "Answer":
        """Return the answer to a GET."""
        return self.request("GET", target)

    def wait_until_ready(self) -> None:
        """Wait until the server takes connections.

        Raises:
            RuntimeError: it has ended instead, or never does.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self.connect().close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not start:\n{self.log()}")

    def kill(self) -> None:
        """Kill the server with all its workers by SIGKILL, as a crash would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def terminate(self) -> None:
        """Send SIGTERM, and wait until the server has ended.

        Raises:
            subprocess.TimeoutExpired: it does not.
        """
        self._process.terminate()
        self._process.wait(CLIENT_TIMEOUT)

    def stop(self) -> None:
        """End the server: by SIGTERM, and by SIGKILL what that does not end."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_TIMEOUT)
        # The server leads a process group. Granian may leave a worker behind that is stuck.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # A worker that SIGKILL has not ended yet still accepts connections, and would be taken for
        # the next server on this port.
        wait_until(lambda: not self._accepts())

    def _accepts(self) -> bool:
        try:
            self.connect().close()
        except OSError:
            return False
        return True


class Answer:
    """A response, read to its end."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode()


def need(*words: str) -> None:
    """Raise what an import would, if a word of a server's command is a library that is missing."""
    for word in words:
        if word in _LIBRARIES and find_spec(word) is None:
            raise ModuleNotFoundError(f"No module named {word!r}", name=word)


@contextmanager
def serve(
    name: str,
    app: str,
    folder: Path,
    *,
    options: tuple[str, ...] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
    port: int | None = None,
) -> Iterator[Server]:
    """Run *app* ("module:attribute", the module lying in *folder*) under the server *name*.

    The working directory is *folder* too. *options* are further command-line arguments,
    *environment* further variables, *port* is one that the caller has reserved.
    """
    need(name, *options)
    with reserved_port() if port is None else nullcontext(port) as port:
        command = [sys.executable, "-m", name, *_COMMANDS[name](app, port), *options]
        with running(name, command, port, folder, environment=environment) as server:
            yield server


@contextmanager
def running(
    name: str,
    command: list[str],
    port: int,
    folder: Path,
    *,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run the server *name* by a *command* that lets it listen on *port*, in *folder*."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    variables = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **environment}
    with tempfile.TemporaryFile() as log_file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        server = Server(name, port, process, log_file.fileno())
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()


def on_every_server(app: str, folder: Path) -> Callable[..., Iterator[Server]]:
    """Return a fixture that runs the tests of a module once on each server.

    Assign it to a name in that module: `server = on_every_server("app:app", folder)`.
    """

    @pytest.fixture(scope="module", params=SERVERS)
    def server(request: pytest.FixtureRequest) -> Iterator[Server]:
        with serve(request.param, app, folder) as running:
            yield running

    return server


def wait_until(condition: Callable[[], object]) -> None:
    """Wait for what comes true in a server, and shows elsewhere: in its log, or a folder."""
    deadline = time.monotonic() + CLIENT_TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.005)


@contextmanager
def reserved_port() -> Iterator[int]:
    """Find a free port and keep it from everyone else but a server that is told of it.

    Linux lets a second socket with SO_REUSEADDR, which all four servers set, bind a port as long
    as none listens there, while it gives such a port to nobody who asks for any. Elsewhere the
    port is just free at this moment.
    """
    with socket.socket() as reservation:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reservation.bind((HOST, 0))
        port: int = reservation.getsockname()[1]
        if sys.platform != "linux":
            reservation.close()
        yield port
