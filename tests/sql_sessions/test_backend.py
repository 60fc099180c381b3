"""What SQLSessionBackend does beside the contract: options, cost, and time."""

import asyncio
import contextvars
import re
import sys
from datetime import UTC, datetime, timedelta

import pytest

from micropie import LoadedSession, SessionBackend, SessionChanges
from micropie_sql_sessions import SQLSessionBackend
from support.round_trips import relay
from support.sessions import ID, LONG, PATIENT, Browser, Shop
from support.sql_places import DRIVERS

pytestmark = pytest.mark.anyio


async def in_another_request(coroutine):
    """Run *coroutine* as a request of its own would."""
    return await asyncio.create_task(coroutine, context=contextvars.Context())


# Arguments.


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url_or_engine": None}, TypeError),
        ({"url_or_engine": b"sqlite://"}, TypeError),
        ({"url_or_engine": "sessions.db"}, ValueError),
        ({"url_or_engine": "http://127.0.0.1"}, ValueError),
        ({"url_or_engine": "postgresql://127.0.0.1:port/shop"}, ValueError),
        ({"url_or_engine": "oracle://127.0.0.1/shop"}, ValueError),
        ({"url_or_engine": "sqlite+pysqlite://"}, ValueError),  # blocks the event loop
        ({"table": b"bytes"}, TypeError),
        ({"table": ""}, ValueError),
        ({"table": "two words"}, ValueError),
        ({"table": "x" * 64}, ValueError),
        ({"create_table": None}, TypeError),
        ({"purge_every": "often"}, TypeError),
        ({"purge_every": True}, TypeError),
        ({"purge_every": 0}, ValueError),
        ({"purge_every": float("inf")}, ValueError),
        ({"purge_every": 1e300}, ValueError),
        ({"timeout": None}, TypeError),
        ({"timeout": True}, TypeError),
        ({"timeout": 0}, ValueError),
        ({"timeout": float("inf")}, ValueError),
        ({"timeout": float("nan")}, ValueError),
        ({"max_connections": "5"}, TypeError),
        ({"max_connections": True}, TypeError),
        ({"max_connections": 0}, ValueError),
    ],
)
async def test_a_wrong_argument_is_refused_by_its_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        SQLSessionBackend(**{"url_or_engine": "sqlite://"} | options)


@pytest.mark.parametrize(
    "url", ["postgresql://web:open#sesame@127.0.0.1:x/shop", "nosuch://web:opensesame@127.0.0.1"]
)
async def test_a_url_that_is_refused_is_not_shown(url):
    with pytest.raises(ValueError, match="percent-encoded") as caught:
        SQLSessionBackend(url)
    assert "open" not in str(caught.value)
    assert "sesame" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("sqlite://", "aiosqlite", "sqlite"),
        ("postgresql://127.0.0.1/shop", "asyncpg", "postgresql"),
        ("postgres://127.0.0.1/shop", "asyncpg", "postgresql"),
        ("mysql://127.0.0.1/shop", "asyncmy", "mysql"),
        ("mariadb://127.0.0.1/shop", "asyncmy", "mysql"),
    ],
)
async def test_a_url_without_a_driver_means_that_of_the_extra(monkeypatch, url, driver, extra):
    SQLSessionBackend(url)
    monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    with pytest.raises(ModuleNotFoundError, match=rf"micropie-sql-sessions\[{extra}\]"):
        SQLSessionBackend(url)


async def test_nothing_connects_before_it_is_used(tmp_path):
    backend = SQLSessionBackend(f"sqlite:///{tmp_path / 'sessions.db'}", create_table=False)
    await backend.startup()
    await backend.shutdown()
    assert list(tmp_path.iterdir()) == []


def test_it_is_a_session_backend():
    assert issubclass(SQLSessionBackend, SessionBackend)


# What it costs.


@pytest.mark.parametrize("place", DRIVERS, indirect=True)
async def test_a_request_costs_as_many_round_trips_as_promised(place):
    port = int(re.search(r":(\d+)/", place.url)[1])
    with relay(port) as counting:
        backend = SQLSessionBackend(
            place.url.replace(f":{port}/", f":{counting.port}/"),
            table=place.table,
            purge_every=None,
            timeout=PATIENT,
        )
        browser = Browser(Shop(session_backend=backend))

        async def cost(path):
            before = counting.round_trips
            assert (await browser.get(path)).status == 200
            return counting.round_trips - before

        assert await cost("/") == 0  # no cookie
        for _ in range(8):  # drivers prepare a statement when they see it the first time, or later
            for path in ("/buy", "/buy", "/", "/login", "/logout"):
                await browser.get(path)
        assert await cost("/buy") == 1  # save
        assert await cost("/") == 1
        assert await cost("/buy") == 2  # load, merge
        assert await cost("/login") == 6  # load, take, save
        assert await cost("/logout") == 2
        await backend.shutdown()


async def test_a_merge_keeps_what_others_saved_since_the_session_was_loaded(backend):
    await backend.save(ID, {"a": 1, "b": 1}, LONG)
    assert await backend.load(ID) == {"a": 1, "b": 1}
    assert await in_another_request(backend.merge(ID, {"c": 1}, ["b"], LONG))
    assert await backend.merge(ID, {"a": 2}, (), LONG) is True
    assert await backend.load(ID) == {"a": 2, "c": 1}
    # And what this request itself has merged.
    assert await backend.merge(ID, {"d": 1}, (), LONG) is True
    assert await backend.merge(ID, {"e": 1}, (), LONG) is True
    assert await backend.load(ID) == {"a": 2, "c": 1, "d": 1, "e": 1}


async def test_a_merge_does_not_bring_back_what_others_deleted_since(backend):
    await backend.save(ID, {"a": 1}, LONG)
    assert await backend.load(ID) == {"a": 1}
    await in_another_request(backend.save(ID, {}, 0))
    assert await backend.merge(ID, {"b": 1}, (), LONG) is False
    await backend.save(ID, {"a": 1}, LONG)
    assert await backend.load(ID) == {"a": 1}
    # The same again under the same id, so only the revision tells.
    await in_another_request(backend.save(ID, {}, 0))
    await in_another_request(backend.save(ID, {"a": 1, "new": 1}, LONG))
    assert await backend.merge(ID, {"b": 1}, (), LONG) is True
    assert await backend.load(ID) == {"a": 1, "new": 1, "b": 1}


async def test_a_version_that_is_out_of_date_is_not_merged_into(backend):
    await backend.save(ID, {"a": 1, "b": 1}, LONG)
    loaded = await backend.load(ID)
    assert await backend.merge(ID, {"c": 1}, ["b"], LONG)
    changes = SessionChanges({"a": 2}, version=loaded.version)
    assert await backend.merge(ID, changes, (), LONG) is True
    assert await backend.load(ID) == {"a": 2, "c": 1}
    # The same once more: by now the changes themselves have replaced that version.
    assert await backend.merge(ID, changes, (), LONG) is True
    assert await backend.load(ID) == {"a": 2, "c": 1}


async def test_a_version_of_a_deleted_session_does_not_bring_it_back(backend):
    await backend.save(ID, {"a": 1}, LONG)
    changes = SessionChanges({"b": 1}, version=(await backend.load(ID)).version)
    await backend.save(ID, {}, 0)
    assert await backend.merge(ID, changes, (), LONG) is False
    # The same again under the same id, so only the revision tells.
    await backend.save(ID, {"a": 1, "new": 1}, LONG)
    assert await backend.merge(ID, changes, (), LONG) is True
    assert await backend.load(ID) == {"a": 1, "new": 1, "b": 1}


async def test_a_version_of_another_kind_of_backend_is_ignored(backend):
    await backend.save(ID, {"a": 1}, LONG)
    assert await backend.merge(ID, SessionChanges({"b": 1}, version=1), (), LONG) is True
    assert await backend.load(ID) == {"a": 1, "b": 1}


async def test_changing_what_was_loaded_does_not_change_its_version(backend):
    await backend.save(ID, {"list": [1]}, LONG)
    loaded = await backend.load(ID)
    loaded["list"].append(2)
    changes = SessionChanges({"a": 1}, version=loaded.version)
    assert await backend.merge(ID, changes, (), LONG) is True
    assert await backend.load(ID) == {"list": [1], "a": 1}


async def test_what_was_loaded_from_another_backend_is_not_merged_into(sqlite):
    one, other = sqlite.backend(), sqlite.backend(table="others")
    await one.save(ID, {"one": 1}, LONG)
    await other.save(ID, {"other": 1}, LONG)
    await one.load(ID)
    assert await other.merge(ID, {"a": 1}, (), LONG) is True
    assert await other.load(ID) == {"other": 1, "a": 1}
    for backend in (one, other):
        await backend.shutdown()


# Time.


async def test_the_time_left_is_told(backend):
    await backend.save(ID, {"a": 1}, LONG)
    loaded = await backend.load(ID)
    assert isinstance(loaded, LoadedSession)
    assert LONG - 5 < loaded.expires_in <= LONG


async def test_fractions_of_a_second_count(backend):
    await backend.save(ID, {"a": 1}, 30.25)
    assert 30 < (await backend.load(ID)).expires_in <= 30.25


@pytest.mark.parametrize("timeout", [float("inf"), 1e12])
async def test_a_timeout_may_be_longer_than_calendars(backend, timeout):
    await backend.save(ID, {"a": 1}, timeout)
    await backend.merge(ID, {"b": 1}, (), timeout)
    await backend.touch(ID, {}, timeout)
    loaded = await backend.load(ID)
    assert loaded == {"a": 1, "b": 1}
    assert loaded.expires_in > 1000 * 365 * 86400


async def test_the_expiry_is_written_in_utc_whatever_the_server_thinks(backend, place):
    before = datetime.now(UTC)
    await backend.save(ID, {"a": 1}, LONG)
    if place.url.startswith("postgresql"):
        written = place.execute("SELECT expires_at AT TIME ZONE 'UTC' FROM {} WHERE id <> 'purge'")
    else:
        written = place.execute("SELECT expires_at FROM {} WHERE id <> 'purge'")
    expires_at = datetime.fromisoformat(written).replace(tzinfo=UTC)
    assert before <= expires_at - timedelta(seconds=LONG) <= datetime.now(UTC)
