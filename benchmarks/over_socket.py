"""Over a socket: requests a second and latency under real servers, as wrk finds them."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

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

SECONDS = 3
UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Setup:
    """A server and the load on it; one worker is pinned to a core and wrk to another."""

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


def tables(options: Options) -> Iterator[Table]:
    """Measure each server with each job."""
    wrk = find_wrk()
    allow_many_connections()
    for setup in SETUPS[:1] if options.is_quick else SETUPS:
        for job in options.chosen(("hello", "item")):
            yield _measure(setup, JOBS[job], wrk, options)


def _measure(setup: Setup, job: Job, wrk: str, options: Options) -> Table:
    table = Table(
        f"{setup.name}/{job.name}", f"{job.title}: {setup.title}", "requests/s", more_is_better=True
    )
    seconds = 1 if options.is_quick else SECONDS
    core, other_core = pinned_cores() if setup.workers == 1 else (None, None)
    with servers(
        options.contestants, job.app, setup.server, count=setup.workers, cores=core
    ) as running:
        for server in running:
            _load(wrk, setup, job, server.port, 1, other_core)

        def measure(server: Server) -> Measurement:
            begin = server.cpu_seconds
            speed, columns = parse(_load(wrk, setup, job, server.port, seconds, other_core))
            spent = server.cpu_seconds - begin
            return speed, {**columns, "µs of CPU": spent / (speed * seconds) * 1e6}

        table.fill(running, options.rounds, measure)
    return table


def _load(wrk: str, setup: Setup, job: Job, port: int, seconds: int, core: set[int] | None) -> str:
    query = f"?{job.query.decode()}" if job.query else ""
    load = f"-t{setup.threads} -c{setup.connections} -d{seconds}s --latency".split()
    return subprocess.run(
        [wrk, *load, f"http://{HOST}:{port}{job.path}{query}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: core and os.sched_setaffinity(0, core),
    ).stdout


def parse(text: str) -> Measurement:
    """Return requests a second, and the other numbers, out of what wrk printed.

    Raises:
        ContestantError: there were answers that are no success.
    """
    if "Non-2xx" in text:
        raise ContestantError("some answers were errors")
    speed = float(_found(r"Requests/sec:\s+([\d.]+)", text))
    columns = {}
    for percent in (50, 90, 99):
        number, unit = re.findall(rf"{percent}%\s+([\d.]+)(us|ms|s|m)\b", text)[0]
        columns[f"p{percent} ms"] = float(number) * UNITS[unit]
    errors = re.findall(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    columns["socket errors"] = float(sum(map(int, errors[0]))) if errors else 0.0
    return speed, columns


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise SystemExit(f"wrk printed something else than expected:\n{text}")
    return match[1]
