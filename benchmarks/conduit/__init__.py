"""Three endpoints of Conduit (examples/realworld): the same app of three frameworks.

Tables, queries, models and the reading of tokens are the example's, for all of them. A module here
is what a user of that framework writes on top, in the way its documentation recommends.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).parents[2] / "examples/realworld"
FOLDER = Path(__file__).parent
CONTESTANTS = ("micropie", "fastapi", "litestar")
SECRET = "of this comparison, which protects nobody"  # noqa: S105


def use_example(url: str) -> None:
    """Let the example's modules be imported, with the database at *url*."""
    sys.path.append(str(EXAMPLE))
    os.environ.update(CONDUIT_DATABASE=url, CONDUIT_SECRET=SECRET)


def make_app(contestant: str, url: str) -> Any:
    """Return the app of *contestant* on the database at *url*."""
    use_example(url)
    return import_module(f"benchmarks.conduit.{contestant}").app
