"""Real Redis servers, alone, in a cluster or watched by a Sentinel, each in a folder of its own."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from support import processes
from support.programs import program
from support.servers import HOST, reserved_port

START_TIMEOUT = 60.0  # seconds; a loaded machine may take several
CLIENT_TIMEOUT = 30.0

# Milliseconds without an answer after which a node counts as dead.
FAILURE_TIMEOUT = 500


class RedisServer:
    """A redis-server, which can be killed, paused and started again.

    Args:
        folder: its data and its log.
        port: where it listens, on 127.0.0.1.
        arguments: those of its command line that are not about folder and port.
    """

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.port = port
        self.url = f"redis://{HOST}:{port}/0"
        self.unix_socket = folder / "socket"
        self._log = folder / "log"
        self._command = [
            *(program("redis-server"), *arguments),
            *("--bind", HOST, "--port", str(port), "--unixsocket", str(self.unix_socket)),
            *("--dir", str(folder), "--logfile", str(self._log)),
        ]
        folder.mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start it, for the first time or after it was stopped or killed, and wait for it."""
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.command("PING")
                return
            except redis.ConnectionError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"redis-server failed:\n{self._log.read_text()}") from None
                time.sleep(0.01)

    def stop(self) -> None:
        """End it, by SIGKILL: it may be paused, and what it would write to disk nobody needs."""
        self._process.kill()
        self._process.wait()

    def kill(self) -> None:
        """Kill it, as a crash would."""
        self.stop()

    def pause(self) -> None:
        """Stop it with SIGSTOP: connections stay, and nobody answers."""
        processes.pause(self._process.pid)

    def resume(self) -> None:
        """Let it go on."""
        processes.resume(self._process.pid)

    def command(self, *args: Any) -> Any:
        """Return the answer to one command, sent on a connection of its own."""
        options = {"protocol": 2, "socket_timeout": CLIENT_TIMEOUT}
        with redis.Redis(HOST, self.port, **options) as client:
            return client.execute_command(*args)

    def wait_for_replica(self) -> None:
        """Wait until this master has a replica, with all that was written so far."""
        _wait(lambda: _is_in_sync(self))
        written = self.command("ROLE")[1]
        _wait(lambda: int(self.command("ROLE")[2][0][2]) >= written)

    def connect(self) -> socket.socket:
        """Return a new connection that is served: one more of its clients."""
        connection = socket.create_connection((HOST, self.port), timeout=CLIENT_TIMEOUT)
        connection.sendall(b"PING\r\n")
        assert connection.recv(7) == b"+PONG\r\n"
        return connection

    def dump(self) -> bytes:
        """Return all keys, fields and values."""
        lines = []
        for key in self.command("KEYS", "*"):
            lines.append(key)
            if self.command("TYPE", key) == b"hash":
                for name, value in self.command("HGETALL", key).items():
                    lines += name, value
        return b"\n".join(lines)

    @contextmanager
    def monitor(self) -> Iterator[list[str]]:
        """Note the commands that clients send, each one round trip, but for those of connecting.

        The list is filled when the block ends.
        """
        commands: list[str] = []
        with socket.create_connection((HOST, self.port), timeout=CLIENT_TIMEOUT) as watching:
            lines = watching.makefile()
            watching.sendall(b"MONITOR\r\n")
            assert lines.readline() == "+OK\n"
            yield commands
            self.command("ECHO", "the end")
            for line in lines:
                source, _, command = line.partition("] ")
                if command.startswith('"ECHO" "the end"'):
                    break
                # What a script calls is no round trip.
                if not source.endswith(" lua") and not command.startswith('"CLIENT"'):
                    commands.append(command.split()[0].strip('"'))


class Cluster:
    """Three masters, each with a replica."""

    def __init__(self, nodes: list[RedisServer]) -> None:
        self.nodes = nodes

    @property
    def startup_nodes(self) -> list[tuple[str, int]]:
        return [(HOST, node.port) for node in self.nodes]

    def master_of(self, key: str) -> RedisServer:
        """Return the node that serves *key*, by what the others know."""
        node = self.nodes[-1]
        slot = node.command("CLUSTER", "KEYSLOT", key)
        for first, last, master, *_ in node.command("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        raise AssertionError("a slot without a master")

    def dump(self) -> bytes:
        """Return what the masters hold; their replicas hold the same."""
        masters = [node for node in self.nodes if node.command("ROLE")[0] == b"master"]
        return b"\n".join(node.dump() for node in masters)


@dataclass
class Watched:
    """A master and its replica, and the Sentinel that watches them."""

    master: RedisServer
    replica: RedisServer
    sentinel: RedisServer


@contextmanager
def redis_server(folder: Path, *arguments: str) -> Iterator[RedisServer]:
    """Run a server that keeps everything in memory, unless *arguments* say otherwise."""
    usual = ("--save", "", "--repl-diskless-sync-delay", "0")  # a replica would wait for 5 s
    with reserved_port() as port:
        server = RedisServer(folder, port, *usual, *arguments)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[Cluster]:
    """Run a cluster of three masters with a replica each."""
    with ExitStack() as stack:
        nodes = []
        for number in range(6):
            arguments = (
                *("--cluster-enabled", "yes", "--cluster-node-timeout", str(FAILURE_TIMEOUT)),
                # The default is the port and 10,000: not free for certain, if a port at all.
                *("--cluster-port", str(stack.enter_context(reserved_port()))),
                *("--cluster-replica-validity-factor", "0"),
                # Masters that live go on while another is dead.
                *("--cluster-require-full-coverage", "no"),
            )
            nodes.append(stack.enter_context(redis_server(folder / str(number), *arguments)))
        addresses = [f"{HOST}:{node.port}" for node in nodes]
        subprocess.run(
            [
                *(program("redis-cli"), "--cluster", "create", *addresses),
                *("--cluster-replicas", "1", "--cluster-yes"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=START_TIMEOUT,
        )
        for node in nodes:
            _wait(lambda node=node: b"cluster_state:ok" in node.command("CLUSTER", "INFO"))
            _wait(lambda node=node: _is_in_sync(node))
        yield Cluster(nodes)


@contextmanager
def redis_sentinel(folder: Path) -> Iterator[Watched]:
    """Run a master "mymaster" and its replica, watched by a Sentinel that decides alone."""
    with ExitStack() as stack:
        master = stack.enter_context(redis_server(folder / "master"))
        replica_of = ("--replicaof", f"{HOST} {master.port}")
        replica = stack.enter_context(redis_server(folder / "replica", *replica_of))
        # A Sentinel that comes later looks for replicas every 10 s.
        _wait(lambda: _is_in_sync(replica) and _is_in_sync(master))
        configuration = folder / "sentinel.conf"
        configuration.write_text(
            f"sentinel monitor mymaster {HOST} {master.port} 1\n"
            f"sentinel down-after-milliseconds mymaster {FAILURE_TIMEOUT}\n"
        )
        arguments = (str(configuration), "--sentinel")
        port = stack.enter_context(reserved_port())
        sentinel = RedisServer(folder / "sentinel", port, *arguments)
        stack.callback(sentinel.stop)
        _wait(lambda: len(sentinel.command("SENTINEL", "REPLICAS", "mymaster")) == 1)
        yield Watched(master, replica, sentinel)


def _is_in_sync(node: RedisServer) -> bool:
    """Tell whether a master has its replica, or a replica its master's data."""
    role, *details = node.command("ROLE")
    if role == b"master":
        return len(details[1]) == 1
    return bool(details[2] == b"connected")


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "Redis did not get ready"
        time.sleep(0.02)
