"""JSON: the same bytes with orjson and without, and only what JSON is on the way in."""

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from micropie import codec
from support.json_values import FLOATS, IN, OUT

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=["with-orjson", "without-orjson"])
def results(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What an App made of all the values, in an interpreter of its own."""
    command = [sys.executable, "-W", "error", "-m", "support.json_values", request.param]
    run = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    results: dict[str, Any] = json.loads(run.stdout)
    assert bool(results["orjson"]) == (request.param == "with-orjson")
    return results


NESTED = {"arrays": (b"[", b"]"), "objects": (b'{"a":', b"}"), "both": (b'[{"a":', b"}]")}


@pytest.mark.parametrize("nested", NESTED)
@pytest.mark.parametrize("is_strict", [True, False])
def test_json_may_nest_500_levels_and_no_more(nested, is_strict):
    opening, closing = NESTED[nested]
    dumps = codec.dumps_strict if is_strict else codec.dumps
    most = codec.MAX_DEPTH // len(closing)
    document = opening * most + b"1" + closing * most
    assert dumps(codec.loads(document)) == document
    with pytest.raises(ValueError, match="nested too deep"):
        codec.loads(b"[" + document + b"]")


def test_what_could_not_be_read_again_is_not_stored():
    value = []
    for _ in range(codec.MAX_DEPTH):
        value = [value]
    with pytest.raises(ValueError, match="nested too deep"):
        codec.dumps_strict(value)
    assert codec.loads(codec.dumps_strict(value[0])) == value[0]


def test_brackets_are_no_levels_inside_of_texts_or_beside_each_other():
    value = ["[{" * 1000, [[], {}] * 1000]
    assert codec.loads(codec.dumps(value)) == value


@pytest.mark.parametrize("nested", NESTED)
def test_the_deepest_place_may_be_anywhere(nested):
    opening, closing = NESTED[nested]
    levels = (codec.MAX_DEPTH - 2) // len(closing)
    for before, behind in ((b"", b""), (b"[]," * 700, b""), (b"", b",[]" * 700)):
        document = b"[" + before + opening * levels + b"[]" + closing * levels + behind + b"]"
        codec.loads(document)
        with pytest.raises(ValueError, match="nested too deep"):
            codec.loads(document.replace(b"[]" + closing, b"[[]]" + closing, 1))


def test_the_garbage_collector_is_left_as_it_was():
    document = b"[" + b"[]," * 1000 + b"1]"
    try:
        for switch in (gc.disable, gc.enable):
            switch()
            was_enabled = gc.isenabled()
            codec.loads(document)
            with pytest.raises(ValueError, match=r"JSON|Extra data"):
                codec.loads(document + b"]")
            assert gc.isenabled() == was_enabled
    finally:
        gc.enable()


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


def test_its_functions_are_public():
    assert set(codec.__all__) == {"MAX_DEPTH", "TooManyValues", "dumps", "dumps_strict", "loads"}
    assert all(hasattr(codec, name) for name in codec.__all__)
