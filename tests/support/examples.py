"""The examples, served as their READMEs say, but with the data they write somewhere else."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

import httpx2
import pytest

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


def visiting(server: Server) -> httpx2.Client:
    """Return an HTTP client that keeps cookies and follows redirects, as a browser does."""
    return httpx2.Client(base_url=server.url, follow_redirects=True, timeout=CLIENT_TIMEOUT)


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
