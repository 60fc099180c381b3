"""Imports: what a framework adds to an interpreter that has imported asyncio already."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.contestants import BARE, import_of
from benchmarks.options import Options
from benchmarks.processes import environment, python_of
from benchmarks.table import Measurement, Table

# It imports nothing else, which a framework might then have for nothing.
PROGRAM = """
import asyncio, os, sys, time
def memory():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
before, begin = memory(), time.process_time()
import {module}
spent = time.process_time() - begin
print(spent * 1000, (memory() - before) / 1024**2, len(sys.modules))
"""


def tables(options: Options) -> Iterator[Table]:
    """Import each framework again and again, each time in a new interpreter."""
    table = Table("import", "import, after asyncio", "ms of CPU")
    entrants = [_Import(name) for name in options.contestants if name != BARE]
    for entrant in entrants:
        entrant.run()  # now bytecode is written, and files are in the cache of the disk
    table.fill(entrants, options.rounds * 2, _Import.run)
    yield table


@dataclass(frozen=True)
class _Import:
    contestant: str

    def run(self) -> Measurement:
        program = PROGRAM.format(module=import_of(self.contestant))
        done = subprocess.run(
            [python_of(self.contestant), "-P", "-c", program],
            env=environment(self.contestant),
            check=True,
            stdout=subprocess.PIPE,
        )
        milliseconds, memory, modules = map(float, done.stdout.split())
        return milliseconds, {"MiB": memory, "modules": modules}
