"""A PgBouncer that gives each transaction another connection, in front of a PostgreSQL server."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.programs import program
from support.servers import HOST, reserved_port
from support.sql_servers import DATABASE, PASSWORD, START_TIMEOUT, USER, PostgreSQL, unprivileged

# Of the pooler to the server: few, so that transactions of one client meet all of them.
CONNECTIONS = 4


@contextmanager
def pgbouncer(server: PostgreSQL) -> Iterator[int]:
    """Run it; gives the port, where the server's database and account are found."""
    with tempfile.TemporaryDirectory(prefix="micropie-") as name, reserved_port() as port:
        folder = Path(name)
        folder.chmod(0o755)  # it runs as another user
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        (folder / "ini").write_text(
            f"[databases]\n{DATABASE} = host={HOST} port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = {HOST}\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {folder / 'users'}\n"
            f"pool_mode = transaction\ndefault_pool_size = {CONNECTIONS}\n"
        )
        command = [program("pgbouncer"), str(folder / "ini")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, **unprivileged("postgres"))
        try:
            _wait(process, port, folder / "log")
            yield port
        finally:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with socket.socket() as client:
            if client.connect_ex((HOST, port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"pgbouncer failed:\n{log.read_text()}")
        time.sleep(0.02)
