"""Sessions that have expired are purged."""

import asyncio

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from micropie_sql_sessions import SQLSessionBackend
from support.sessions import ID, LONG, PATIENT
from support.sql_places import until

pytestmark = pytest.mark.anyio


async def test_purging_deletes_what_has_expired_and_nothing_else(backend, place):
    await backend.save(ID, {"a": 1}, LONG)
    await asyncio.gather(*(backend.save(f"id {n}", {"a": 1}, 1e-6) for n in range(5)))
    assert place.count() == 6
    assert await backend.purge() == 5
    assert await backend.purge() == 0
    assert place.count() == 1
    assert await backend.load(ID) == {"a": 1}


async def test_more_than_a_batch_is_purged_and_counted(backend, place):
    await backend.save(ID, {"a": 1}, 1e-6)
    digits = " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10))
    number = "a.n + 10 * b.n + 100 * c.n + 1000 * d.n"
    digits = ", ".join(
        "(" + " UNION ALL ".join(f"SELECT {n} AS n" for n in range(count)) + f") {name}"
        for name, count in (("a", 10), ("b", 10), ("c", 10), ("d", 2))
    )
    key = "'id ' || {}" if not place.url.startswith("mysql") else "concat('id ', {})"
    place.execute(
        f"INSERT INTO {{}} SELECT {key.format(f'({number})')}, data, revision, expires_at "
        f"FROM {{}}, {digits} WHERE id <> 'purge'"
    )
    # Two at once share the work, and neither deletes twice.
    assert sum(await asyncio.gather(backend.purge(), backend.purge())) == 2001
    assert place.count() == 0


async def test_one_of_many_purges_in_the_background(place):
    first = place.backend(purge_every=LONG)
    await first.save(ID, {"a": 1}, 1e-6)
    await first.startup()
    await until(lambda: place.count() == 0)
    # The next one is due in a minute, whoever asks.
    await first.save(ID, {"a": 1}, 1e-6)
    engine, seen = create_async_engine(place.url), []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
    second = place.backend(purge_every=LONG)
    often = SQLSessionBackend(engine, table=place.table, timeout=PATIENT, purge_every=0.05)
    for backend in (second, often):
        await backend.startup()
    await until(lambda: len(seen) > 20)  # it has asked some times
    assert place.count() == 1
    # In a thread: the lock may be held by a claim that this event loop must let go on.
    await asyncio.to_thread(
        place.execute, "UPDATE {} SET expires_at = '2001-01-01' WHERE id = 'purge'"
    )
    await until(lambda: place.count() == 0)
    for backend in (first, second, often):
        await backend.shutdown()
    await engine.dispose()


async def test_a_purge_that_fails_is_logged_and_the_next_one_comes(place, caplog):
    creating = place.backend(purge_every=None)
    await creating.save(ID, {"a": 1}, 3600)
    backend = place.backend(purge_every=0.05, create_table=False)  # else it would make it again
    await backend.startup()
    await until(lambda: place.count("id = 'purge'") == 1)
    await asyncio.to_thread(place.execute, "DROP TABLE {}")  # in a thread, as above
    await until(lambda: "could not be purged" in caplog.text)
    await creating.save(ID, {"a": 1}, 1e-6)
    await until(lambda: place.count() == 0)
    for each in (creating, backend):
        await each.shutdown()


async def test_purging_stops_with_the_app(place):
    before = asyncio.all_tasks()
    backend = place.backend(purge_every=0.05)
    await backend.startup()
    assert asyncio.all_tasks() > before
    await backend.shutdown()
    assert asyncio.all_tasks() == before


async def test_nothing_is_purged_in_the_background_if_that_is_not_wanted(place):
    before = asyncio.all_tasks()
    backend = place.backend(purge_every=None)
    await backend.startup()
    await backend.save(ID, {"a": 1}, 1e-6)
    assert asyncio.all_tasks() == before
    assert place.count("1 = 1") == 1
    await backend.shutdown()
