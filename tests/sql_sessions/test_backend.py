"""What SQLSessionBackend does beside the contract: options, cost, and what it finds in a table."""

import asyncio
import contextlib
import contextvars
import gc
import json
import re
import secrets
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from micropie import App, LoadedSession, SessionBackend, SessionChanges, hash_session_id
from micropie_sql_sessions import SQLSessionBackend
from support.round_trips import relay
from support.sessions import Browser

ID = "an id"
KEY = hash_session_id(ID)
LONG = 60
PATIENT = 30  # seconds; the machine may be busy with other tests

README = Path(__file__).parents[2] / "packages/micropie-sql-sessions/README.md"

pytestmark = pytest.mark.anyio


class Shop(App):
    async def index(self):
        return str(self.session.get("pies"))

    async def buy(self):
        self.session["pies"] = self.session.get("pies", 0) + 1
        return str(self.session["pies"])

    async def login(self):
        self.request.regenerate_session()
        self.session["user"] = "alice"
        return "hello"

    async def logout(self):
        self.session.clear()
        return "bye"


class SQLiteFile:
    """A database in a file."""

    def __init__(self, folder):
        self.path = folder / "sessions.db"
        self.url = f"sqlite+aiosqlite:///{self.path}"

    def execute(self, sql):
        """Return what *sql* yields, tab-separated, as the servers of the tests do."""
        with sqlite3.connect(self.path, timeout=PATIENT) as connection:
            rows = connection.execute(sql).fetchall()
        connection.close()
        return "\n".join("\t".join(map(str, row)) for row in rows)


class Place:
    """A table of its own in a database.

    Attributes:
        url: of the database.
        table: the table's name; no other test uses it.
    """

    def __init__(self, database, url):
        self.url = url
        self.table = f"sessions_{secrets.token_hex(6)}"
        self._database = database

    def backend(self, **options):
        return SQLSessionBackend(self.url, **{"table": self.table, "timeout": PATIENT} | options)

    def execute(self, sql):
        """Return what *sql* yields; {} in it stands for the table."""
        return self._database.execute(sql.replace("{}", self.table))

    def count(self, condition="id <> 'purge'"):
        return int(self.execute(f"SELECT count(*) FROM {{}} WHERE {condition}"))


@pytest.fixture
def sqlite(tmp_path):
    database = SQLiteFile(tmp_path)
    return Place(database, database.url)


SERVERS = ["postgresql+asyncpg", "postgresql+psycopg", "mysql+asyncmy"]


@pytest.fixture(params=["sqlite", *SERVERS])
def place(request, tmp_path):
    """A table on each kind of database, by each driver."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite")
    server = request.getfixturevalue(request.param.split("+")[0].replace("mysql", "mariadb"))
    return Place(server, server.url_for(request.param))


@pytest.fixture
async def backend(place):
    backend = place.backend(purge_every=None)
    await backend.startup()
    yield backend
    await backend.shutdown()


async def in_another_request(coroutine):
    """Run *coroutine* as a request of its own would."""
    return await asyncio.create_task(coroutine, context=contextvars.Context())


# Arguments


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


# What it costs


@pytest.mark.parametrize("place", SERVERS, indirect=True)
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


# Time


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


# What is in the table


async def test_a_row_holds_a_hash_and_json(backend, place):
    data = {"pies": 3, "big": 2**70, "list": [1.0, None]}
    await backend.save(ID, data, LONG)
    key, document = place.execute("SELECT id, data FROM {} WHERE id <> 'purge'").split("\t")
    assert key == KEY
    assert json.loads(document) == data


@pytest.mark.parametrize("corrupt", ["{broken", "", "[]", "3", "null"])
async def test_a_corrupt_session_counts_as_none(backend, place, caplog, corrupt):
    await backend.save(ID, {"pies": 9}, LONG)
    await backend.save("another id", {"pies": 3}, LONG)
    place.execute(f"UPDATE {{}} SET data = '{corrupt}' WHERE id = '{KEY}'")
    app = Shop(session_backend=backend)
    browser, other = Browser(app, {"session_id": ID}), Browser(app, {"session_id": "another id"})
    assert (await browser.get("/")).text == "None"
    assert [record.name for record in caplog.records] == ["micropie"]
    assert KEY in caplog.text
    assert (await browser.get("/buy")).text == "1"
    assert browser.session_id != ID
    assert (await browser.get("/")).text == "1"
    assert await backend.merge(ID, {"a": 1}, (), LONG) is False
    assert await backend.take(ID) == {}
    assert (await other.get("/buy")).text == "4"
    assert "broken" not in caplog.text
    assert f"'{ID}'" not in caplog.text


# The table


async def test_the_table_is_created_by_many_at_once(place):
    backends = [place.backend(purge_every=None) for _ in range(8)]
    await asyncio.gather(*(backend.startup() for backend in backends))
    await asyncio.gather(*(b.save(f"id {n}", {"n": n}, LONG) for n, b in enumerate(backends)))
    assert place.count() == 8
    for backend in backends:
        await backend.shutdown()


async def test_a_table_that_lost_its_index_gets_it_back(place):
    drop = f"DROP INDEX ix_{place.table}_expires_at" + " ON {}" * place.url.startswith("mysql")
    for _ in range(2):
        backend = place.backend(purge_every=None)
        await backend.startup()
        await backend.shutdown()
        place.execute(drop)


async def test_without_a_table_the_log_says_what_to_do(place, caplog):
    backend = place.backend(create_table=False, purge_every=None)
    await backend.startup()
    browser = Browser(Shop(session_backend=backend), {"session_id": ID})
    assert (await browser.get("/")).status == 503
    assert "create_table=True" in caplog.text
    assert place.table in caplog.text
    creating = place.backend()
    await creating.startup()
    assert (await browser.get("/buy")).status == 200
    for each in (creating, backend):
        await each.shutdown()


async def test_an_error_shows_nothing_of_the_session(place, caplog):
    engine = create_async_engine(place.url)
    backend = SQLSessionBackend(engine, table=place.table, create_table=False)
    browser = Browser(Shop(session_backend=backend))
    assert (await browser.get("/buy")).status == 503
    assert place.table in caplog.text
    assert "pies" not in caplog.text
    await engine.dispose()


def test_alembic_makes_the_table_as_the_readme_says(tmp_path):
    (recipe,) = re.findall(r"^```text\n(.*?)^```$", README.read_text(), re.DOTALL | re.MULTILINE)
    (tmp_path / "shop.py").write_text(
        "from sqlalchemy.orm import DeclarativeBase\n"
        "from micropie_sql_sessions import SQLSessionBackend\n"
        "class Base(DeclarativeBase): pass\n"
        "backend = SQLSessionBackend('sqlite:///shop.db', create_table=False)\n"
    )

    def alembic(*arguments):
        command = [sys.executable, "-m", "alembic", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    alembic("init", "--template", "async", "migrations")
    ini, env = tmp_path / "alembic.ini", tmp_path / "migrations/env.py"
    url = "sqlalchemy.url = sqlite+aiosqlite:///shop.db"
    ini.write_text(re.sub(r"^sqlalchemy\.url.*$", url, ini.read_text(), flags=re.MULTILINE))
    env.write_text(env.read_text().replace("target_metadata = None", recipe))
    alembic("revision", "--autogenerate", "-m", "sessions")
    alembic("upgrade", "head")
    alembic("check")  # that there is nothing left to do

    async def use():
        backend = SQLSessionBackend(f"sqlite:///{tmp_path / 'shop.db'}", create_table=False)
        await backend.save(ID, {"a": 1}, LONG)
        assert await backend.merge(ID, {"b": 1}, (), LONG) is True
        assert await backend.load(ID) == {"a": 1, "b": 1}
        await backend.shutdown()

    asyncio.run(use())


# Purging


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


async def until(condition):
    async with asyncio.timeout(PATIENT):
        while not condition():  # noqa: ASYNC110 - it is a server that is waited for
            await asyncio.sleep(0.02)


async def test_one_of_many_purges_in_the_background(place):
    first = place.backend(purge_every=LONG)
    await first.save(ID, {"a": 1}, 1e-6)
    await first.startup()
    await until(lambda: place.count() == 0)
    # The next one is due in a minute, whoever asks.
    await first.save(ID, {"a": 1}, 1e-6)
    second, often = place.backend(purge_every=LONG), place.backend(purge_every=0.05)
    for backend in (second, often):
        await backend.startup()
    await asyncio.sleep(0.5)
    assert place.count() == 1
    place.execute("UPDATE {} SET expires_at = '2001-01-01' WHERE id = 'purge'")
    await until(lambda: place.count() == 0)
    for backend in (first, second, often):
        await backend.shutdown()


async def test_a_purge_that_fails_is_logged_and_the_next_one_comes(place, caplog):
    backend = place.backend(purge_every=0.05)
    await backend.startup()
    await until(lambda: place.count("id = 'purge'") == 1)
    place.execute("DROP TABLE {}")
    await until(lambda: "could not be purged" in caplog.text)
    creating = place.backend(purge_every=None)
    await creating.save(ID, {"a": 1}, 1e-6)
    await until(lambda: place.count() == 0)
    for each in (creating, backend):
        await each.shutdown()


async def test_purging_stops_with_the_app(place):
    backend = place.backend(purge_every=0.05)
    await backend.startup()
    await backend.shutdown()
    place.execute("DELETE FROM {}")
    await asyncio.sleep(0.2)
    assert place.count("id = 'purge'") == 0


async def test_nothing_is_purged_in_the_background_if_that_is_not_wanted(place):
    backend = place.backend(purge_every=None)
    await backend.startup()
    await backend.save(ID, {"a": 1}, 1e-6)
    await asyncio.sleep(0.2)
    assert place.count("1 = 1") == 1
    await backend.shutdown()


# Connections


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


@pytest.mark.parametrize("place", SERVERS, indirect=True)
async def test_connections_made_from_a_url_are_closed(place):
    count = "pg_stat_activity WHERE usename = 'web'"
    if place.url.startswith("mysql"):
        count = "information_schema.processlist WHERE user = 'web'"

    def connections():
        return int(place.execute(f"SELECT count(*) FROM {count}"))

    await until(lambda: connections() == 0)  # those of other tests
    backend = place.backend(max_connections=3)
    await asyncio.gather(*(backend.save(f"id {n}", {"a": 1}, LONG) for n in range(30)))
    assert connections() == 3  # calls wait for a free one
    await backend.shutdown()
    await until(lambda: connections() == 0)


def test_one_event_loop_after_another_can_use_it(place):
    backend = place.backend()

    async def use(number):
        await backend.startup()
        await backend.save(ID, {"number": number}, LONG)
        assert await backend.load(ID) == {"number": number}
        await backend.shutdown()

    for number in range(3):
        asyncio.run(use(number))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_event_loop_that_closed_nothing_does_no_harm_to_the_next(place):
    backend = place.backend()
    asyncio.run(backend.save(ID, {"a": 1}, LONG))

    async def use():
        assert await backend.load(ID) == {"a": 1}
        await backend.shutdown()

    asyncio.run(use())
    asyncio.run(backend.shutdown())
    gc.collect()  # now, while the warnings of what the first loop left open are ignored


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
    backend = place.backend(timeout=0.5, purge_every=None)
    await backend.save(ID, {"a": 1}, LONG)
    engine = create_async_engine(place.url)
    async with engine.connect() as holding:
        if place.url.startswith("sqlite"):
            await holding.exec_driver_sql("BEGIN IMMEDIATE")
        await holding.exec_driver_sql(f"UPDATE {place.table} SET data = '{{}}'")
        with pytest.raises(TimeoutError, match=r"0\.5 s"):
            await backend.merge(ID, {"b": 1}, (), LONG)
    await engine.dispose()
    assert await backend.merge(ID, {"b": 1}, (), LONG) is True
    assert await backend.load(ID) == {"a": 1, "b": 1}
    await backend.shutdown()


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
    backend = SQLSessionBackend(postgresql.url_for("postgresql+psycopg"), timeout=2.5)
    async with backend._database._engine.current().connect() as connection:  # only its own tell
        assert (await connection.exec_driver_sql("SHOW lock_timeout")).scalar() == "2500ms"
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
