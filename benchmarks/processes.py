"""Processes that run a contestant: workers for measuring in process, and ASGI servers."""

import contextlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.contestants import OLD
from benchmarks.table import ContestantError

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
START_TIMEOUT = 60.0  # seconds

# What MicroPie 0.32 gets beside it: the same servers and helpers that the others have.
OLD_PACKAGES = ["micropie[all]==0.32", "aiofiles", "granian", "httptools", "uvicorn", "uvloop"]
OLD_PACKAGES += ["websockets"]

SERVERS = {
    "uvicorn": "--loop uvloop --http httptools --no-access-log --log-level warning --factory",
    "granian": "--interface asgi --loop uvloop --no-access-log --log-level warning --factory",
}


@cache
def python_of(contestant: str) -> str:
    """Return the interpreter that has the contestant; make the one of MicroPie 0.32 if need be."""
    if contestant != OLD:
        return sys.executable
    folder = ROOT / f"benchmarks/.{OLD}-{sysconfig.get_python_version()}"
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        from uv import find_uv_bin

        uv = find_uv_bin()
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "-q", "-p", python, *OLD_PACKAGES], check=True)
        (folder / "ready").touch()
    return str(python)


def environment(contestant: str, **variables: str) -> dict[str, str]:
    """Return the environment for a contestant's process: `benchmarks` can be imported in it."""
    inherited = dict(os.environ)
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # an import is not to be a compilation
    if contestant == OLD:
        inherited.pop("PYTHONPATH", None)  # which may lead to the MicroPie of this checkout
    path = os.pathsep.join(filter(None, [str(ROOT), inherited.get("PYTHONPATH")]))
    return {**inherited, "PYTHONPATH": path, **variables}


class Worker:
    """A process of `benchmarks.worker`."""

    def __init__(self, contestant: str, job: str) -> None:
        self.contestant = contestant
        self._process = subprocess.Popen(
            [python_of(contestant), "-m", "benchmarks.worker", contestant, job],
            cwd=ROOT,
            env=environment(contestant),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, do: str, **arguments: Any) -> Any:
        """Have a method of `benchmarks.worker.Contestant` called, and return its result.

        Raises:
            SystemExit: the process died; it has said why.
        """
        assert self._process.stdin is not None  # noqa: S101 - both are pipes
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.contestant}: the process ended in {do} {arguments}")
        return json.loads(line)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def workers(contestants: list[str], job: str) -> Iterator[list[Worker]]:
    """Run a worker for each contestant."""
    running: list[Worker] = []
    try:
        for contestant in contestants:
            running.append(Worker(contestant, job))
        yield running
    finally:
        for worker in running:
            worker.stop()


class Server:
    """An ASGI server with an app, in a process group of its own.

    Args:
        contestant: whose app it is, and in reports the server's name unless there is another.
        app: the function that makes it, and what that takes.
        kind: "uvicorn" or "granian".
        count: worker processes.
        cores: the only ones that it may run on; None for all.
        name: what reports call it.
    """

    def __init__(
        self,
        contestant: str,
        app: tuple[Any, ...],
        kind: str,
        *,
        count: int = 1,
        cores: set[int] | None = None,
        name: str | None = None,
    ) -> None:
        self.contestant = name or contestant
        self.port = _free_port()
        options = f"-m {kind} benchmarks.serving:app --port {self.port} --workers {count}"
        self._process = subprocess.Popen(
            [python_of(contestant), *options.split(), *SERVERS[kind].split()],
            cwd=ROOT,
            env=environment(contestant, BENCHMARK_APP=json.dumps([contestant, *app])),
            preexec_fn=lambda: cores and os.sched_setaffinity(0, cores),
            start_new_session=True,
        )
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                self.connect().close()
                return
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{self.contestant}: the server did not start")

    def connect(self) -> socket.socket:
        """Return a new connection."""
        return socket.create_connection((HOST, self.port), timeout=60)

    def get(
        self, path: str, headers: dict[str, str] | None = None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Return status, headers and body of the answer to one request.

        Raises:
            ContestantError: there was none, or not all of it.
        """
        connection = http.client.HTTPConnection(HOST, self.port, timeout=60)
        with contextlib.closing(connection):
            try:
                connection.request("GET", path, headers=headers or {})
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, http.client.HTTPException) as error:
                raise ContestantError(f"gave no proper answer: {error!r}") from None
            raw = [(name.encode(), value.encode()) for name, value in answer.getheaders()]
            return answer.status, raw, body

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the server's processes have taken so far, in steps of the clock's ticks."""
        ticks = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # a process that has ended meanwhile
                fields = stat.read_text().rpartition(")")[2].split()  # proc(5), from field 3 on
                if int(fields[2]) == self._process.pid:  # its process group
                    ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self, field: str) -> int:
        """Return a line of /proc/PID/status, in bytes."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(text.split(f"{field}:")[1].split()[0]) * 1024

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def servers(
    contestants: list[str], app: tuple[Any, ...], kind: str, **options: Any
) -> Iterator[list[Server]]:
    """Run a server for each contestant; those that wait cost the one that is measured nothing."""
    with contextlib.ExitStack() as stack:
        running = []
        for contestant in contestants:
            running.append(Server(contestant, app, kind, **options))
            stack.callback(running[-1].stop)
        yield running


def pinned_cores() -> tuple[set[int], set[int]] | tuple[None, None]:
    """Return a core for the server and one for its client; None twice where there is only one."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return ({cores[-1]}, {cores[0]}) if len(cores) > 1 else (None, None)


def allow_many_connections() -> None:
    """Raise the limit of open files, for this process and those it starts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def find_wrk() -> str:
    """Return where wrk is.

    Raises:
        SystemExit: it is not installed; says how to get it.
    """
    path = shutil.which("wrk")
    if path is None:
        raise SystemExit("wrk is missing: apt install wrk, or leave the part 'socket' out")
    return path


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
