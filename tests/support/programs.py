"""The programs that tests start, and the Debian packages that bring them.

Run as a script, it prints the packages of those that are missing, one a line.
"""

import os
import shutil
import subprocess
from pathlib import Path

#: Set by scripts/test: a missing program is installed, and one that can't be is a failure.
INSTALL = "MICROPIE_TEST_INSTALL"

PACKAGES = {
    "chromium": "chromium",
    "curl": "curl",
    "initdb": "postgresql",
    "mariadb": "mariadb-client",
    "mariadb-dump": "mariadb-client",
    "mariadb-install-db": "mariadb-server",
    "mariadbd": "mariadb-server",
    "nginx": "nginx-light",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "pg_dump": "postgresql",
    "pgbouncer": "pgbouncer",
    "postgres": "postgresql",
    "psql": "postgresql",
    "redis-cli": "redis-tools",
    "redis-server": "redis-server",
}

_INSTALLER = Path(__file__).parents[2] / "scripts" / "install-debian"


def program(name: str) -> str:
    """Return the path of the program *name*.

    One that is missing is installed when scripts/test asks for it; else the test is skipped.
    """
    path = _find(name)
    if path is None and os.environ.get(INSTALL):
        subprocess.run([_INSTALLER, PACKAGES[name]], check=True)
        path = _find(name)
        assert path is not None, f"{PACKAGES[name]} brings no {name}"
    if path is None:
        import pytest  # scripts/test runs this file as a script before pytest is installed

        pytest.skip(f"{name} is not installed (Debian: {PACKAGES[name]})")
    return path


def _find(name: str) -> str | None:
    # Servers are in /usr/sbin, where not every account looks; PostgreSQL's programs are sorted by
    # version, and what is on PATH is a wrapper that asks which cluster is meant.
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    newest_first = sorted(versions, key=lambda folder: -int(folder.parent.name))
    folders = [*map(str, newest_first), os.environ["PATH"], "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(folders))


if __name__ == "__main__":
    print(*sorted({PACKAGES[name] for name in PACKAGES if _find(name) is None}), sep="\n")
