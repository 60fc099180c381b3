"""A process that holds one contestant and measures it when told to, over pipes.

    python -m benchmarks.worker CONTESTANT JOB

Every line of its input is a command, a JSON object; every line of its output is the result. It
needs nothing but the standard library and the contestant (and takes uvloop where there is one, as
uvicorn does).
"""

import asyncio
import gc
import json
import os
import sys
import time
from typing import Any, TextIO

from benchmarks.contestants import make_app
from benchmarks.jobs import JOBS, Job

TIMEOUT = 30.0  # seconds until an app has started and answered
MAX_BATCH = 1000  # requests that are made ahead and measured in one go


class Channel:
    """One request's side of ASGI: its body once, then a client that leaves when it is answered."""

    def __init__(self, body: bytes) -> None:
        self._message: dict[str, Any] | None
        self._message = {"type": "http.request", "body": body, "more_body": False}
        self._is_answered = asyncio.Event()
        self.is_awaited = False  # somebody waits for the client to leave

    async def receive(self) -> dict[str, Any]:
        message, self._message = self._message, None
        if message is None:
            self.is_awaited = True
            await self._is_answered.wait()
            message = {"type": "http.disconnect"}
        return message

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._is_answered.set()


async def discard(message: dict[str, Any]) -> None:
    pass


class Contestant:
    """One framework with the app of one job; a process has no other, so none can slow another."""

    def __init__(self, name: str, job: str) -> None:
        self._name = name
        self._job = JOBS[job]
        self._cookie: bytes | None = None
        self._batch = 1

    async def open(self) -> dict[str, str]:
        """Make the app and see what it answers; return its fault, if any."""
        self._app = make_app(self._name, self._job.app, *self._job.arguments)
        async with asyncio.timeout(TIMEOUT):
            await self._start()
            if self._job.before is not None:
                first = Job("", "", "", self._job.before)
                _, headers, _ = await self._answer(first)
                cookies = [value.split(b";")[0] for name, value in headers if name == b"set-cookie"]
                self._cookie = b"; ".join(cookies)
            fault = self._job.fault_in(*await self._answer(self._job))
        return {} if fault is None else {"fault": fault}

    async def calibrate(self, seconds: float) -> dict[str, int]:
        """Warm up, and find how many requests take about *seconds*, or MAX_BATCH."""
        while await self._cpu_seconds() < seconds and self._batch < MAX_BATCH:
            self._batch = min(self._batch * 2, MAX_BATCH)
        return {"batch": self._batch}

    async def measure(self, seconds: float) -> dict[str, float]:
        """Return the microseconds of CPU time that one request takes."""
        spent, requests = 0.0, 0
        while spent < seconds:
            spent += await self._cpu_seconds()
            requests += self._batch
        return {"microseconds": spent / requests * 1e6}

    async def _cpu_seconds(self) -> float:
        app, job = self._app, self._job
        requests = []
        for _ in range(self._batch):
            channel = Channel(job.body)
            send = channel.send if self._waits_for_the_end else discard
            requests.append((job.scope(self._cookie), channel.receive, send))
        # The collector stays on, as in a server; what was made ahead must not be its business.
        gc.collect()
        gc.freeze()
        begin = time.process_time()
        for scope, receive, send in requests:
            await app(scope, receive, send)
        await asyncio.sleep(0)  # the loop has its share of work, such as dropping timers
        spent = time.process_time() - begin
        gc.unfreeze()
        return spent

    async def _answer(self, job: Job) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        messages: list[dict[str, Any]] = []
        channel = Channel(job.body)

        async def record(message: dict[str, Any]) -> None:
            messages.append(message)
            await channel.send(message)

        await self._app(job.scope(self._cookie), channel.receive, record)
        # Only who waits needs telling; for all others to send is as cheap as can be.
        self._waits_for_the_end = channel.is_awaited
        start, *chunks = messages
        headers = [(bytes(name).lower(), bytes(value)) for name, value in start["headers"]]
        return start["status"], headers, b"".join(chunk.get("body", b"") for chunk in chunks)

    async def _start(self) -> None:
        """Begin the app's lifespan; one that has none is served without, as servers do."""
        begun = asyncio.Event()
        messages = [{"type": "lifespan.startup"}]

        async def receive() -> dict[str, Any]:
            return messages.pop() if messages else await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: dict[str, Any]) -> None:
            begun.set()

        async def live() -> None:
            scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
            try:
                await self._app(scope, receive, send)
            except Exception:  # noqa: S110 - how an app says that it knows no lifespan
                pass
            finally:
                begun.set()

        self._lifespan = asyncio.create_task(live())  # kept, or it would be collected
        await begun.wait()


async def serve(contestant: Contestant, commands: TextIO, results: TextIO) -> None:
    for line in commands:
        command = json.loads(line)
        result = await getattr(contestant, command.pop("do"))(**command)
        print(json.dumps(result), file=results, flush=True)


def main() -> None:
    # What a framework prints must not come between the results.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        from uvloop import run
    except ImportError:
        from asyncio import run
    run(serve(Contestant(*sys.argv[1:]), sys.stdin, results))


if __name__ == "__main__":
    main()
