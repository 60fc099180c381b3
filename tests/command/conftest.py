"""The command `micropie`, run in a folder as a developer does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

APP = """
from micropie import App, allow


class Site(App):
    async def index(self):
        return f"debug={self.debug}"


app = Site()
"""


@pytest.fixture
def micropie(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs the command in `tmp_path`, and returns how it ended."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "micropie", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )

    return run
