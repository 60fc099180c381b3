"""Asks the Python Packaging Advisory Database about what the six packages may be installed with.

`hatch run audit:check` looks at both ends of the ranges in each pyproject.toml: the oldest
versions of the direct dependencies, and the newest. It needs the network. What the database can't
be asked about is a failure too.
"""

import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from uv import find_uv_bin


def main() -> None:
    """Run pip-audit on both ends; exit with 1 if it finds anything, or can't look."""
    results = [audit(resolution) for resolution in ("lowest-direct", "highest")]
    sys.exit(any(results))


def audit(resolution: str) -> int:
    """Return pip-audit's exit code for what uv resolves the packages to by *resolution*."""
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder, "requirements.txt")
        resolved.write_text(requirements(resolution))
        command = ["pip-audit", "--strict", "--no-deps", "--disable-pip", "-r", resolved]
        print(f"{resolution}: {' '.join(map(str, command))}", flush=True)
        return subprocess.run([sys.executable, "-m", "pip_audit", *command[1:]]).returncode


def requirements(resolution: str) -> str:
    """Return the versions that uv chooses by *resolution*, one a line, without our own packages."""
    projects = {
        tomllib.loads(path.read_text())["project"]["name"]: path.parent
        for path in Path("packages").glob("*/pyproject.toml")
    }
    wanted = "".join(f"-e ./{path}[{','.join(extras(path))}]\n" for path in projects.values())
    own = [f"--no-emit-package={name}" for name in projects]
    compile_ = [find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "-"]
    options = [f"--resolution={resolution}", "--python-version=3.11", *own]
    return subprocess.run(
        [*compile_, *options], input=wanted, text=True, check=True, stdout=subprocess.PIPE
    ).stdout


def extras(package: Path) -> list[str]:
    """Return the names of a package's extras."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    return sorted(project.get("optional-dependencies", {}))


if __name__ == "__main__":
    main()
