"""MicroPie beside its peers: `hatch run bench:all`, or python -m benchmarks.

Checks that every contestant gives the right answer to a job, then measures all of them in turn,
round by round. A whole run, which takes half an hour or more, writes benchmarks/results/.
"""

import argparse
import importlib
import signal
import sys

from benchmarks import report
from benchmarks.contestants import CONTESTANTS
from benchmarks.jobs import JOBS
from benchmarks.options import Options
from benchmarks.table import Table

# By name: modules with a function tables(Options) that yields what it has measured.
PARTS = {
    "process": "benchmarks.in_process",
    "socket": "benchmarks.over_socket",
    "static": "benchmarks.static",
    "sessions": "benchmarks.sessions",
    "upload": "benchmarks.uploads",
    "realworld": "benchmarks.realworld",
    "websocket": "benchmarks.echoes",
    "import": "benchmarks.imports",
    "worst": "benchmarks.worst_inputs",
}
JOB_NAMES = [*JOBS, "static", "upload", "websocket", "worst"]
QUICK_JOBS = ["hello", "item", "upload", "websocket"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="hatch run bench:all", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of a minute or two")
    parser.add_argument("--parts", nargs="+", choices=PARTS)
    parser.add_argument("--jobs", nargs="+", choices=JOB_NAMES)
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contestant")
    parser.add_argument("--save", metavar="NAME", help="write results/NAME-python-*, of any run")
    chosen = parser.parse_args()
    if chosen.rounds < 5:
        parser.error("a median wants at least 5 rounds")
    is_whole = not (chosen.quick or chosen.parts or chosen.jobs or chosen.contestants)
    options = Options(
        contestants=chosen.contestants or list(CONTESTANTS),
        jobs=chosen.jobs or (QUICK_JOBS if chosen.quick else None),
        rounds=1 if chosen.quick else chosen.rounds,
        is_quick=chosen.quick,
    )
    # Ended from outside, too, it must end what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    tables: list[Table] = []
    for part in chosen.parts or PARTS:
        for table in importlib.import_module(PARTS[part]).tables(options):
            tables.append(table)
            print(table.markdown(), flush=True)
    print(report.targets(tables))
    if is_whole or chosen.save:
        prefix = f"{chosen.save}-" if chosen.save else ""
        print("\n".join(map(str, report.write(tables, prefix))), file=sys.stderr)


if __name__ == "__main__":
    main()
