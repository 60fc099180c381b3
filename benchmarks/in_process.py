"""In process: CPU time a request, the apps called directly, with no server."""

from collections.abc import Iterator
from functools import partial

from benchmarks.contestants import able
from benchmarks.jobs import JOBS
from benchmarks.options import Options
from benchmarks.processes import Worker, workers
from benchmarks.table import Measurement, Table

SECONDS = 0.1  # of CPU time in a round; the clock is exact to microseconds


def tables(options: Options) -> Iterator[Table]:
    """Measure the jobs one after the other."""
    seconds = SECONDS / 5 if options.is_quick else SECONDS
    for job in options.chosen(JOBS):
        table = Table(f"process/{job}", JOBS[job].title, "µs of CPU a request")
        contestants, table.left_out = able(options.contestants, JOBS[job].app)
        with workers(contestants, job) as running:
            entered = []
            for worker in running:
                fault = worker.call("open").get("fault")
                if fault is None:
                    worker.call("calibrate", seconds=seconds / 4)
                    entered.append(worker)
                else:
                    table.left_out[worker.contestant] = fault
            table.fill(entered, options.rounds, partial(_measure, seconds=seconds))
        yield table


def _measure(worker: Worker, seconds: float) -> Measurement:
    return worker.call("measure", seconds=seconds)["microseconds"], {}
