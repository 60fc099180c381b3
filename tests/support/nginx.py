"""A real nginx, run as an ordinary process on a configuration that it is given."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.programs import program
from support.servers import Server, running


@contextmanager
def nginx(
    configuration: str, port: int, *, user: str | None = None, static: Path | None = None
) -> Iterator[Server]:
    """Run nginx until the block ends; its files are in a temporary folder.

    Args:
        configuration: what would be in nginx.conf; with `daemon off`, or it can't be ended.
        port: where that lets it listen, on 127.0.0.1.
        user: who runs it, if the tests run as root and it is to be somebody else.
        static: a folder that is copied to where its workers may read it; the configuration
            calls it `static/`.
    """
    # Not pytest's folders: those are closed to the users that nginx and its workers run as.
    with tempfile.TemporaryDirectory(prefix="micropie-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "nginx.conf").write_text(configuration)
        if static is not None:
            # A checkout may be in a folder that is closed to others, and so may its files be.
            shutil.copytree(static, folder / "static", copy_function=shutil.copyfile)
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        command = [program("nginx"), "-e", "stderr", "-p", f"{folder}/", "-c", "nginx.conf"]
        if user is not None:
            account = pwd.getpwnam(user)
            os.chown(folder, account.pw_uid, account.pw_gid)
            identity = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}"]
            command = ["setpriv", *identity, "--clear-groups", *command]
        with running("nginx", command, port, folder) as server:
            yield server
