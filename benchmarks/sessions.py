"""Sessions in a store, under uvicorn: MicroPie's backends, and Starlette's with starsessions.

Each of wrk's requests carries the cookie of the next of many sessions. The stores are started for
this, by what starts them for the tests.
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.options import Options
from benchmarks.over_socket import SECONDS, Load
from benchmarks.processes import ROOT, Server, pinned_cores
from benchmarks.table import ContestantError, Measurement, Table

sys.path.append(str(ROOT / "tests"))

CONNECTIONS = 32
SESSIONS = 256
REFERENCE = "MicroPie, Redis"
STARSESSIONS = "Starlette, Redis"
ANSWERS = {"read": b"Alice Example, 4", "write": b"Alice Example, True"}

SCRIPT = """
local requests, turn
function init()
  requests, turn = {%s}, 0
end
function request()
  turn = turn %% #requests + 1
  return requests[turn]
end
"""


def tables(options: Options) -> Iterator[Table]:
    """Measure reading and writing in each store."""
    jobs = options.chosen(["session_read", "session_write"])
    if not jobs:
        return
    core, other_core = pinned_cores()
    seconds = 1 if options.is_quick else SECONDS
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        running = []
        for title, contestant, store in _stores(folder, stack):
            running.append(Server(contestant, ("shop", store), "uvicorn", cores=core, name=title))
            stack.callback(running[-1].stop)
        cookies = {server: [_enter(server) for _ in range(SESSIONS)] for server in running}
        for job in jobs:
            path = job.removeprefix("session_")
            loads = {}
            for server in running:
                _check(server, path, cookies[server][0])
                script = folder / f"{server.port}-{path}.lua"
                script.write_text(SCRIPT % ", ".join(_requests(path, cookies[server])))
                loads[server] = Load(1, CONNECTIONS, other_core, f"/{path}", script)
                loads[server].on(server, 1)

            def measure(server: Server, loads: dict[Server, Load] = loads) -> Measurement:
                return loads[server].on(server, seconds)

            title = f"session {path} in a store: uvicorn, one worker, {CONNECTIONS} connections"
            table = Table(f"sessions/{path}", title, "requests/s", True, reference=REFERENCE)
            table.fill(running, options.rounds, measure)
            yield table


def _stores(folder: Path, stack: contextlib.ExitStack) -> Iterator[tuple[str, str, str]]:
    """Start the stores; yield (title, contestant, URL)."""
    from support.redis_servers import redis_server
    from support.sql_servers import PostgreSQL, sql_server

    redis = stack.enter_context(redis_server(folder / "redis"))
    postgresql = stack.enter_context(sql_server(PostgreSQL))
    yield REFERENCE, "micropie", redis.url
    yield STARSESSIONS, "starlette", redis.url
    yield "MicroPie, memory", "micropie", "memory"
    yield "MicroPie, SQLite", "micropie", f"sqlite:///{folder}/sessions.db"
    yield "MicroPie, PostgreSQL", "micropie", postgresql.url


def _enter(server: Server) -> str:
    """Start a session; return its cookie."""
    _, headers, _ = server.get("/enter")
    return dict(headers)[b"set-cookie"].decode().partition(";")[0]


def _check(server: Server, path: str, cookie: str) -> None:
    status, _, body = server.get(f"/{path}", {"Cookie": cookie})
    if (status, body) != (200, ANSWERS[path]):
        raise ContestantError(f"{server.contestant}: {status} {body!r}")


def _requests(path: str, cookies: list[str]) -> Iterator[str]:
    return (f'wrk.format("GET", "/{path}", {{Cookie="{cookie}"}})' for cookie in cookies)
