"""Uploads of a large file over uvicorn, MicroPie against Starlette: speed and memory.

    python benchmarks/upload.py [MIB] [--rounds N] [--folder PATH]

Needs micropie[multipart], starlette, python-multipart, uvicorn. Each server is a process of its own
and saves every file in a folder; this process is the client. The rounds are interleaved, because
the speed of a disk changes with what was written before. "growth" is the highest resident memory
of the server beyond what it had when it was ready.
"""

import argparse
import contextlib
import hashlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MIB = 1024**2
BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEAD = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
TAIL = b"\r\n--" + BOUNDARY + b"--\r\n"
OPTIONS = ["--app-dir", str(Path(__file__).parent), "--log-level", "warning", "--lifespan", "off"]
FOLDER = Path(os.environ.get("UPLOAD_FOLDER", "."))


def micropie_app() -> Any:
    """Save an upload with MicroPie."""
    from micropie import App, UploadFile

    class Uploads(App):
        async def index(self, file: UploadFile) -> str:
            return str(await file.save(FOLDER))

    return Uploads(max_body_size=None)


micropie = micropie_app()


async def starlette(scope: Any, receive: Any, send: Any) -> None:
    """Save an upload as Starlette's users do, copying in a thread."""
    import shutil

    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    path = FOLDER / f"{time.time_ns()}.bin"

    def copy(source: Any) -> None:
        with path.open("xb") as target:
            shutil.copyfileobj(source, target, MIB)

    async with Request(scope, receive).form() as form:
        await run_in_threadpool(copy, form["file"].file)
    await PlainTextResponse(str(path))(scope, receive, send)


async def starlette_unsaved(scope: Any, receive: Any, send: Any) -> None:
    """Receive an upload with Starlette and leave it where it is."""
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse

    async with Request(scope, receive).form() as form:
        size = form["file"].size
    await PlainTextResponse(str(size))(scope, receive, send)


class Server:
    """uvicorn with one of the apps above, in a process of its own."""

    def __init__(self, name: str, folder: str) -> None:
        self.name = name
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, *f"-m uvicorn upload:{name} --port {self.port}".split(), *OPTIONS],
            env={**os.environ, "UPLOAD_FOLDER": folder},
        )
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            time.sleep(0.05)
        self.upload(BLOCK, 1)  # imports everything
        self.ready = self.memory("VmRSS")

    def memory(self, field: str) -> int:
        """Return a line of /proc/PID/status, in bytes."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.split(f"{field}:")[1].split()[0]) * 1024

    def upload(self, block: bytes, count: int) -> tuple[float, str]:
        """Send *count* blocks as one file; return the seconds it took and the answer."""
        length = len(HEAD) + len(block) * count + len(TAIL)
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        start = time.perf_counter()
        client.putrequest("POST", "/")
        client.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY.decode()}")
        client.putheader("Content-Length", str(length))
        client.endheaders(HEAD)
        for _ in range(count):
            client.send(block)
        client.send(TAIL)
        response = client.getresponse()
        answer = response.read().decode()
        seconds = time.perf_counter() - start
        client.close()
        if response.status != 200:
            raise SystemExit(f"{self.name}: {response.status} {answer}")
        return seconds, answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(folder: str) -> Iterator[list[Server]]:
    servers: list[Server] = []
    try:
        for name in ("micropie", "starlette", "starlette_unsaved"):
            servers.append(Server(name, folder))
        yield servers
    finally:
        for server in servers:
            server.process.terminate()
            server.process.wait()


# Every byte value at random offsets, so the search for the boundary has something to look at.
BLOCK = os.urandom(MIB)


def main() -> None:
    parser = argparse.ArgumentParser(description="upload speed and memory, against Starlette")
    parser.add_argument("mib", type=int, nargs="?", default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where the servers save and spool; default: a new one")
    options = parser.parse_args()
    digest = hashlib.sha256()
    for _ in range(options.mib):
        digest.update(BLOCK)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["TMPDIR"] = folder
        with running(folder) as servers:
            measure(servers, options.mib, options.rounds, digest.hexdigest())


def measure(servers: list[Server], mib: int, rounds: int, digest: str) -> None:
    speeds: dict[str, list[float]] = {server.name: [] for server in servers}
    for first in range(rounds):
        # Rotated: whoever follows a server that wrote twice as much has the slower disk.
        turn = first % len(servers)
        for server in servers[turn:] + servers[:turn]:
            os.sync()  # what the one before wrote must not slow down this one
            seconds, answer = server.upload(BLOCK, mib)
            speeds[server.name].append(mib * MIB / seconds / 1e6)
            if not answer.isdecimal():
                with open(answer, "rb") as saved:
                    if hashlib.file_digest(saved, "sha256").hexdigest() != digest:
                        raise SystemExit(f"{server.name}: the saved file is not what was sent")
                os.unlink(answer)
    reference = statistics.median(speeds["starlette"])
    for server in servers:
        speed = statistics.median(speeds[server.name])
        growth = (server.memory("VmHWM") - server.ready) / MIB
        each = " ".join(f"{speed:.0f}" for speed in speeds[server.name])
        print(
            f"{server.name:18} {speed:6.0f} MB/s ({each}) {speed / reference:5.2f} x starlette"
            f"  growth {growth:5.1f} MiB"
        )


if __name__ == "__main__":
    main()
