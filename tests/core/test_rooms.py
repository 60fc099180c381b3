"""The rooms of the core: which part may lean on which, seen in what its modules import."""

import ast
import re
from pathlib import Path

import pytest

import micropie

SOURCE = Path(micropie.__file__)
pytestmark = pytest.mark.skipif(SOURCE.name != "__init__.py", reason="the bundle is one module")

# From the ground up; a part imports from those on lower levels, and from itself.
LEVELS = [
    {
        "types",
        "codec",
        "concurrency",
        "parameters",
        "_blocked",
        "_cookies",
        "_errors",
        "_headers",
        "_lazy",
        "_percent",
        "_scope_keys",
        "_threads",
        "_workers",
    },
    {"_bodies", "_sessions"},
    {"_http"},
    {"_handlers"},
    {"_serving"},
    {"app"},
    {"_command"},
    {"__main__"},
]
LEVEL = {part: number for number, parts in enumerate(LEVELS) for part in parts}

MODULES = [
    path
    for path in sorted(SOURCE.parent.rglob("*.py"))
    if "testing" not in path.relative_to(SOURCE.parent).parts and path != SOURCE
]


def part_of(dotted_name: str) -> str:
    """Return the room or top file of a module, "_http" for "micropie._http.request"."""
    return dotted_name.split(".")[1]


def imported_parts(source: str) -> set[str]:
    """Return the parts that a module imports from, wherever in it: TYPE_CHECKING counts too."""
    parts = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {part_of(name) for name in names if name.startswith("micropie.")}
    return parts


def own_part(path: Path) -> str:
    return path.relative_to(SOURCE.parent).with_suffix("").parts[0]


def path_of(path: Path) -> str:
    return path.relative_to(SOURCE.parent).as_posix()


def test_the_check_sees_every_kind_of_import():
    source = "import micropie._http.request\nfrom micropie import codec\nimport os\n"
    source += "def function():\n    from micropie._errors import logger\n"
    assert imported_parts(source) == {"_http", "codec", "_errors"}


def test_every_module_has_its_place_on_a_level():
    assert {own_part(path) for path in MODULES} == {*LEVEL}


@pytest.mark.parametrize("path", MODULES, ids=path_of)
def test_imports_between_rooms_go_down(path):
    own = own_part(path)
    above = {part for part in imported_parts(path.read_text()) if LEVEL[part] > LEVEL[own]}
    assert not above, f"{path_of(path)} leans on what is above it: {above}"


@pytest.mark.parametrize("path", MODULES, ids=path_of)
def test_the_map_for_contributors_names_every_module(path):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert path.name == "__init__.py" or re.search(rf"(?<![\w/]){re.escape(path.name)}", text)


def test_bodies_and_sessions_do_not_know_each_other():
    for own, other in (("_bodies", "_sessions"), ("_sessions", "_bodies")):
        for path in (SOURCE.parent / own).glob("*.py"):
            assert other not in imported_parts(path.read_text()), path_of(path)


ALIASES = {"Headers", "Result"}  # of what is not ours to name


@pytest.mark.parametrize("name", sorted({*micropie.__all__} - ALIASES))
def test_a_public_name_says_that_it_is_of_micropie(name):
    assert getattr(micropie, name).__module__ == "micropie"
