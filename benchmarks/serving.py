"""What the ASGI servers import: the app that BENCHMARK_APP names, as `make_app` takes it."""

import json
import os
from typing import Any

from benchmarks.contestants import make_app


def app() -> Any:
    return make_app(*json.loads(os.environ["BENCHMARK_APP"]))
