"""A static file over uvicorn: MicroPie's Static, ServeStatic's own app and Starlette's StaticFiles.

    hatch run bench:static [--rounds N] [--seconds N] [--size BYTES]

Each is a server process of its own, and all are measured in every round, one after the other; a
ratio is taken within its round. The client is wrk if it is installed, else threads of Python, which
take more of the machine than the servers do.
"""

import argparse
import contextlib
import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONNECTIONS = 16
ROOT = os.environ.get("BENCH_STATIC", "")
OPTIONS = ["--app-dir", str(Path(__file__).parent), "--log-level", "warning", "--lifespan", "off"]

# How fast the first must be at least, as a multiple of each of the others.
TARGETS = {"ServeStaticASGI": 0.9, "Starlette": 1.0}
ATTRIBUTES = {"MicroPie": "micropie", "ServeStaticASGI": "servestatic", "Starlette": "starlette"}


def __getattr__(name: str) -> Any:
    """Make the app that the server asks this module for; only that one's library is imported."""
    if name not in ATTRIBUTES.values():
        raise AttributeError(name)
    return globals()[f"{name}_app"]()


def micropie_app() -> Any:
    from micropie import App
    from micropie_static import Static

    app = App()
    app.mount("/static", Static(ROOT))
    return app


def servestatic_app() -> Any:
    from servestatic import ServeStaticASGI

    return ServeStaticASGI(None, root=ROOT, prefix="static")


def starlette_app() -> Any:
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    return Starlette(routes=[Mount("/static", StaticFiles(directory=ROOT))])


@contextlib.contextmanager
def serve(attribute: str, root: str) -> Iterator[int]:
    """Serve an app of this module; gives the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", *OPTIONS, "--port", str(port)]
    process = subprocess.Popen(
        [*command, f"static:{attribute}"], env={**os.environ, "BENCH_STATIC": root}
    )
    try:
        while True:
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            if process.poll() is not None:
                sys.exit(f"{attribute} did not start")
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def check(port: int, content: bytes) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/static/file.bin")
    response = connection.getresponse()
    if response.read() != content:
        sys.exit(f"not the file: {response.status}")
    connection.close()


def requests_per_second(port: int, seconds: float) -> float:
    if wrk := shutil.which("wrk"):
        url = f"http://127.0.0.1:{port}/static/file.bin"
        command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", url]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        if "Non-2xx" in told or "Socket errors" in told:
            sys.exit(told)
        found = re.search(r"Requests/sec:\s+([\d.]+)", told)
        if found is None:
            sys.exit(told)
        return float(found[1])
    return _requests_by_threads(port, seconds)


def _requests_by_threads(port: int, seconds: float) -> float:
    counts = []

    def run() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            connection.request("GET", "/static/file.bin")
            connection.getresponse().read()
            count += 1
        counts.append(count)
        connection.close()

    threads = [threading.Thread(target=run) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / seconds


def measure(rounds: int, seconds: float, size: int) -> dict[str, list[float]]:
    """Return the requests per second of each, round by round."""
    content = os.urandom(size)
    with tempfile.TemporaryDirectory() as root, contextlib.ExitStack() as stack:
        (Path(root) / "file.bin").write_bytes(content)
        ports = {
            name: stack.enter_context(serve(attribute, root))
            for name, attribute in ATTRIBUTES.items()
        }
        for port in ports.values():
            check(port, content)
            requests_per_second(port, 1)  # to warm up
        speeds: dict[str, list[float]] = {name: [] for name in ports}
        for _ in range(rounds):
            for name, port in ports.items():
                speeds[name].append(requests_per_second(port, seconds))
        return speeds


def report(speeds: dict[str, list[float]]) -> None:
    print("| contestant | requests/s | MicroPie is faster times | target |")
    print("|---|---|---|---|")
    for name, speed in speeds.items():
        ratio, target = "", ""
        if name in TARGETS:
            ratios = [our / their for our, their in zip(speeds["MicroPie"], speed, strict=True)]
            ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            target = f"at least {TARGETS[name]}"
        spread = f"{statistics.median(speed):.0f} ({min(speed):.0f} to {max(speed):.0f})"
        print(f"| {name} | {spread} | {ratio} | {target} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how fast a static file is served.")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each contestant")
    parser.add_argument("--seconds", type=float, default=3, help="how long one takes")
    parser.add_argument("--size", type=int, default=10_000, help="bytes of the file")
    options = parser.parse_args()
    if options.rounds < 5:
        parser.error("at least 5 rounds")
    speeds = measure(options.rounds, options.seconds, options.size)
    print(f"{options.size} bytes, {options.rounds} rounds: median (lowest to highest)")
    print()
    report(speeds)


if __name__ == "__main__":
    main()
