"""Real PostgreSQL and MariaDB servers, each in a folder of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from support import processes
from support.programs import program
from support.servers import HOST, reserved_port

START_TIMEOUT = 60.0  # seconds; a loaded machine takes several
CLIENT_TIMEOUT = 30.0
LOG_SHOWN = 4000  # characters, the last ones

# What the servers are told is not the zone of any machine that tests run on: a backend that leaves
# times to the server's zone gets them wrong.
ZONE = "Asia/Kathmandu"
ZONE_OFFSET = "+05:45"

# The account that apps use has no rights beyond its database; the administrator's is the server's.
USER = "web"
PASSWORD = "pie"
DATABASE = "sessions"


_Kind = TypeVar("_Kind", bound="SQLServer")


class SQLServer(ABC):
    """A database server, which can be killed, paused and started again.

    Attributes:
        port: where it listens, on 127.0.0.1.
        driver: the SQLAlchemy dialect and driver of `url`.

    Args:
        folder: its data and its log; it belongs to `user`.
        port: where to listen.
    """

    driver: str
    #: Whom the Debian package runs the server as.
    owner: str
    #: A database that every such server has.
    own_database: str
    #: The option of `start` with which apps can write nothing.
    read_only: str
    #: Those with which only FEW connections of apps are taken.
    few_connections: tuple[str, ...]
    FEW: int

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._run_as = unprivileged(self.owner)

    @property
    def url(self) -> str:
        return self.url_for(self.driver)

    def url_for(self, driver: str) -> str:
        """Return the URL of the database for another driver."""
        url = f"{driver}://{USER}:{PASSWORD}@{HOST}:{self.port}/{DATABASE}"
        # Asyncpg that is to try TLS first, and is interrupted at it, leaves a future behind whose
        # exception nobody retrieves.
        return f"{url}?ssl=disable" if driver.endswith("asyncpg") else url

    def fill(self, template: Path | None = None) -> None:
        """Fill the folder: with what the server's own program makes, or a copy of such a folder."""
        if self._run_as:
            shutil.chown(self._folder, self._run_as["user"], self._run_as["group"])
        if template is None:
            self._initialize()
        else:
            # With their owner, which Python's own copies lose.
            subprocess.run(["cp", "-a", template / "data", self._folder], check=True)

    def set_up(self, template: Path | None = None) -> None:
        """Fill the folder, start the server and create what `url` names."""
        self.fill(template)
        self.start()
        self._create_account()

    def start(self, *options: str) -> None:
        """Start it, for the first time or after it was killed, and wait for it.

        *options* are further ones of the server's command line, for this time only.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command(), *options],
                cwd=self._folder,
                env=_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                **self._run_as,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            try:
                self.execute("SELECT 1", database=self.own_database)
                return
            except RuntimeError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = self._log.read_text(errors="replace")[-LOG_SHOWN:]
                    raise RuntimeError(f"{self._command()[0]} failed:\n{log}") from error
                time.sleep(0.02)

    def kill(self) -> None:
        """Kill all of it with SIGKILL, as a crash would."""
        if self._process is None:
            return
        # While it is stopped it can't start others, nor notice that those it has are dying.
        self._process.send_signal(signal.SIGSTOP)
        children = processes.children(self._process.pid)
        for pid in children:
            processes.send(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self._process = None
        # As long as one of them lives, the server can't be started again.
        deadline = time.monotonic() + START_TIMEOUT
        while any(processes.is_alive(pid) for pid in children):
            assert time.monotonic() < deadline, "the server's processes do not end"
            time.sleep(0.01)

    stop = kill  # nobody needs what a server that is told to end would write to disk

    def restart(self, *options: str) -> None:
        """Kill it and start it again, with further *options* of its command line."""
        self.kill()
        self.start(*options)

    def pause(self) -> None:
        """Stop all of it with SIGSTOP: connections stay, new ones are made, and nobody answers."""
        processes.pause(self._process.pid)

    def resume(self) -> None:
        """Let it go on."""
        processes.resume(self._process.pid)

    def execute(self, sql: str, *, database: str = DATABASE) -> str:
        """Return what *sql* yields, tab-separated, run by the administrator in the database.

        Raises:
            RuntimeError: it failed; the message is the server's.
        """
        done = subprocess.run(
            [*self._client(), database],
            input=sql,
            env=_ENVIRONMENT,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=CLIENT_TIMEOUT,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def dump(self) -> bytes:
        """Return the database as its dump program shows it, and the bytes of all its files."""
        shown = subprocess.run(
            [*self._dump_command(), DATABASE],
            env=_ENVIRONMENT,
            cwd=self._folder,
            capture_output=True,
            check=True,
            timeout=CLIENT_TIMEOUT,
        )
        parts = [shown.stdout]
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):  # a temporary one
                if path.is_file():
                    parts.append(path.read_bytes())
        return b"\n".join(parts)

    def _run(self, *command: str) -> None:
        """Run a program that the server needs before it starts."""
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_TIMEOUT,
            **self._run_as,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")

    @abstractmethod
    def disconnect_all(self) -> None:
        """Close the connections of all apps."""

    @abstractmethod
    def refuse_writes(self) -> None:
        """Write nothing from now on, also for connections that are open."""

    @abstractmethod
    async def somebody_waits(self) -> bool:
        """Tell whether a connection waits for a row that another one holds."""

    @abstractmethod
    def isolation(self, level: str) -> str:
        """Return the option of `start` that makes *level* what transactions get unasked."""

    @abstractmethod
    def _initialize(self) -> None:
        """Fill the folder."""

    @abstractmethod
    def _create_account(self) -> None:
        """Create the database and whom `url` names."""

    @abstractmethod
    def _command(self) -> list[str]: ...

    @abstractmethod
    def _client(self) -> list[str]: ...

    @abstractmethod
    def _dump_command(self) -> list[str]: ...


class PostgreSQL(SQLServer):
    """A PostgreSQL server."""

    driver = "postgresql+asyncpg"
    owner = "postgres"
    own_database = "postgres"
    read_only = "--default-transaction-read-only=on"
    few_connections = ("--max-connections=8", "--superuser-reserved-connections=3")
    FEW = 5

    def disconnect_all(self) -> None:
        self.execute(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}'"
        )

    def refuse_writes(self) -> None:
        self.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        self.execute("SELECT pg_reload_conf()")

    async def somebody_waits(self) -> bool:
        return self.execute("SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"

    def isolation(self, level: str) -> str:
        return f"--default-transaction-isolation={level}"

    def _initialize(self) -> None:
        self._run(
            *(program("initdb"), "--pgdata", str(self._folder / "data")),
            *("--username", "postgres", "--auth", "trust", "--encoding", "UTF8", "--no-locale"),
            "--no-sync",  # the server syncs what it writes; a crash of the machine ends the test
        )

    def _create_account(self) -> None:
        self.execute(
            f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}';\n"
            f"CREATE DATABASE {DATABASE} OWNER {USER};",
            database=self.own_database,
        )

    def _command(self) -> list[str]:
        return [
            *(program("postgres"), "-D", str(self._folder / "data")),
            *("-h", HOST, "-p", str(self.port), "-k", ""),
            *("-c", "shared_buffers=16MB", "-c", f"timezone={ZONE}"),
        ]

    def _client(self) -> list[str]:
        return [
            *(program("psql"), "-h", HOST, "-p", str(self.port), "-U", "postgres"),
            *("--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--field-separator=\t"),
            *("--set", "ON_ERROR_STOP=1"),
        ]

    def _dump_command(self) -> list[str]:
        return [program("pg_dump"), "-h", HOST, "-p", str(self.port), "-U", "postgres"]


class MariaDB(SQLServer):
    """A MariaDB server."""

    driver = "mysql+asyncmy"
    owner = "mysql"
    own_database = "mysql"
    read_only = "--read-only"
    few_connections = (
        "--max-connections=10",
    )  # fewer it does not do; an administrator is one more
    FEW = 10

    def disconnect_all(self) -> None:
        self.execute(f"KILL USER '{USER}'@'{HOST}'")

    def refuse_writes(self) -> None:
        self.execute("SET GLOBAL read_only = 1")

    async def somebody_waits(self) -> bool:
        # Not innodb_lock_waits, which shows old news to whoever asks again within 100 ms.
        status = self.execute("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")
        return status.split()[-1] != "0"

    def isolation(self, level: str) -> str:
        return f"--transaction-isolation={level.replace(' ', '-').upper()}"

    def _initialize(self) -> None:
        self._run(
            *(program("mariadb-install-db"), "--no-defaults"),
            *(f"--datadir={self._folder / 'data'}", f"--tmpdir={self._folder}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
            "--innodb-log-file-size=16M",
        )

    def _create_account(self) -> None:
        self.execute(
            f"CREATE DATABASE {DATABASE};"
            f"CREATE USER '{USER}'@'{HOST}' IDENTIFIED BY '{PASSWORD}';"
            f"GRANT ALL ON {DATABASE}.* TO '{USER}'@'{HOST}';",
            database=self.own_database,
        )

    def _command(self) -> list[str]:
        return [
            *(program("mariadbd"), "--no-defaults", f"--datadir={self._folder / 'data'}"),
            *(f"--tmpdir={self._folder}", f"--socket={self._folder / 'socket'}"),
            *(f"--bind-address={HOST}", f"--port={self.port}", "--skip-name-resolve"),
            *("--innodb-log-file-size=16M", "--innodb-buffer-pool-size=16M"),
            f"--default-time-zone={ZONE_OFFSET}",
        ]

    def _client(self) -> list[str]:
        return [program("mariadb"), *self._connection(), "--batch", "--skip-column-names"]

    def _dump_command(self) -> list[str]:
        return [program("mariadb-dump"), *self._connection()]

    def _connection(self) -> list[str]:
        return ["--no-defaults", f"--host={HOST}", f"--port={self.port}", "--user=root"]


@contextmanager
def sql_template(kind: type[SQLServer]) -> Iterator[Path]:
    """Make a folder as a server of that kind begins with; copies of it save it seconds."""
    with tempfile.TemporaryDirectory(prefix="micropie-") as folder:
        kind(Path(folder), port=0).fill()
        yield Path(folder)


@contextmanager
def sql_server(kind: type[_Kind], template: Path | None = None) -> Iterator[_Kind]:
    """Run a server of that kind, on a copy of *template* if there is one."""
    # Not pytest's folders: those are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="micropie-") as folder, reserved_port() as port:
        server = kind(Path(folder), port)
        try:
            server.set_up(template)
            yield server
        finally:
            server.stop()


# What a user has set for clients (PGHOST, PGPASSWORD, MYSQL_HOST, ...) is about other servers.
_ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C"}


def unprivileged(owner: str) -> dict[str, Any]:
    """Return how Popen is told to give up root's rights, with which no server starts."""
    if os.geteuid() != 0:
        return {}
    for name in (owner, "nobody"):
        with suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise RuntimeError(f"{owner} can't run as root, and there is neither {owner} nor nobody")
