"""Schemathesis: what the document says, and what the app does, are the same."""

import os
import subprocess
import sys

import pytest

from support.openapi import serve_page_app


@pytest.mark.once
def test_schemathesis_finds_no_disagreement(tmp_path):
    with serve_page_app() as server:
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/docs/openapi.json"),
            *("--checks", "all", "--max-examples", "40", "--seed", "1"),
        ]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout
