"""Requests with a session, over uvicorn with one worker: MicroPie against Starlette's way.

    hatch run bench:sessions [--rounds N] [--seconds N]

Starlette's way is starsessions with its RedisStore. Needs wrk, redis-server and PostgreSQL. Every
contestant is a server of its own and all are measured in every round, one after the other, starting
with another one each time; a ratio is taken within its round. Each of wrk's requests carries the
cookie of the next of many sessions.
"""

import argparse
import contextlib
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# What starts servers for the tests starts them here as well.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.redis_servers import redis_server
from support.servers import Server, serve
from support.sql_servers import PostgreSQL, sql_server

UVICORN_OPTIONS = (
    *("--factory", "--loop", "uvloop", "--http", "httptools"),
    *("--no-access-log", "--log-level", "warning"),
)
CONNECTIONS = 32
SESSIONS = 256

# What a shop knows of a customer: 300 bytes as JSON.
CUSTOMER = {
    "user": {"id": 12345, "name": "Alice Example", "groups": ["customers", "testers"]},
    "token": "m0m9bqRzVtQ0cPZyWb3dLr0x1aJ5sT8u",
    "cart": [{"id": 100 + number, "count": 1, "price": "12.50"} for number in range(4)],
    "language": "en",
    "seen": 0,
}

PATHS = {"read": "/", "write": "/see"}

# MicroPie on Redis, at least, as a multiple of Starlette on Redis.
TARGET = 1.3

SECONDS_OF_A_SESSION = 8 * 3600

WRK_SCRIPT = """
local requests, turn
function init()
  requests, turn = {REQUESTS}, 0
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""

# The apps


def micropie_app(store: str) -> Any:
    from micropie import App, InMemorySessionBackend, SessionBackend

    backend: SessionBackend
    if store == "memory":
        backend = InMemorySessionBackend()
    elif store.startswith("redis:"):
        from micropie_redis import RedisSessionBackend

        backend = RedisSessionBackend(store)
    else:
        from micropie_sql_sessions import SQLSessionBackend

        backend = SQLSessionBackend(store)

    class Shop(App):
        async def index(self) -> str:
            return f"{self.session['user']['name']}, {len(self.session['cart'])}"

        async def see(self) -> str:
            self.session["seen"] += 1
            return f"{self.session['user']['name']}, {self.session['seen'] > 0}"

        async def enter(self) -> str:
            self.session.update(CUSTOMER)
            return "welcome"

    return Shop(backend, session_timeout=SECONDS_OF_A_SESSION)


def starlette_app(store: str) -> Any:
    from redis.asyncio import Redis
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import HTMLResponse
    from starlette.routing import Route
    from starsessions import SessionAutoloadMiddleware, SessionMiddleware
    from starsessions.stores.redis import RedisStore

    async def index(request: Request) -> HTMLResponse:
        session = request.session
        return HTMLResponse(f"{session['user']['name']}, {len(session['cart'])}")

    async def see(request: Request) -> HTMLResponse:
        session = request.session
        session["seen"] += 1
        return HTMLResponse(f"{session['user']['name']}, {session['seen'] > 0}")

    async def enter(request: Request) -> HTMLResponse:
        request.session.update(CUSTOMER)
        return HTMLResponse("welcome")

    return Starlette(
        routes=[Route("/", index), Route("/see", see), Route("/enter", enter)],
        middleware=[
            Middleware(
                SessionMiddleware,
                store=RedisStore(connection=Redis.from_url(store)),
                lifetime=SECONDS_OF_A_SESSION,
                rolling=True,
                cookie_name="session_id",
                cookie_https_only=False,
            ),
            Middleware(SessionAutoloadMiddleware),
        ],
    )


def app() -> Any:
    """Return the app that uvicorn is to serve."""
    make = {"MicroPie": micropie_app, "Starlette": starlette_app}[os.environ["BENCH_FRAMEWORK"]]
    return make(os.environ["BENCH_STORE"])


# The measuring


class Contestant:
    """A framework on a store, served by uvicorn, with SESSIONS sessions in the store."""

    def __init__(self, name: str, server: Server, folder: Path) -> None:
        self.name = name
        self.rates: dict[str, list[float]] = {job: [] for job in PATHS}
        self._server = server
        self._scripts = {job: folder / f"{name} {job}.lua" for job in PATHS}

    def enter(self) -> None:
        """Start the sessions, and have wrk's scripts ready that use them."""
        answers = [self._server.get("/enter") for _ in range(SESSIONS)]
        cookies = [answer.headers["Set-Cookie"].partition(";")[0] for answer in answers]
        self._cookie = cookies[0]
        for job, path in PATHS.items():
            headers = (f'{{Cookie="{cookie}"}}' for cookie in cookies)
            requests = ", ".join(f'wrk.format("GET", "{path}", {header})' for header in headers)
            self._scripts[job].write_text(WRK_SCRIPT.replace("REQUESTS", requests))

    def answers(self) -> list[tuple[int, str, str]]:
        """Return what matters of the answers to a request of each job."""
        headers = {"Cookie": self._cookie}
        answers = [self._server.request("GET", path, headers=headers) for path in PATHS.values()]
        return [(answer.status, answer.headers["Content-Type"], answer.text) for answer in answers]

    def measure(self, job: str, seconds: int) -> float:
        """Return requests per second.

        Raises:
            SystemExit: some of them failed.
        """
        options = f"-t1 -c{CONNECTIONS} -d{seconds} -s".split()
        wrk = ["wrk", *options, str(self._scripts[job]), self._server.url + PATHS[job]]
        report = subprocess.run(wrk, check=True, capture_output=True, text=True).stdout
        speed = re.search(r"Requests/sec: +([\d.]+)", report)
        if speed is None or "Non-2xx" in report or "Socket errors" in report:
            raise SystemExit(f"{self.name}, {job}: {report}\n{self._server.log()}")
        return float(speed[1])


@contextlib.contextmanager
def contestants(folder: Path) -> Iterator[list[Contestant]]:
    """Run the stores, and a server for each contestant."""
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(redis_server(folder / "redis"))
        postgresql = stack.enter_context(sql_server(PostgreSQL))
        running = []
        for framework, title, store in (
            ("MicroPie", "Redis", redis.url),
            ("Starlette", "Redis", redis.url),
            ("MicroPie", "memory", "memory"),
            ("MicroPie", "SQLite", f"sqlite:///{folder}/sessions.db"),
            ("MicroPie", "PostgreSQL", postgresql.url),
        ):
            environment = {"BENCH_FRAMEWORK": framework, "BENCH_STORE": store}
            serving = serve(
                *("uvicorn", "sessions:app", Path(__file__).parent),
                options=UVICORN_OPTIONS,
                environment=environment,
            )
            server = stack.enter_context(serving)
            running.append(Contestant(f"{framework}, {title}", server, folder))
        yield running


def report(rivals: list[Contestant]) -> None:
    """Print a row for each job of each contestant."""
    print("| job | contestant | requests/s | MicroPie on Redis does times | target |")
    print("|---|---|---|---|---|")
    ours, reference, *_ = rivals
    for job, rival in itertools.product(PATHS, rivals):
        rates = rival.rates[job]
        spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f} to {max(rates):,.0f})"
        ratio = ""
        if rival is not ours:
            ratios = [our / their for our, their in zip(ours.rates[job], rates, strict=True)]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        target = f"at least {TARGET}" if rival is reference else ""
        print(f"| {job} | {rival.name} | {spread} | {ratio} | {target} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure requests with a session.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    parser.add_argument("--seconds", type=int, default=3, help="length of a measurement")
    options = parser.parse_args()
    if options.rounds < 5 or options.seconds < 1:
        parser.error("at least 5 rounds of 1 second")
    if shutil.which("wrk") is None:
        parser.error("wrk is missing: it is the package wrk of Debian")
    with tempfile.TemporaryDirectory() as folder, contestants(Path(folder)) as rivals:
        for rival in rivals:
            rival.enter()
        if any(rival.answers() != rivals[0].answers() for rival in rivals):
            raise SystemExit(f"different answers: {[rival.answers() for rival in rivals]}")
        for turn in range(options.rounds + 1):
            first = turn % len(rivals)
            for rival, job in itertools.product(rivals[first:] + rivals[:first], PATHS):
                rate = rival.measure(job, options.seconds)
                if turn > 0:  # the first round is to warm up
                    rival.rates[job].append(rate)
        print(f"wrk, {CONNECTIONS} connections, {SESSIONS} sessions; {options.rounds} rounds of")
        print(f"{options.seconds} s: median (lowest to highest)\n")
        report(rivals)


if __name__ == "__main__":
    main()
