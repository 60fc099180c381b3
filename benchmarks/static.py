"""Static: requests a second for a file of 10 kB under uvicorn."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contestants import SERVESTATIC, able
from benchmarks.jobs import Job
from benchmarks.options import Options
from benchmarks.over_socket import SETUPS, measured
from benchmarks.table import Table

SIZE = 10_000  # bytes


def tables(options: Options) -> Iterator[Table]:
    """Measure everyone who can serve files, and what MicroPie's own are served by."""
    if not options.chosen(["static"]):
        return
    contestants, left_out = able([*options.contestants, SERVESTATIC], "files")
    content = os.urandom(SIZE)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "style.css").write_bytes(content)
        job = Job(
            *("static", "static file of 10 kB", "files", "/static/style.css"),
            arguments=(folder,),
            answer=content,
            media_type=None,
        )
        table = measured(SETUPS[0], job, contestants, options)
        table.left_out.update(left_out)
        yield table
