"""`micropie new`: a folder with an app, its tests and a README, to begin with."""

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from shlex import quote

from micropie._command.targets import TargetError

# A name that can stand in a page, in a README and in Python's strings as it is.
_NAME = re.compile(r"[^\W_][\w .-]*")


def new(folder: str) -> None:
    """Make *folder*, and say what to do in it.

    Raises:
        TargetError: it exists, can't be made, or has no name to call an app by.
    """
    target = Path(folder)
    if not _NAME.fullmatch(target.name) or target.name.endswith((" ", ".")):
        raise TargetError(
            f"{folder!r} does not name an app: that takes letters, digits, spaces, '-', '_' and "
            "'.', and begins with a letter or digit"
        )
    try:
        target.mkdir()
        _write(files("micropie._command") / "template", target, target.name)
    except FileExistsError:
        raise TargetError(f"{folder!r} exists already; choose another name") from None
    except OSError as error:
        raise TargetError(f"{folder!r} can't be made: {error.strerror}") from None
    print(f"{folder} is made, and its README.md tells more. Now:\n")
    print(f"    cd {quote(folder)}")
    print("    pip install -r requirements.txt")
    print("    micropie run app:app")


def _write(template: Traversable, folder: Path, name: str) -> None:
    """Write the files of *template* to *folder*; they end with ".in", lest they count as code."""
    for entry in template.iterdir():
        path = folder / entry.name.removesuffix(".in")
        if entry.is_dir():
            path.mkdir()
            _write(entry, path, name)
        else:
            text = entry.read_text(encoding="utf-8").replace("@NAME@", name)
            path.write_text(text, encoding="utf-8")
