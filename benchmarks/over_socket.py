"""Over a socket: requests a second and latency under real servers, as wrk finds them."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import able
from benchmarks.jobs import JOBS, Job
from benchmarks.options import Options
from benchmarks.processes import (
    HOST,
    Server,
    allow_many_connections,
    find_wrk,
    pinned_cores,
    servers,
)
from benchmarks.table import ContestantError, Measurement, Table

SECONDS = 2
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Setup:
    """A server and the load on it; a single worker is pinned to a core, and wrk to another."""

    server: str
    workers: int
    threads: int
    connections: int

    @property
    def name(self) -> str:
        several = f"-{self.workers}-workers" if self.workers > 1 else ""
        return f"{self.server}{several}-{self.connections}"

    @property
    def title(self) -> str:
        workers = "one pinned worker" if self.workers == 1 else f"{self.workers} workers"
        return f"{self.server}, {workers}, {self.connections} connections"


SETUPS = [Setup(server, 1, 1, load) for server in ("uvicorn", "granian") for load in (64, 1000)]
SETUPS.append(Setup("uvicorn", 4, 12, 1000))  # as MicroPie's documentation has always measured


@dataclass(frozen=True)
class Load:
    """What wrk does to a server: requests for a path, or what a script of its own makes."""

    threads: int
    connections: int
    cores: set[int] | None
    path: str
    script: Path | None = None

    def on(self, server: Server, seconds: int) -> Measurement:
        """Return requests a second, and latencies in ms.

        Raises:
            ContestantError: some answers were errors.
        """
        options = f"-t{self.threads} -c{self.connections} -d{seconds}s --latency".split()
        if self.script is not None:
            options += ["-s", str(self.script)]
        before = server.cpu_seconds
        text = subprocess.run(
            [find_wrk(), *options, f"http://{HOST}:{server.port}{self.path}"],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: self.cores and os.sched_setaffinity(0, self.cores),
        ).stdout
        speed, columns = _parse(text)
        spent = server.cpu_seconds - before
        return speed, {**columns, "µs of CPU": spent / (speed * seconds) * 1e6}


def tables(options: Options) -> Iterator[Table]:
    """Measure each server with each job."""
    for setup in SETUPS[:1] if options.is_quick else SETUPS:
        for job in options.chosen(("hello", "item", "sync")):
            if job == "sync" and setup.server != "uvicorn":
                continue  # where the others' threads are measured, ours are
            contestants, left_out = able(options.contestants, JOBS[job].app)
            table = measured(setup, JOBS[job], contestants, options)
            table.left_out.update(left_out)
            yield table


def measured(setup: Setup, job: Job, contestants: list[str], options: Options) -> Table:
    """Measure one server with one job."""
    allow_many_connections()
    title = f"{job.title}: {setup.title}"
    table = Table(f"{setup.name}/{job.name}", title, "requests/s", more_is_better=True)
    seconds = 1 if options.is_quick else SECONDS
    core, other_core = pinned_cores() if setup.workers == 1 else (None, None)
    target = f"{job.path}?{job.query.decode()}" if job.query else job.path
    load = Load(setup.threads, setup.connections, other_core, target)
    app = (job.app, *job.arguments)
    with servers(contestants, app, setup.server, count=setup.workers, cores=core) as running:
        for server in running:
            try:
                fault = job.fault_in(*server.get(target))
                if fault is None:
                    load.on(server, 1)  # to warm up
            except ContestantError as error:
                fault = str(error)
            if fault is not None:
                table.left_out[server.contestant] = fault
        table.fill(running, options.rounds, lambda server: load.on(server, seconds))
    return table


def _parse(text: str) -> Measurement:
    """Return requests a second, and the other numbers, out of what wrk printed."""
    if "Non-2xx" in text:
        raise ContestantError("some answers were errors")
    speed = float(_found(r"Requests/sec:\s+([\d.]+)", text)[0])
    columns = {}
    for percent in (50, 90, 99):
        number, unit = _found(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)
        columns[f"p{percent} ms"] = float(number) * UNITS[unit]
    counts = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    columns["socket errors"] = float(sum(map(int, counts.groups()))) if counts else 0.0
    return speed, columns


def _found(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk printed something else than expected:\n{text}")
    return match.groups()
