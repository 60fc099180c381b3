"""MicroPie beside its peers: `hatch run bench:all`, or python -m benchmarks.

Checks that every contestant gives the right answer to a job, then measures all of them in turn,
round by round, and writes benchmarks/results/.
"""

import argparse
import importlib
import signal
import sys

from benchmarks import report
from benchmarks.contestants import CONTESTANTS
from benchmarks.options import Options
from benchmarks.table import Table

# By name: modules with a function tables(Options) that yields what it has measured.
PARTS = {
    "process": "benchmarks.in_process",
    "socket": "benchmarks.over_socket",
    "static": "benchmarks.static",
    "sessions": "benchmarks.sessions",
    "upload": "benchmarks.uploads",
    "websocket": "benchmarks.echoes",
    "import": "benchmarks.imports",
}
QUICK_JOBS = ["hello", "item", "upload", "websocket"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="hatch run bench:all", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run of about a minute")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--jobs", nargs="+", help="names of jobs, as in benchmarks/jobs.py")
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--rounds", type=int, help="measurements of each contestant, at least 5")
    parser.add_argument("--no-results", action="store_true", help="print only, write no files")
    chosen = parser.parse_args()
    if chosen.rounds is not None and chosen.rounds < 5 and not chosen.quick:
        parser.error("a median wants at least 5 rounds")
    options = Options(
        contestants=chosen.contestants,
        jobs=chosen.jobs or (QUICK_JOBS if chosen.quick else None),
        rounds=chosen.rounds or (1 if chosen.quick else 7),
        is_quick=chosen.quick,
    )
    # Ended from outside, too, it must end what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    tables: list[Table] = []
    for part in chosen.parts:
        for table in importlib.import_module(PARTS[part]).tables(options):
            tables.append(table)
            print(table.markdown(), flush=True)
    print(report.targets(tables))
    if not (chosen.quick or chosen.no_results):
        print("\n".join(map(str, report.write(tables))), file=sys.stderr)


if __name__ == "__main__":
    main()
