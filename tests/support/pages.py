"""Does what a page of the documentation tells its reader to do, block by block, and compares.

A page is read from top to bottom, in a folder of its own:

- a Python block with a caption is a file of that name, and so is one in any other language;
- any other Python block is run as it stands, and is app.py as well if it makes an `app`;
- `console` shows commands behind "$ " and what each of them prints, where `...` stands for
  anything, or any lines; `sh` shows commands alone, which may print what they like;
- app.py is served at 127.0.0.1:8000 as soon as a command asks for it, unless the page starts
  servers itself. Then it is served as told: what changes later needs `--reload` to be seen;
- a Redis at 127.0.0.1:6379 is there for pages that speak of it.

What can't be run is checked as far as possible, and a block that is neither is an error.
"""

import ast
import configparser
import importlib.metadata
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jinja2
from packaging.requirements import Requirement
from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

from support.programs import program
from support.redis_servers import redis_server
from support.servers import SERVERS, Server, reserved_port, running

ROOT = Path(__file__).parents[2]

# Seconds that a command may take.
PATIENCE = 60

_INFO = re.compile(r"(?P<info>[^\n]*)\n(?P<options>(?:[ \t]*:[\w-]+:[^\n]*\n)*)")
_BLOCK = re.compile(r"\{code-block\} ([\w+-]+)|([\w+-]+)")
_RUN = [
    "cat",
    "curl",
    "head",
    "ls",
    "micropie",
    "mkdir",
    "printf",
    "pytest",
    "python",
    "servestatic",
]


class Block:
    """A block of code.

    Args:
        language: as the page names it.
        caption: the name of the file that it is; None if it is none.
        source: the code.
    """

    def __init__(self, language: str, caption: str | None, source: str) -> None:
        self.language = language
        self.caption = caption
        self.source = source


def blocks(document: Document) -> Iterator[Region]:
    """Yield the code blocks of *document*; a parser of Sybil.

    Raises:
        ValueError: a block does not say which language it is in.
    """
    for region in RawFencedCodeBlockLexer(_INFO)(document):
        info = region.lexemes["info"].strip()
        match = _BLOCK.fullmatch(info)
        if match is not None:
            caption = re.search(r":caption: *(.+)", region.lexemes["options"] or "")
            region.parsed = Block(
                match[1] or match[2],
                caption and caption[1].strip(),
                region.lexemes["source"].lstrip("\n"),
            )
            yield region
        elif not info.startswith("{"):
            raise ValueError(f"{document.path}, {document.line_column(region.start)}: no language")


class Reader:
    """A reader at work in *folder*, who has read nothing yet.

    Args:
        folder: an empty folder.
        stack: ends what is started.
        starts_servers: the pages say themselves when a server is to be started.
    """

    def __init__(self, folder: Path, stack: ExitStack, *, starts_servers: bool) -> None:
        self._folder = folder
        self._stack = stack
        self._starts_servers = starts_servers
        self._port = stack.enter_context(reserved_port())
        self._redis_port: int | None = None
        self._server: ExitStack | None = None
        self._running: Server | None = None
        self._serve_again: Callable[[], None] | None = None
        self._changed = False
        self._written: dict[Path, int] = {}  # when each file was written last, in seconds
        self._unused: set[str] = set()  # Python files that nothing has run yet

    def read(self, page: Path) -> None:
        """Do what *page* says.

        Raises:
            AssertionError: something came out differently.
        """

        def evaluate(example: Example) -> str | None:
            return self._do(example.parsed)

        def parse(document: Document) -> Iterable[Region]:
            for region in blocks(document):
                region.evaluator = evaluate
                yield region

        for example in Sybil(parsers=[parse]).parse(page):
            try:
                example.evaluate()
            except Exception as error:
                error.add_note(f"in {page.relative_to(ROOT)}, line {example.line}")
                raise

    def finish(self) -> None:
        """Stop the server.

        Raises:
            AssertionError: a file was never run.
        """
        self._stop()
        assert not self._unused, f"never run: {', '.join(sorted(self._unused))}"

    def _do(self, block: Block) -> None:
        check = {
            "json": json.loads,
            "toml": tomllib.loads,
            "ini": configparser.ConfigParser(strict=False).read_string,
            "nginx": self._check_nginx,
            "html": jinja2.Environment(autoescape=True).parse,
            "text": str,
        }.get(block.language)
        if block.language in ("console", "sh"):
            for command, printed in commands(block):
                self._type(command, printed)
        elif block.language == "python" and block.caption is None:
            self._run(block.source)
        elif block.caption is not None:
            self._write(block.caption, block.source)
            if block.language == "python":
                compile(block.source, block.caption, "exec")
                self._unused.add(block.caption)
        elif check is not None:
            check(block.source)
        else:
            raise AssertionError(f"a block of {block.language} is neither run nor checked")

    # Files and code.

    def _here(self, text: str) -> str:
        """Return *text* with the ports that are the servers' here."""
        if ":6379" in text and self._redis_port is None:
            folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
            self._redis_port = self._stack.enter_context(redis_server(folder / "redis")).port
        return text.replace(":6379", f":{self._redis_port}").replace(":8000", f":{self._port}")

    def _write(self, name: str, source: str) -> None:
        path = self._folder / name
        assert path.resolve().is_relative_to(self._folder.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._here(source))
        # Python runs cached bytecode for a source of the same size and second. Readers type more
        # slowly: date each change of a file at least a second after the one before.
        changed = max(int(path.stat().st_mtime), self._written.get(path, 0) + 1)
        os.utime(path, (changed, changed))
        self._written[path] = changed
        self._changed = True

    def _run(self, source: str) -> None:
        names: dict[str, Any] = {"__name__": "page"}
        exec(compile(self._here(source), "<page>", "exec"), names)
        if "app" in names:
            self._write("app.py", source)

    def _use(self, name: str) -> None:
        """Take note that the file *name* has been run, and with it what it imports."""
        if name in self._unused:
            self._unused.discard(name)
            for node in ast.walk(ast.parse((self._folder / name).read_text())):
                if isinstance(node, ast.ImportFrom):
                    self._use(f"{node.module}.py")
                elif isinstance(node, ast.Import):
                    for imported in node.names:
                        self._use(f"{imported.name}.py")

    def _check_nginx(self, source: str) -> None:
        """Let nginx read *source* as part of its `http` block, with nothing of the machine's."""
        source = source.replace("listen 80;", f"listen 127.0.0.1:{self._port};")
        source = re.sub(r"listen 443 [^;]*;|ssl_certificate[^;]*;", "", source)
        whole = (
            f"pid {self._folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{source}\n}}"
        )
        (self._folder / "checked.conf").write_text(whole)
        command = [program("nginx"), "-t", "-q", "-p", self._folder, "-c", "checked.conf"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        problems = [line for line in done.stderr.splitlines() if "[emerg]" in line]
        # Without being root it can't write where Debian keeps its temporary files.
        assert not [line for line in problems if "Permission denied" not in line], done.stderr

    # Commands.

    def _type(self, command: str, printed: str | None) -> None:
        words = shlex.split(command, comments=True)
        name = words[0]
        if name in SERVERS or words[:2] == ["micropie", "run"]:
            self._start(command)
        elif name == "pip":
            for package in words[2:]:
                check_installable(package)
        elif name == "hatch":
            check_hatch(words)
        elif name.startswith("./scripts/"):
            assert os.access(ROOT / name, os.X_OK), f"there is no {name}"
        elif name in ("cd", "kill", "source", "sudo", "systemctl") or "venv" in words:
            subprocess.run(["bash", "-n", "-c", command], check=True)
        elif name in _RUN:
            self._execute(command, words, printed)
        else:
            raise AssertionError(f"{name} is neither run nor checked")

    def _execute(self, command: str, words: list[str], printed: str | None) -> None:
        if any(":8000" in text for text in self._texts(words)):
            self._ensure_served()
        for word in words[1:]:
            self._use(word)
            self._use(f"{word.partition(':')[0]}.py")  # app:app, for micropie
        if "curl" in words:
            program("curl")
        if words[0] == "pytest":
            for name in [name for name in self._unused if Path(name).name.startswith("test_")]:
                self._use(name)
        done = subprocess.run(
            ["bash", "-c", self._here(_silent(command))],
            cwd=self._folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        actual = done.stdout.replace(str(self._port), "8000")
        if printed is None:
            assert done.returncode == 0, f"$ {command}\n{actual}{done.stderr}{self._log()}"
        else:
            message = f"$ {command}\n{actual}{done.stderr}\nexpected:\n{printed}{self._log()}"
            assert matches(printed, actual), message

    def _texts(self, words: Sequence[str]) -> Iterator[str]:
        """Yield the words of a command, and the scripts among them as text."""
        for word in words:
            yield word
            if word.endswith(".py") and (self._folder / word).exists():
                yield (self._folder / word).read_text().replace(f":{self._port}", ":8000")

    def _environment(self) -> dict[str, str]:
        """Return the environment of commands, in which those of this Python come first."""
        folder = os.path.dirname(sys.executable)
        path = os.pathsep.join(filter(None, [str(self._folder), os.environ.get("PYTHONPATH")]))
        return {
            **os.environ,
            "HOME": str(self._folder),  # ~/.curlrc is not for the reader's commands
            "PATH": folder + os.pathsep + os.environ["PATH"],
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "PYTEST_ADDOPTS": "",  # a page shows what pytest prints without any
        }

    # Servers.

    def _start(self, command: str) -> None:
        words = shlex.split(self._here(command))
        is_ours = words[0] == "micropie"
        reloads = "--reload" in words or (is_ours and "--no-reload" not in words)
        words = [word for word in words if word not in ("--reload", "--no-reload")]
        words += ["--no-reload"] if is_ours else []
        words = [str(self._port) if word == "8000" else word for word in words]
        if words[0] in ("micropie", "uvicorn") and "--port" not in words:
            words += ["--port", str(self._port)]
        target = next(word for word in words if re.fullmatch(r"\w+:\w+", word))

        def serve() -> None:
            self._stop()
            self._use(target.partition(":")[0] + ".py")
            self._server = ExitStack()
            self._running = self._server.enter_context(
                running(words[0], [sys.executable, "-m", *words], self._port, self._folder)
            )
            self._changed = False

        serve()
        self._serve_again = serve if reloads else None

    def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _ensure_served(self) -> None:
        if not self._starts_servers:
            if self._server is None or self._changed:
                self._start("uvicorn app:app")
        elif self._changed and self._serve_again is not None:
            self._serve_again()

    def _log(self) -> str:
        stopped = self._running is None or self._server is None
        return "" if stopped else f"\nserver:\n{self._running.log()}"


def read(pages: Sequence[Path], folder: Path) -> None:
    """Do what *pages* say, one after the other, in *folder*."""
    text = "".join(page.read_text() for page in pages)
    starts_servers = (
        re.search(rf"^\$ ({'|'.join(SERVERS)}|micropie run) ", text, re.MULTILINE) is not None
    )
    with ExitStack() as stack, in_folder(folder):
        reader = Reader(folder, stack, starts_servers=starts_servers)
        stack.callback(reader._stop)
        for page in pages:
            reader.read(page)
        reader.finish()


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """Work in *folder*, whose modules can be imported."""
    before, known = Path.cwd(), set(sys.modules)
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                del sys.modules[name]


def commands(block: Block) -> Iterator[tuple[str, str | None]]:
    """Yield each command of *block*, and what it prints: None for anything."""
    source = block.source.replace("\\\n", " ")
    if block.language == "sh":
        for line in source.splitlines():
            if shlex.split(line, comments=True):
                yield line, None
        return
    assert source.startswith("$ "), "a console shows commands behind '$ '"
    for part in re.split(r"^\$ ", source, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


def matches(expected: str, actual: str) -> bool:
    """Compare, without regard to blanks at line ends.

    In *expected*, "..." stands for anything in a line, and a line of nothing else for any lines.
    """
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in _trimmed(expected)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _trimmed(actual))) is not None


def _trimmed(text: str) -> list[str]:
    """Return the lines of *text* without blanks at their ends, or empty lines around them."""
    lines = [line.rstrip() for line in text.splitlines()]
    return "\n".join(lines).strip("\n").split("\n")


def _silent(command: str) -> str:
    """Let curl show no progress, as it would not on a terminal for so short an answer."""
    return re.sub(r"^curl ", "curl -sS ", command)


def check_installable(package: str) -> None:
    """Check that `pip install` would find *package*: one of ours, or one that is installed here."""
    if package.startswith("-") or package == ".":
        return
    requirement = Requirement(package)
    project = ROOT / "packages" / requirement.name / "pyproject.toml"
    if project.exists():
        extras = tomllib.loads(project.read_text())["project"].get("optional-dependencies", {})
        assert requirement.extras <= extras.keys(), f"{requirement.name} has no such extra"
    else:
        importlib.metadata.distribution(requirement.name)


def check_hatch(words: list[str]) -> None:
    """Check that `hatch run environment:script` names a script of hatch.toml."""
    if words[1] == "run":
        environment, _, script = words[2].rpartition(":")
        configured = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]
        assert script in configured[environment or "default"]["scripts"], f"no script {words[2]}"
