"""Thousands of WebSockets at once: Socket.IO on workers whose Redis is killed, and broadcasts.

`python benchmarks/many_clients.py workers` starts four workers with SocketIO and a Redis, connects
clients, and emits numbers while Redis is there, after it was killed, and when it is back. It counts
what each client misses or gets twice, and the memory of the workers after each round.

`python benchmarks/many_clients.py broadcast` times 20 messages to 999 clients beside one that reads
nothing: micropie.Broadcast in one worker, RedisBroadcast in two, and Starlette's loop without that
client, which would hold it up.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError
from websockets.asyncio.client import ClientConnection, connect

from redis import Redis

PORT, REDIS_PORT = 8790, 8799
PATIENCE = 120.0  # seconds for anything that must happen

SOCKETIO = f"""
from micropie import App
from micropie_socketio import SocketIO

class Site(App):
    async def send(self, number: int):
        await sio.emit("number", number)

app = Site()
sio = SocketIO(app, redis_url="redis://127.0.0.1:{REDIS_PORT}/0", cors_allowed_origins="*")
"""

BROADCAST = f"""
import os
from micropie import App, Broadcast
from micropie_redis import RedisBroadcast

everybody = Broadcast()
if os.environ.get("BROADCAST_REDIS"):
    everybody = RedisBroadcast("redis://127.0.0.1:{REDIS_PORT}/0")

class Site(App):
    async def ws_index(self, ws, slow: bool = False):
        await ws.accept()
        async with everybody.join(ws):
            if slow:
                await ws.send_bytes(bytes(20_000_000))
            async for _ in ws:
                pass

    async def send(self, count: int):
        for number in range(count):
            await everybody.send("x" * 1000)

app = Site(websocket_origins="*", websocket_send_timeout=None)
"""

STARLETTE = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

sockets = set()

async def join(ws):
    await ws.accept()
    sockets.add(ws)
    try:
        async for _ in ws.iter_text():
            pass
    finally:
        sockets.discard(ws)

async def send(request):
    for number in range(int(request.path_params["count"])):
        if "gather" in request.query_params:
            await asyncio.gather(*(ws.send_text("x" * 1000) for ws in sockets))
        else:
            for ws in list(sockets):
                await ws.send_text("x" * 1000)
    return PlainTextResponse("")

app = Starlette(routes=[Route("/send/{count}", send), WebSocketRoute("/", join)])
"""


@contextmanager
def worker(source: str, number: int = 0, **environment: str) -> Iterator[int]:
    """Serve an app with uvicorn; yields the process id."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "many_app.py").write_text(source)
        options = f"--port {PORT + number} --log-level error --ws-max-size 30000000".split()
        command = [sys.executable, "-m", "uvicorn", "many_app:app", *options]
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment})
        try:
            wait_for(lambda: get(number, "/") is not None)
            yield process.pid
        finally:
            process.kill()
            process.wait()


@contextmanager
def redis() -> Iterator["RedisServer"]:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()


class RedisServer:
    """A Redis that keeps nothing."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.client = Redis(port=REDIS_PORT)

    def start(self) -> None:
        command = ["redis-server", "--port", str(REDIS_PORT), "--save", "", "--dir", self._folder]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait_for_listeners(self, channel: str, count: int) -> None:
        wait_for(lambda: self.client.pubsub_numsub(channel)[0][1] == count)

    def _answers(self) -> bool:
        with suppress(RedisError):
            return bool(self.client.ping())
        return False


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.02)


def get(number: int, path: str) -> str | None:
    with suppress(OSError):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{PORT + number}{path}") as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return str(error)
    return None


def memory(pid: int) -> float:
    """Return the MiB that a process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


# Socket.IO


class Listener:
    """A Socket.IO client that counts the numbers it gets."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.got: dict[int, int] = {}

    async def join(self) -> None:
        await self._socket.recv()
        await self._socket.send("40")
        while not str(await self._socket.recv()).startswith("40"):
            pass

    async def listen(self) -> None:
        async for message in self._socket:
            if message == "2":
                await self._socket.send("3")
            elif isinstance(message, str) and message.startswith("42"):
                number = int(message.removeprefix('42["number",').rstrip("]"))
                self.got[number] = self.got.get(number, 0) + 1


async def measure_workers(clients: int, workers: int, rounds: int, numbers: int) -> None:
    with redis() as server, ExitStack() as stack:
        pids = [stack.enter_context(worker(SOCKETIO, number)) for number in range(workers)]
        server.wait_for_listeners("socketio", workers)
        listeners: list[Listener] = []
        tasks = []
        async with AsyncExitStack() as sockets:
            for number in range(clients):
                url = f"ws://127.0.0.1:{PORT + number % workers}/socket.io/"
                connection = connect(f"{url}?EIO=4&transport=websocket", open_timeout=PATIENCE)
                listeners.append(Listener(await sockets.enter_async_context(connection)))
                await listeners[-1].join()
                tasks.append(asyncio.create_task(listeners[-1].listen()))  # and answer pings
            print(f"{clients} clients of {workers} workers")
            first = 0
            for _ in range(rounds):
                there = [*range(first, first + numbers)]
                away = [*range(there[-1] + 1, there[-1] + 1 + numbers)]
                back = [*range(away[-1] + 1, away[-1] + 1 + numbers)]
                first = back[-1] + 1
                await emit(there, workers)
                await until_received(listeners, there)
                server.kill()
                await emit(away, workers)
                server.start()
                await asyncio.to_thread(server.wait_for_listeners, "socketio", workers)
                await emit(back, workers)
                await until_received(listeners, back)
                await asyncio.sleep(1)  # for what might come twice
                report(listeners, there, away, back, [memory(pid) for pid in pids])
            for task in tasks:
                task.cancel()


async def emit(numbers: list[int], workers: int) -> None:
    for number in numbers:
        await asyncio.to_thread(get, number % workers, f"/send/{number}")


async def until_received(listeners: list[Listener], numbers: list[int]) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            for listener in listeners:
                while not listener.got.keys() >= set(numbers):  # noqa: ASYNC110 # a benchmark
                    await asyncio.sleep(0.05)


def report(
    listeners: list[Listener],
    there: list[int],
    away: list[int],
    back: list[int],
    memories: list[float],
) -> None:
    def lost(numbers: list[int]) -> str:
        missing = sum(number not in one.got for one in listeners for number in numbers)
        return f"{missing} of {len(numbers) * len(listeners)}"

    twice = sum(count > 1 for one in listeners for count in one.got.values())
    print(
        f"lost: {lost(there)} before, {lost(away)} while Redis was away, {lost(back)} after; "
        f"twice: {twice}; MiB of the workers: {', '.join(f'{one:.1f}' for one in memories)}"
    )


# Broadcasts


@asynccontextmanager
async def readers(clients: int, workers: int) -> AsyncIterator[list[ClientConnection]]:
    async with AsyncExitStack() as stack:
        sockets = []
        for number in range(clients):
            url = f"ws://127.0.0.1:{PORT + number % workers}/"
            connection = connect(url, open_timeout=PATIENCE, ping_interval=None, compression=None)
            sockets.append(await stack.enter_async_context(connection))
        yield sockets


async def silent() -> asyncio.StreamWriter:
    """Connect a client that reads nothing, and wait until the server is stuck with it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1000)
    writer.write(
        b"GET /?slow=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return writer


async def seconds_for(sockets: list[ClientConnection], messages: int, path: str) -> float:
    async def read(socket: ClientConnection) -> None:
        for _ in range(messages):
            await socket.recv()

    tasks = [asyncio.create_task(read(socket)) for socket in sockets]
    await asyncio.sleep(0)
    begin = time.perf_counter()
    sending = asyncio.create_task(asyncio.to_thread(get, 0, path))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*tasks)
    seconds = time.perf_counter() - begin
    await sending
    return seconds


async def measure_broadcast(clients: int, rounds: int, messages: int) -> None:
    times: dict[str, list[float]] = {}
    cases = (
        ("Starlette's loop, without the silent client", STARLETTE, 1, False, ""),
        ("Starlette with gather(), without it", STARLETTE, 1, False, "?gather=1"),
        ("micropie.Broadcast, with it", BROADCAST, 1, True, ""),
        ("RedisBroadcast in two workers, with it", BROADCAST, 2, True, ""),
    )
    with redis():
        for _ in range(rounds):
            for name, source, workers, has_silent, query in cases:
                environment = {"BROADCAST_REDIS": "1"} if workers > 1 else {}
                with ExitStack() as stack:
                    for number in range(workers):
                        stack.enter_context(worker(source, number, **environment))
                    async with readers(clients - 1, workers) as sockets:
                        writer = await silent() if has_silent else None
                        for _ in range(3):
                            path = f"/send/{messages}{query}"
                            taken = await seconds_for(sockets, messages, path)
                            times.setdefault(name, []).append(taken)
                        if writer is not None:
                            writer.close()
    for name, taken in times.items():
        print(f"{name}: {min(taken):.3f} s at best, {statistics.median(taken):.3f} s the median")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["workers", "broadcast"])
    parser.add_argument("--clients", type=int)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    if options.what == "workers":
        asyncio.run(measure_workers(options.clients or 2000, 4, options.rounds, 20))
    else:
        asyncio.run(measure_broadcast(options.clients or 1000, options.rounds, 20))


if __name__ == "__main__":
    main()
