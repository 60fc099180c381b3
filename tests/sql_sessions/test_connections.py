"""Connections to the database: whose they are, how long they wait, and who closes them."""

import asyncio
import contextlib
import subprocess
import sys
import threading

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from micropie_sql_sessions import SQLSessionBackend
from support.faults import until as until_true
from support.loops import (
    loop_in_a_thread,
    use_after_a_loop_that_closed_nothing,
    use_in_one_loop_after_another,
    write_in_two_loops_at_the_same_time,
)
from support.sessions import ID, LONG, PATIENT
from support.sql_places import DRIVERS, until

pytestmark = pytest.mark.anyio


def _connections(place):
    if place.url.startswith("mysql"):
        return "information_schema.processlist WHERE user = 'web'"
    return "pg_stat_activity WHERE usename = 'web'"


async def test_a_given_engine_is_not_disposed_of(place):
    engine = create_async_engine(place.url)
    backend = SQLSessionBackend(engine, table=place.table)
    await backend.startup()
    await backend.save(ID, {"a": 1}, LONG)
    await backend.merge(ID, {"b": 1}, (), LONG)
    await backend.shutdown()
    assert engine.pool.checkedin() > 0
    assert engine.pool.checkedout() == 0
    # And nothing is left behind in it: transactions begin as its owner is used to.
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"DELETE FROM {place.table} WHERE id <> 'purge'")
        await connection.rollback()
    assert await backend.load(ID) == {"a": 1, "b": 1}
    await engine.dispose()


@pytest.mark.parametrize("place", DRIVERS, indirect=True)
async def test_connections_made_from_a_url_are_closed(place):
    def connections():
        return int(place.execute(f"SELECT count(*) FROM {_connections(place)}"))

    await until(lambda: connections() == 0)  # those of other tests
    backend = place.backend(max_connections=3)
    await asyncio.gather(*(backend.save(f"id {n}", {"a": 1}, LONG) for n in range(30)))
    assert connections() == 3  # calls wait for a free one
    await backend.shutdown()
    await until(lambda: connections() == 0)


def test_one_event_loop_after_another_can_use_it(place):
    use_in_one_loop_after_another(place.backend())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_event_loop_that_closed_nothing_does_no_harm_to_the_next(place):
    use_after_a_loop_that_closed_nothing(place.backend())


def test_loops_at_the_same_time_lose_no_write(place):
    write_in_two_loops_at_the_same_time(place.backend(purge_every=None))


def test_a_loop_that_ends_leaves_no_connection(place):
    backend = place.backend(purge_every=None)

    def connections():
        if place.url.startswith("sqlite"):
            return threading.active_count()  # each has a thread
        return int(place.execute(f"SELECT count(*) FROM {_connections(place)}"))

    with loop_in_a_thread() as server:
        server.run(backend.save(ID, {"a": 1}, LONG))
        before = connections()
        for _ in range(5):
            assert asyncio.run(backend.load(ID)) == {"a": 1}
            server.run(backend.load(ID))
        asyncio.run(until(lambda: connections() == before))


async def test_requests_that_are_cancelled_leave_nothing_behind(place):
    backend = place.backend(max_connections=3)
    await backend.save(ID, {"a": 1}, LONG)
    for delay in (0, 0.001, 0.005, 0.02):
        tasks = [asyncio.create_task(backend.merge(ID, {"a": n}, (), LONG)) for n in range(20)]
        await asyncio.sleep(delay)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    await asyncio.gather(*(backend.merge(ID, {f"k{n}": n}, (), LONG) for n in range(20)))
    assert len(await backend.load(ID)) == 21
    await backend.shutdown()


async def test_a_call_that_waits_too_long_is_a_timeout_error(place):
    patient, backend = place.backend(), place.backend(timeout=0.5, purge_every=None)
    await patient.save(ID, {"a": 1}, LONG)
    engine = create_async_engine(place.url)
    async with engine.connect() as holding:
        if place.url.startswith("sqlite"):
            await holding.exec_driver_sql("BEGIN IMMEDIATE")
        await holding.exec_driver_sql(f"UPDATE {place.table} SET data = '{{}}'")
        with pytest.raises(TimeoutError, match=r"0\.5 s"):
            await backend.merge(ID, {"b": 1}, (), LONG)
    await engine.dispose()

    async def merged():
        with contextlib.suppress(TimeoutError):  # on a busy machine
            return await backend.merge(ID, {"b": 1}, (), LONG)

    await until_true(merged)
    assert await patient.load(ID) == {"a": 1, "b": 1}
    for each in (patient, backend):
        await each.shutdown()


@contextlib.asynccontextmanager
async def watched(place):
    """Make a backend on an engine whose statements can be seen."""
    engine, seen = create_async_engine(place.url), []
    event.listen(
        engine.sync_engine, "before_cursor_execute", lambda *args: seen.append(args[2].split()[0])
    )
    backend = SQLSessionBackend(engine, table=place.table, timeout=PATIENT)
    yield backend, seen
    await backend.shutdown()
    await engine.dispose()


async def test_sqlite_writes_to_the_disk_once_for_requests_at_the_same_moment(sqlite):
    async with watched(sqlite) as (backend, seen):
        ids = [f"id {number}" for number in range(20)]
        for id_ in ids:
            await backend.save(id_, {"a": 1}, LONG)
        seen.clear()
        await asyncio.gather(*(backend.merge(id_, {"id": id_}, (), LONG) for id_ in ids))
        assert seen.count("UPDATE") == 20
        assert seen.count("COMMIT") == 1
        loaded = await asyncio.gather(*map(backend.load, ids))
        assert loaded == [{"a": 1, "id": id_} for id_ in ids]


async def test_what_can_not_be_written_fails_alone(backend):
    await backend.save(ID, {"a": 1}, LONG)
    given = ({"b": 1}, {"c": object()}, {"d": 1}, {"e": float("nan")})
    results = await asyncio.gather(
        *(backend.merge(ID, changed, (), LONG) for changed in given), return_exceptions=True
    )
    assert [type(result) for result in results] == [bool, TypeError, bool, ValueError]
    assert await backend.load(ID) == {"a": 1, "b": 1, "d": 1}


async def test_sqlite_in_memory_serves_many_at_once():
    backend = SQLSessionBackend("sqlite://")
    await backend.save(ID, {"a": 1}, LONG)
    await asyncio.gather(
        *(backend.merge(ID, {f"k{n}": n}, (), LONG) for n in range(50)),
        *(backend.load(ID) for _ in range(50)),
    )
    assert len(await backend.load(ID)) == 51
    await backend.shutdown()


async def test_sqlite_writes_through_and_lets_others_read_meanwhile(sqlite):
    backend = sqlite.backend()
    await backend.save(ID, {"a": 1}, LONG)
    assert sqlite.execute("PRAGMA journal_mode") == "wal"
    async with backend._database._engine.current().connect() as connection:  # only its own tell
        assert (await connection.exec_driver_sql("PRAGMA synchronous")).scalar() == 2
    await backend.shutdown()


async def test_a_statement_that_psycopg_has_given_up_does_not_wait_for_ever(postgresql):
    backend = SQLSessionBackend(postgresql.url_for("postgresql+psycopg"), timeout=25.5)
    async with backend._database._engine.current().connect() as connection:  # only its own tell
        assert (await connection.exec_driver_sql("SHOW lock_timeout")).scalar() == "25500ms"
    await backend.shutdown()


def test_a_program_that_closes_nothing_ends(sqlite):
    program = (
        "import asyncio\n"
        "from micropie_sql_sessions import SQLSessionBackend\n"
        f"backend = SQLSessionBackend({sqlite.url!r})\n"
        "asyncio.run(backend.save('an id', {'a': 1}, 60))\n"
        "print('saved')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENT
    )
    assert (done.returncode, done.stdout) == (0, "saved\n")
