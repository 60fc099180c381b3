"""The single file: made out of the core's modules, it is the same MicroPie with no install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.servers import serve

ROOT = Path(__file__).parents[2]

# They reach into modules, of which a single file has none.
OF_MODULES = [
    "bodies/forms",
    "serving/test_after_response.py",
    "serving/test_cancelled_uploads.py",
    "serving/test_mounted_lifespan.py",
    "serving/test_stopping.py",
    "sessions/test_contract.py",
    "sessions/test_memory_backend.py",
    "sessions/websockets/test_failing_store.py",
    "testing",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the single file, and beside it the module of the other spelling."""
    folder = tmp_path_factory.mktemp("bundle")
    command = [sys.executable, ROOT / "scripts" / "bundle.py", folder]
    subprocess.run(command, check=True, capture_output=True)
    spelling = ROOT / "packages" / "micropie" / "src" / "MicroPie.py"
    (folder / "MicroPie.py").write_text(spelling.read_text())
    return folder


def run(folder, *arguments):
    """Run Python in *folder*, without any site-packages; return what it prints."""
    command = [sys.executable, "-S", *arguments]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("name", ["micropie", "MicroPie"])
def test_the_file_needs_nothing_else_under_either_name(folder, name, tmp_path):
    (tmp_path / f"{name}.py").write_text((folder / "micropie.py").read_text())
    code = (
        f"import {name} as m; print(m.App.__module__, [n for n in m.__all__ if n not in vars(m)])"
    )
    assert run(tmp_path, "-c", code) == f"{name} []\n"


def test_the_file_has_the_codec_by_its_public_name(folder):
    code = "from micropie.codec import dumps, loads; print(loads(dumps({'a': 1})))"
    assert run(folder, "-c", code) == "{'a': 1}\n"


def test_the_file_has_what_extensions_import_by_its_public_names(folder):
    code = (
        "from micropie.concurrency import *\n"
        "from micropie.parameters import *\n"
        "from micropie.types import *\n"
        "print(Batcher.__name__, check_number.__name__, Scope is not None)"
    )
    assert run(folder, "-c", code) == "Batcher check_number True\n"


def test_the_file_says_what_it_was_made_from(folder):
    first = (folder / "micropie.py").read_text().splitlines()[0]
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    commit = done.stdout.strip() if done.returncode == 0 else "unknown"
    assert first.startswith(f'"""MicroPie 1.0.0 in a single file, made from commit {commit}')


def test_the_file_serves_an_app_beside_it(folder, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    (folder / "app.py").write_text(
        "import micropie\n"
        "class Hello(micropie.App):\n"
        "    async def index(self):\n"
        "        return micropie.__file__\n"
        "app = Hello()\n"
    )
    with serve("uvicorn", "app:app", folder) as server:
        assert server.get("/").text == str(folder / "micropie.py")


def test_the_tests_of_the_core_pass_against_the_file(folder):
    places = [str(folder), str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
    path = os.pathsep.join(filter(None, places))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/core"]
    command += [f"--ignore=tests/core/{name}" for name in OF_MODULES]
    # A bundle can break names alone, and a test meets the same names with all of its parameters.
    command += ["-m", "not served", "-p", "first_of_each"]
    # Coverage would look at the modules, which are not used here, and take as long again.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-4000:]
