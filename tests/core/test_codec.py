"""JSON: the same bytes with orjson and without, and only what JSON is on the way in."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from support.json_values import FLOATS, IN, OUT

TESTS = Path(__file__).parents[1]

with_orjson = pytest.param(
    "with-orjson", marks=pytest.mark.skipif(find_spec("orjson") is None, reason="needs orjson")
)


@pytest.fixture(scope="module", params=[with_orjson, "without-orjson"])
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What an App made of all the values, in an interpreter of its own."""
    command = [sys.executable, "-W", "error", "-m", "support.json_values", request.param]
    run = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    results: dict[str, Any] = json.loads(run.stdout)
    assert bool(results["orjson"]) == (request.param == "with-orjson")
    return results


@pytest.mark.parametrize("name", OUT)
def test_a_value_becomes_the_same_json_with_orjson_and_without(name, results):
    expected = OUT[name][1]
    assert results["out"][name] == (expected or 500)


def test_floats_are_written_so_that_they_read_back_the_same(results):
    assert [repr(number) for number in json.loads(results["floats"])] == [
        repr(number) for number in FLOATS
    ]


@pytest.mark.parametrize("name", IN)
def test_json_is_read_the_same_with_orjson_and_without(name, results):
    expected = IN[name][1]
    assert results["in"][name] == (400 if expected is ... else repr(expected))
