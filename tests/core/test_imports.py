"""What importing MicroPie brings in, and how its modules hang together."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import MicroPie
import micropie

SOURCE = Path(micropie.__file__)
IS_PACKAGE = SOURCE.name == "__init__.py"  # the bundle is one file
MODULES = [
    path
    for path in (sorted(SOURCE.parent.rglob("*.py")) if IS_PACKAGE else [])
    if "testing"
    not in path.relative_to(
        SOURCE.parent
    ).parts  # a test suite for others to run, not a part of serving
]

OPTIONAL = {
    *("aiofiles", "httptools", "httpx2", "jinja2", "markupsafe", "msgspec", "multipart", "orjson"),
    *("pydantic", "pytest", "redis", "servestatic", "socketio", "sqlalchemy", "uvicorn", "uvloop"),
}


def run(code: str, *flags: str) -> str:
    """Run *code* in an interpreter of its own where a warning is an error."""
    command = [sys.executable, "-W", "error", *flags, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def run_bare(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Run code where nothing but MicroPie is: no site-packages, environment or folder."""
    folder = tmp_path_factory.mktemp("bare")
    for installed in (SOURCE.parent if IS_PACKAGE else SOURCE, Path(MicroPie.__file__)):
        (folder / installed.name).symlink_to(installed)
    first = f"import sys; sys.path.insert(0, {str(folder)!r})\n"
    return lambda code: run(first + code, "-I", "-S")


# Importing.


@pytest.mark.parametrize("name", ["micropie", "MicroPie"])
def test_it_imports_without_a_warning(name):
    assert run(f"import {name}") == ""


@pytest.mark.parametrize("name", ["micropie", "MicroPie"])
def test_it_imports_where_nothing_is_installed(name, run_bare):
    print_found = (
        f"import importlib.util as u\nprint([n for n in {sorted(OPTIONAL)} if u.find_spec(n)])\n"
    )
    assert run_bare(print_found + f"import {name}") == "[]\n"


def test_importing_it_imports_no_optional_dependency():
    code = f"import sys, micropie, MicroPie; print(sorted({OPTIONAL} & set(sys.modules)))"
    assert run(code) == "[]\n"


# What `import micropie` brings in, beyond what asyncio has. Each module takes 0.1 ms or more, and
# one that serves what few apps do is imported where it is used: to write another one down here may
# be right, by somebody who has seen what it costs in benchmarks/.
OF_PYTHON = {"_queue", "gc", "queue"}
OF_THE_CORE = {
    *("_blocked", "_cookies", "_errors", "_headers", "_lazy", "_percent", "_scope_keys"),
    *("_threads", "_workers", "app", "codec", "parameters", "types"),
    *(f"_bodies{m}" for m in ("", ".body", ".form_limits", ".inbox", ".multipart", ".spool")),
    *("_bodies.uploads", "_bodies.urlencoded"),
    *(f"_sessions{m}" for m in ("", ".backends", ".manager", ".session")),
    *(f"_http{m}" for m in ("", ".connection", ".events", ".request", ".response", ".streaming")),
    *("_http.results", "_http.urls"),
    *(f"_handlers{m}" for m in ("", ".annotations", ".binding", ".class_checks")),
    *(f"_handlers.{m}" for m in ("decorators", "endpoint", "mounts", "patterns", "routing")),
    "_handlers.templates",
    *(f"_serving{m}" for m in ("", ".arguments", ".context", ".failures", ".head", ".http")),
    *(f"_serving.{m}" for m in ("lifespan", "middleware", "origins", "parts", "relay", "sharing")),
    *(f"_serving.{m}" for m in ("afterwards", "base_url", "stopping")),
}
LOADED = """
import asyncio, sys
before = set(sys.modules)
import micropie, MicroPie
print(*sorted(set(sys.modules) - before - {"micropie", "MicroPie"}))
"""


@pytest.mark.skipif(not IS_PACKAGE, reason="the bundle is one module")
def test_importing_it_imports_what_is_written_down_and_nothing_else():
    loaded = set(run(LOADED).split())
    own = {name.removeprefix("micropie.") for name in loaded if name.startswith("micropie.")}
    assert loaded - {f"micropie.{name}" for name in own} <= OF_PYTHON
    assert own == OF_THE_CORE


# The other two are built-in types under names of their own.
@pytest.mark.parametrize("name", sorted({*micropie.__all__} - {"Headers", "Result"}))
def test_a_public_name_can_be_the_first_that_is_asked_for(name):
    code = f"import pickle, micropie; x = micropie.{name}; from MicroPie import {name} as y\n"
    code += "print(x is y, pickle.loads(pickle.dumps(x)) is x, x.__module__, x.__name__)"
    assert run(code) == f"True True micropie {name}\n"


@pytest.mark.parametrize("module", [micropie, MicroPie])
def test_a_name_that_is_not_there_is_an_attribute_error(module):
    assert {*micropie.__all__} <= {*dir(module)}
    with pytest.raises(AttributeError, match=f"'{module.__name__}' has no attribute 'Ap'"):
        module.Ap  # noqa: B018


def test_json_that_orjson_reads_and_writes_needs_no_json_of_pythons_own():
    pytest.importorskip("orjson")
    code = "import orjson, sys\nfor name in [n for n in sys.modules if n.startswith('json')]:\n"
    code += "    del sys.modules[name]\nfrom micropie import codec\n"
    code += "print(codec.loads(codec.dumps({'a': [1.5]})), 'json' in sys.modules)"
    assert run(code) == "{'a': [1.5]} False\n"


def test_importing_it_starts_and_opens_nothing():
    code = (
        "import micropie, threading, asyncio\n"
        "print(threading.active_count(), asyncio._get_running_loop())"
    )
    assert run(code) == "1 None\n"


def test_it_serves_where_nothing_is_installed(run_bare):
    code = """
import asyncio
from MicroPie import App

class Hello(App):
    async def index(self, name="World"):
        return {"hello": name}
    def sync(self):
        return "sync"
    async def stream(self):
        yield "a"
        yield "b"
    async def template(self):
        return await self._render_template("index.html")

async def get(path, query=b""):
    body = b""
    async def send(message):
        nonlocal body
        body += message.get("body", str(message.get("status")).encode() + b" ")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
    await Hello()(scope, asyncio.Event().wait, send)
    print(body.decode())

async def main():
    await get("/", b"name=Bob")
    await get("/sync")
    await get("/stream")
    import logging; logging.disable()
    await get("/template")
asyncio.run(main())
"""
    assert run_bare(code).splitlines() == [
        '200 {"hello":"Bob"}',
        "200 sync",
        "200 ab",
        "500 500 Internal Server Error",
    ]


@pytest.mark.skipif(not IS_PACKAGE, reason="the bundle is one module")
def test_every_module_can_be_imported_first(run_bare):
    names = [dotted_name(path) for path in MODULES]
    code = f"""
import importlib
for name in {names}:
    for loaded in [m for m in sys.modules if m.split(".")[0] == "micropie"]:
        del sys.modules[loaded]
    importlib.import_module(name)
"""
    run_bare(code)


# Names.


def test_the_documented_module_has_the_same_names():
    assert MicroPie.__all__ == micropie.__all__
    for name in micropie.__all__:
        assert getattr(MicroPie, name) is getattr(micropie, name)
    public = {name for name in dir(MicroPie) if not name.startswith("_")}
    assert public == set(micropie.__all__)


def test_the_public_names_are_there_once_and_none_is_private():
    names = micropie.__all__
    assert len(names) == len(set(names))
    assert not [name for name in names if name.startswith("_")]


def test_a_star_import_brings_the_public_names():
    code = "from MicroPie import *; print(sorted(n for n in dir() if not n.startswith('_')))"
    assert run(code) == f"{sorted(micropie.__all__)}\n"


def test_public_names_are_documented():
    undocumented = [name for name in micropie.__all__ if not getattr(micropie, name).__doc__]
    assert not undocumented


# Modules.


def dotted_name(path: Path) -> str:
    """Return the name by which the module at *path* is imported."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(["micropie", *(part for part in parts if part != "__init__")])


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the core modules that *path* imports, wherever in it: TYPE_CHECKING counts too."""
    names = {dotted_name(module) for module in MODULES}
    for node in ast.walk(ast.parse(path.read_text(), path.name)):
        if isinstance(node, ast.Import):
            dotted = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
            dotted = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in dotted:
            if name.partition(".")[0] == "micropie":
                while name not in names:
                    name = name.rpartition(".")[0]
                yield name


def test_the_check_for_cycles_sees_all_imports(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "import os, micropie.app\nfrom micropie import codec, App\n"
        "if TYPE_CHECKING:\n    from micropie._http.request import Request\n"
        "def function():\n    from micropie.types import Scope\n"
    )
    names = {"micropie", *(f"micropie.{name}" for name in ("app", "codec", "types"))}
    found = set(imported_modules(path)) if IS_PACKAGE else set()
    assert found == (names | {"micropie._http.request"} if IS_PACKAGE else found)


def test_imports_between_modules_have_no_cycle():
    graph = {dotted_name(path): set(imported_modules(path)) for path in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, and shows it
    assert not IS_PACKAGE or "micropie" in order


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_no_module_is_longer_than_400_lines(path):
    # Two are: of the facade two thirds say what each option and method is for, and the steps of an
    # exchange stand in one place.
    most = {"app.py": 560, "http.py": 420}.get(path.name, 400)
    assert len(path.read_text().splitlines()) <= most


@pytest.mark.parametrize("path", MODULES, ids=dotted_name)
def test_a_module_begins_with_what_it_is_about(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring is not None
    assert len(docstring.splitlines()) <= 6


@pytest.mark.skipif(not IS_PACKAGE, reason="the bundle is one module")
def test_the_package_says_that_it_is_typed():
    assert (SOURCE.parent / "py.typed").is_file()
