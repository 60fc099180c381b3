"""What MicroPie costs in process: CPU time per request, next to bare ASGI and Starlette.

    hatch run bench:core [--rounds N] [--requests N] [--stdlib-json]

All contestants of a job run in every round, one after the other, and a ratio is taken within its
round, so that a machine that grows slower slows all of them. Requests are made beforehand: no time
is spent between them. The garbage collector runs between the measurements only.
"""

import argparse
import asyncio
import gc
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

ASGIApp = Callable[..., Awaitable[None]]
Contestants = dict[str, ASGIApp]

HEADERS = {
    "host, user-agent, accept, accept-encoding": [
        (b"host", b"127.0.0.1:8000"),
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"accept-encoding", b"gzip, deflate, br, zstd"),
    ],
    "only host": [(b"host", b"127.0.0.1:8000")],
}

# What the first of a job's contestants may cost at most, as a multiple of the second.
TARGETS = {"hello world": 3.5, "path + query parameter, JSON": 1.0}

BATCH = 1000  # requests that are made ahead and measured in one go


def jobs() -> dict[str, tuple[str, bytes, Contestants]]:
    """Return path, query string and contestants of each job."""
    micropie, starlette = micropie_app(), starlette_app()
    return {
        "hello world": (
            "/",
            b"",
            {"MicroPie": micropie, "bare ASGI": bare_app, "Starlette": starlette},
        ),
        "path + query parameter, JSON": (
            "/item/42",
            b"q=pie",
            {"MicroPie": micropie, "Starlette": starlette},
        ),
    }


async def bare_app(scope: Any, receive: Any, send: Any) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", b"13"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"Hello, World!"})


def micropie_app() -> ASGIApp:
    from micropie import App

    class Bench(App):
        async def index(self):
            return "Hello, World!"

        async def item(self, number: int, q=""):
            return {"number": number, "q": q}

    return Bench()


def starlette_app() -> ASGIApp:
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse, JSONResponse
    from starlette.routing import Route

    class FastJSONResponse(JSONResponse):
        """Starlette's documented way to the encoder that MicroPie picks by itself."""

        def render(self, content: Any) -> bytes:
            return orjson.dumps(content)

    try:
        import orjson
    except ImportError:
        json_response = JSONResponse
    else:
        json_response = FastJSONResponse

    async def index(request):
        return HTMLResponse("Hello, World!")

    async def item(request):
        number = request.path_params["number"]
        return json_response({"number": number, "q": request.query_params.get("q", "")})

    return Starlette(routes=[Route("/", index), Route("/item/{number:int}", item)])


def make_scope(path: str, query: bytes, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """Return a scope such as Uvicorn makes."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50000),
        "scheme": "http",
        "method": "GET",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "state": {},
    }


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def discard(message: dict[str, Any]) -> None:
    pass


async def response_of(app: ASGIApp, scope: dict[str, Any]) -> tuple[int, list[Any], bytes]:
    """Return status, sorted headers and body of what *app* sends."""
    messages: list[dict[str, Any]] = []

    async def record(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, record)
    start, *bodies = messages
    return start["status"], sorted(start["headers"]), b"".join(m["body"] for m in bodies)


async def cpu_seconds(app: ASGIApp, scopes: list[dict[str, Any]]) -> float:
    begin = time.process_time()
    for scope in scopes:
        await app(scope, receive, discard)
    return time.process_time() - begin


async def microseconds(app: ASGIApp, job: tuple[Any, ...], requests: int) -> float:
    """Return the CPU time that *app* takes for one of *requests* requests."""
    total = 0.0
    for _ in range(requests // BATCH):
        scopes = [make_scope(*job) for _ in range(BATCH)]
        gc.collect()
        gc.disable()
        total += await cpu_seconds(app, scopes)
        gc.enable()
    return total / (requests // BATCH * BATCH) * 1e6


async def measure(
    contestants: Contestants, job: tuple[Any, ...], rounds: int, requests: int
) -> dict[str, list[float]]:
    """Return each contestant's microseconds per request, round by round.

    Raises:
        SystemExit: they don't all send the same.
    """
    responses = [await response_of(app, make_scope(*job)) for app in contestants.values()]
    if any(response != responses[0] for response in responses):
        sys.exit(f"{job[0]}: the contestants answer differently: {responses}")
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for warm in (False, *[True] * rounds):
        for name, app in contestants.items():
            taken = await microseconds(app, job, requests)
            if warm:
                times[name].append(taken)
    return times


def report(job: str, headers: str, times: dict[str, list[float]]) -> None:
    """Print the rows of one job."""
    ours = times["MicroPie"]
    rival = list(times)[1]
    for name, taken in times.items():
        ratios = [our / their for our, their in zip(ours, taken, strict=True)]
        ratio, note = "", ""
        if name != "MicroPie":
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        if name == rival:
            note = f"at most {TARGETS[job]}"
        median = statistics.median(taken)
        spread = f"{median:.2f} ({min(taken):.2f} to {max(taken):.2f})"
        print(f"| {job} | {headers} | {name} | {spread} | {ratio} | {note} |")


async def run(rounds: int, requests: int) -> None:
    for headers, raw_headers in HEADERS.items():
        for job, (path, query, contestants) in jobs().items():
            times = await measure(contestants, (path, query, raw_headers), rounds, requests)
            report(job, headers, times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what MicroPie costs in process.")
    parser.add_argument("--rounds", type=int, default=9, help="measurements of each contestant")
    parser.add_argument("--requests", type=int, default=20_000, help="requests in a measurement")
    parser.add_argument("--stdlib-json", action="store_true", help="do as if orjson were missing")
    options = parser.parse_args()
    if options.rounds < 5 or options.requests < BATCH:
        parser.error(f"at least 5 rounds and {BATCH} requests")
    if options.stdlib_json:
        sys.modules["orjson"] = None  # type: ignore[assignment] # the import fails then
    try:
        import orjson  # noqa: F401 - only to see whether it is there

        encoder = "orjson"
    except ImportError:
        encoder = "json"
    print(f"{platform.python_implementation()} {platform.python_version()}, JSON by {encoder},")
    print(f"{options.rounds} rounds of {options.requests} requests: median (lowest to highest)")
    print()
    print("| job | headers | contestant | µs per request | MicroPie costs times | target |")
    print("|---|---|---|---|---|---|")
    asyncio.run(run(options.rounds, options.requests))


if __name__ == "__main__":
    main()
