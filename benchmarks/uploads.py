"""Uploads: a large file by multipart, saved to disk by the app, under uvicorn."""

import hashlib
import http.client
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contestants import able
from benchmarks.options import Options
from benchmarks.processes import HOST, Server, pinned_cores, servers
from benchmarks.table import ContestantError, Measurement, Table

MIB = 1024**2
BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
HEAD = (
    b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
TAIL = b"\r\n--" + BOUNDARY + b"--\r\n"

# Every byte value at random offsets, so the search for the boundary has something to look at.
BLOCK = os.urandom(MIB)


def tables(options: Options) -> Iterator[Table]:
    """Upload to each contestant in turn."""
    if not options.chosen(["upload"]):
        return
    blocks = 10 if options.is_quick else 100
    digest = hashlib.sha256(BLOCK * blocks).hexdigest()
    table = Table("upload", f"upload of {blocks} MiB", "MB/s", more_is_better=True)
    contestants, table.left_out = able(options.contestants, "upload")
    core, _ = pinned_cores()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BENCHMARK_FOLDER"] = os.environ["TMPDIR"] = folder
        with servers(contestants, ("upload",), "uvicorn", cores=core) as running:
            ready = {}

            def measure(server: Server) -> Measurement:
                if server not in ready:
                    _upload(server, 1)[1].unlink()  # imports everything
                    ready[server] = server.memory("VmRSS")
                os.sync()  # what the one before wrote must not slow down this one
                before = server.cpu_seconds
                seconds, path = _upload(server, blocks)
                spent = server.cpu_seconds - before
                _check(path, digest)
                growth = (server.memory("VmHWM") - ready[server]) / MIB
                columns = {"ms of CPU": spent * 1000, "growth MiB": growth}
                return blocks * MIB / seconds / 1e6, columns

            table.fill(running, options.rounds, measure)
    yield table


def _upload(server: Server, blocks: int) -> tuple[float, Path]:
    """Send one file of so many blocks; return the seconds it took and where it was saved."""
    client = http.client.HTTPConnection(HOST, server.port)
    start = time.perf_counter()
    client.putrequest("POST", "/")
    client.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY.decode()}")
    client.putheader("Content-Length", str(len(HEAD) + blocks * len(BLOCK) + len(TAIL)))
    client.endheaders(HEAD)
    for _ in range(blocks):
        client.send(BLOCK)
    client.send(TAIL)
    response = client.getresponse()
    answer = response.read().decode()
    seconds = time.perf_counter() - start
    client.close()
    if response.status != 200:
        raise ContestantError(f"{response.status} {answer}")
    return seconds, Path(answer)


def _check(path: Path, digest: str) -> None:
    with path.open("rb") as saved:
        if hashlib.file_digest(saved, "sha256").hexdigest() != digest:
            raise ContestantError("the saved file is not what was sent")
    path.unlink()
