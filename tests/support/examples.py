"""The examples, served as their READMEs say, but with the data they write somewhere else."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
import pytest

from micropie import App
from micropie.testing import TestClient
from support.browser import chromium
from support.servers import CLIENT_TIMEOUT, Server, serve

EXAMPLES = Path(__file__).parents[2] / "examples"
PHONE = {"width": 390, "height": 844}


def serve_example(
    name: str, folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> AbstractContextManager[Server]:
    """Run the example *name* under uvicorn, in the working directory *folder*.

    It is a copy, made as its README says.
    """
    beside = take_along(name, folder / "example")
    options = ("--app-dir", str(beside))
    return serve("uvicorn", "app:app", folder, options=options, environment=environment)


def take_along(name: str, folder: Path) -> Path:
    """Copy the example *name* to *folder*, with the modules that its README tells to put there."""
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("*.db*", "__pycache__"))
    for module in shared_modules(name):
        shutil.copy(EXAMPLES / "shared" / module, folder)
    return folder


def shared_modules(name: str) -> list[str]:
    """Return the modules that the README of *name* copies from the folder of shared ones."""
    readme = (EXAMPLES / name / "README.md").read_text()
    copied = re.search(r"^cp (\.\./shared/.+) \.$", readme, re.MULTILINE)
    return [Path(path).name for path in copied[1].split()] if copied else []


def served(name: str, **environment: str) -> Callable[..., Iterator[Server]]:
    """Return a fixture, once a module, that is the example *name*; its log must show no error."""

    @pytest.fixture(scope="module")
    def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
        with serve_example(name, tmp_path_factory.mktemp(name), environment) as running:
            yield running
            assert "Traceback" not in running.log()
            assert "ERROR" not in running.log()

    return server


def loaded(name: str, **environment: str) -> Callable[..., Iterator[App]]:
    """Return a fixture, once a module, that is the app of the example *name*, in this process."""

    @pytest.fixture(scope="module")
    def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
        place, known = tmp_path_factory.mktemp(name), set(sys.modules)
        folder = take_along(name, place / "example")
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(place)
            patch.syspath_prepend(folder)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            yield import_module("app").app
        for module in set(sys.modules) - known:
            file = getattr(sys.modules[module], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[module]

    return app


def typed(server: Server, name: str) -> list[str]:
    """Type the curl commands of the README of *name*; return what each printed."""
    lines = (EXAMPLES / name / "README.md").read_text().splitlines()
    commands = [
        [*shlex.split(line.replace("http://127.0.0.1:8000", server.url)), "--silent"]
        for line in lines
        if line.startswith("curl ")
    ]
    assert commands, "the README has no curl command"
    return [
        subprocess.run(
            command, cwd=EXAMPLES / name, check=True, capture_output=True, text=True
        ).stdout
        for command in commands
    ]


def visiting(visited: Server | App) -> httpx2.Client:
    """Return an HTTP client that keeps cookies and follows redirects, as a browser does."""
    options: dict[str, Any] = {"follow_redirects": True, "timeout": CLIENT_TIMEOUT}
    if isinstance(visited, App):
        return TestClient(visited, **options)
    return httpx2.Client(base_url=visited.url, **options)


@contextmanager
def phone(*arguments: str) -> Iterator[Callable]:
    """Run Chromium; calling what this gives opens a page of a phone's size.

    Warnings and errors in the console of a page, and a page wider than the phone, fail in the end.
    """
    problems, pages = [], []

    def note(message):
        if message.type in ("warning", "error"):
            problems.append(message.text)

    with chromium(*arguments) as browser:

        def open_page(url: str, **options):
            page = browser.new_page(viewport=PHONE, **options)
            page.on("console", note)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            pages.append(page)
            return page

        yield open_page
        for page in (page for page in pages if not page.is_closed()):
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width <= PHONE["width"], f"{page.url} is {width} pixels wide"
    assert problems == []
