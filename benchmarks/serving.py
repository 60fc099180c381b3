"""What the ASGI servers import: the app that BENCHMARK_APP names as CONTESTANT:APP."""

import os
from typing import Any

from benchmarks.contestants import make_app


def app() -> Any:
    return make_app(*os.environ["BENCHMARK_APP"].split(":"))
