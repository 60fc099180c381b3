"""SQL sessions on SQLite: how long a load takes among many, and how long a purge holds up writers.

Run: hatch run bench:sql_sessions [--sessions 100000]
"""

import argparse
import asyncio
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from micropie import hash_session_id
from micropie_sql_sessions import SQLSessionBackend

HOUR = 3600
FEW = 100
ROUNDS = 2000
MOST_LOAD_RATIO = 2.0
MOST_WAITING = 0.1  # seconds
SECONDS_ALONE = 10


async def fill(backend: SQLSessionBackend, url: str, count: int, expires_in: float) -> list[str]:
    """Store *count* sessions of about 200 bytes at once; return their ids."""
    await backend.load("")  # creates the table
    ids = [secrets.token_urlsafe(32) for _ in range(count)]
    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in)
    data = '{"user":"alice","cart":["' + "pie" * 60 + '"]}'
    row = {"data": data, "revision": 1, "expires_at": expires_at}
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        rows = [{"id": hash_session_id(session_id), **row} for session_id in ids]
        await connection.execute(insert(backend.table), rows)
    await engine.dispose()
    return ids


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    before = time.perf_counter()
    await call()
    return time.perf_counter() - before


async def loading(folder: Path, count: int) -> float:
    """Return the median seconds of a load, of sessions in random order, among *count*."""
    url = f"sqlite+aiosqlite:///{folder / str(count)}.db"
    backend = SQLSessionBackend(url, purge_every=None)
    ids = await fill(backend, url, count, HOUR)
    chosen = [secrets.choice(ids) for _ in range(ROUNDS)]
    for session_id in chosen[:200]:  # statements compiled, connections open
        await backend.load(session_id)
    times = [await timed(lambda key=key: backend.load(key)) for key in chosen]
    await backend.shutdown()
    return statistics.median(times)


async def purging(folder: Path, count: int) -> tuple[float, list[float], list[float]]:
    """Return the seconds that purging half of *count* sessions takes, those of merges alone before,
    and those of merges meanwhile.

    Purging and writing are two backends, as in two processes.
    """
    url = f"sqlite+aiosqlite:///{folder / 'purge.db'}"
    backend, other = (SQLSessionBackend(url, purge_every=None) for _ in range(2))
    await fill(backend, url, count // 2, -HOUR)
    ids = await fill(backend, url, count // 2, HOUR)
    await other.load(ids[0])

    async def merges_until(task: asyncio.Task[Any]) -> list[float]:
        merges: list[float] = []
        while not task.done():
            key = secrets.choice(ids)
            merges.append(await timed(lambda key=key: backend.merge(key, {"n": 1}, (), HOUR)))
        return merges

    alone = await merges_until(asyncio.create_task(asyncio.sleep(SECONDS_ALONE)))
    purge = asyncio.create_task(timed(other.purge))
    meanwhile = await merges_until(purge)
    for each in (backend, other):
        await each.shutdown()
    return await purge, alone, meanwhile


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=100_000)
    count = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = [await loading(folder, number) for number in (FEW, count)]
        print(f"load, {FEW} sessions: {few * 1e3:.3f} ms")
        print(f"load, {count} sessions: {many * 1e3:.3f} ms, {many / few:.2f} times as long")
        seconds, alone, merges = await purging(folder, count)
        print(f"purge of {count // 2} of {count}: {seconds:.1f} s")
        for name, times in (("before", alone), ("meanwhile", merges)):
            print(
                f"{len(times)} merges {name}: median {statistics.median(times) * 1e3:.1f} ms, "
                f"longest {max(times) * 1e3:.1f} ms"
            )
    if max(alone) > MOST_WAITING:
        raise SystemExit("merges take that long without a purge: the machine is too busy to tell")
    if many > MOST_LOAD_RATIO * few or max(merges) > MOST_WAITING:
        raise SystemExit(f"more than {MOST_LOAD_RATIO} times, or {MOST_WAITING * 1e3:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main())
