"""What a browser sees of a database that is killed, paused, full, read-only or in use."""

import asyncio
import contextlib
import gc
from asyncio import to_thread
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from micropie import hash_session_id
from micropie_sql_sessions import SQLSessionBackend
from support.faults import (
    PATIENCE,
    TIMEOUT,
    Notes,
    User,
    Writers,
    check_numbers,
    leave_while_paused,
    statuses,
    until,
    users_of,
)
from support.moving import moving_address
from support.races import STORE, Connection
from support.servers import HOST, serve
from support.sql_servers import sql_server

TABLE = "micropie_sessions"

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def serving(url_or_engine, **options):
    """Run Notes on a database, patiently unless *options* say otherwise."""
    backend = SQLSessionBackend(url_or_engine, **{"timeout": PATIENCE} | options)
    await backend.startup()
    try:
        yield Notes(backend)
    finally:
        await backend.shutdown()


@pytest.fixture
async def app(own_server):
    # Few connections: one that is not given back is missed.
    async with serving(own_server.url, max_connections=4) as app:
        yield app


@pytest.fixture
async def hasty(own_server):
    async with serving(own_server.url, max_connections=4, timeout=TIMEOUT) as app:
        yield app


@contextlib.asynccontextmanager
async def connecting(url):
    """Open connections of somebody else's, which are closed in the end."""
    engine = create_async_engine(url, poolclass=NullPool)
    async with contextlib.AsyncExitStack() as stack:
        yield lambda: stack.enter_async_context(engine.connect())


def sqlite_url(folder):
    return f"sqlite+aiosqlite:///{folder / 'sessions.db'}"


async def recovery(app, users):
    """Wait until the app answers all of *users* again."""

    async def works():
        seen = await statuses(users, "/note?more=1")
        assert seen <= {200, 503}
        return seen == {200}

    await until(works)
    await check_numbers(users)


@contextlib.asynccontextmanager
async def connected(server, number):
    """Open connections to the app in other processes."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(number):
            reader, writer = await asyncio.open_connection(HOST, server.port)
            stack.callback(writer.close)
            opened.append(Connection(reader, writer))
        yield opened


# Killed


async def test_a_killed_server_loses_nothing_that_it_acknowledged(app, own_server):
    writers = Writers(await users_of(app, 8))
    for _ in range(2):
        await writers.store(20)
        await to_thread(own_server.kill)
        await writers.be_refused()
        await to_thread(own_server.start)
    await writers.store(20)
    for user, stored in (await writers.stop()).items():
        assert set(stored) <= (await user.get("/")).json.keys()


async def test_killed_processes_lose_nothing_that_they_acknowledged(tmp_path):
    tests = Path(__file__).parents[1]
    options = ("--factory", "--workers", "2", "--log-level", "warning")
    environment = {STORE: sqlite_url(tmp_path)}

    def running():
        app = "support.faults:make_app"
        return serve("uvicorn", app, tests, options=options, environment=environment)

    acknowledged = {}
    for _ in range(2):
        with running() as server:
            async with connected(server, 8) as browsers:
                for browser in browsers:
                    (cookie,) = (await browser.get("/note?number=0")).cookies
                    browser.cookie = cookie.partition(";")[0]
                writers = Writers(browsers)
                await writers.store(20)
                server.kill()
                for browser, stored in (await writers.stop()).items():
                    acknowledged[browser.cookie] = stored
    with running() as server:
        async with connected(server, 1) as (browser,):
            for cookie, stored in acknowledged.items():
                browser.cookie = cookie
                assert set(stored) <= (await browser.get("/")).json.keys()


async def test_an_app_may_start_before_its_database(own_server, caplog):
    await to_thread(own_server.kill)
    async with serving(own_server.url) as app:
        assert (await User(app).get("/note?number=0")).status == 503
        await to_thread(own_server.start)
        (user,) = await users_of(app)
        assert (await user.get("/")).json == {"number": "0"}


async def test_connections_that_the_server_closes_are_made_anew(server):
    async with serving(server.url, max_connections=4) as app:
        users = await users_of(app, 20)
        for url in ("/", "/note?more=1", "/login", "/logout"):
            server.disconnect_all()
            assert await statuses(users, url) <= {200, 204}


# Paused


async def test_a_paused_server_holds_nobody_up_for_long(hasty, own_server, caplog):
    users = await users_of(hasty, 20)
    own_server.pause()
    assert await statuses(users, "/") == {503}
    assert await statuses(users, "/note?late=1") == {503}
    assert await statuses([User(hasty)], "/") == {200}  # asks nothing of the database
    assert await statuses([User(hasty)], "/note?late=1") == {503}
    own_server.resume()
    await recovery(hasty, users)
    assert f"has not answered in {TIMEOUT} s" in caplog.text
    gc.collect()  # an error that nobody has looked at would be told now, and fail the test


async def test_an_app_starts_and_stops_while_the_server_is_paused(own_server, caplog):
    own_server.pause()
    async with asyncio.timeout(20 * TIMEOUT):
        async with serving(own_server.url, timeout=TIMEOUT) as app:
            assert (await User(app).get("/note?number=0")).status == 503
    own_server.resume()


async def test_what_a_paused_server_answers_later_reaches_nobody_else(app, own_server):
    users = await users_of(app, 20)
    for _ in range(3):
        await leave_while_paused(users, own_server)
        await check_numbers(users)


# Connections


async def test_a_server_with_too_many_clients_is_a_503_until_some_leave(own_server, caplog):
    await to_thread(own_server.restart, *own_server.few_connections)
    async with serving(own_server.url) as app:
        users = await users_of(app, 3)
        await app.session_backend.shutdown()
        async with connecting(own_server.url) as connect:
            for _ in range(own_server.FEW):
                await connect()
            assert await statuses(users, "/") == {503}
            assert "onnection" in caplog.text
        await recovery(app, users)


async def test_requests_wait_for_a_connection(server):
    async with serving(server.url, max_connections=1) as app:
        users = await users_of(app, 20)
        assert await statuses(users, "/note?more=1") == {200}
        await check_numbers(users)


# In use


async def test_a_session_that_somebody_holds_is_a_503_and_the_others_are_not(server):
    options = {"max_connections": 4, "timeout": TIMEOUT}
    async with serving(server.url, **options) as app, connecting(server.url) as connect:
        held, other = await users_of(app, 2)
        key = hash_session_id(held.session_id)
        connection = await connect()
        query = text(f"SELECT id FROM {TABLE} WHERE id = :key FOR UPDATE")
        assert (await connection.execute(query, {"key": key})).scalar() == key
        for url in ("/note?more=1", "/login", "/logout"):
            assert (await held.get(url)).status == 503
            assert (await held.get("/")).json == {"number": "0"}
            assert (await other.get("/note?more=1")).status == 200
        # Statements in whose answers nobody is interested any more do not go on waiting.
        await until(lambda: nobody_waits(server))
        await connection.rollback()
        assert (await other.get("/note?more=1")).status == 200
        # A 503 says nothing about whether the logout happened.
        assert (await held.get("/")).json.get("number", "0") == "0"
        assert (await held.get("/logout")).status in (200, 204)
        assert (await held.get("/")).json == {}


async def nobody_waits(server):
    return not await server.somebody_waits()


async def test_a_writer_waits_for_who_holds_the_session(server):
    async with serving(server.url) as app, connecting(server.url) as connect:
        (user,) = await users_of(app)
        connection = await connect()
        await connection.execute(text(f"SELECT id FROM {TABLE} FOR UPDATE"))
        waiting = asyncio.create_task(user.get("/note?more=1"))
        await until(server.somebody_waits)
        await connection.rollback()
        assert (await waiting).status == 200
        assert (await user.get("/")).json == {"number": "0", "more": "1"}


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_stricter_isolation_loses_nothing(own_server, level, caplog):
    await to_thread(own_server.restart, own_server.isolation(level))
    async with serving(own_server.url) as app:
        (user,) = await users_of(app)
        answers = await asyncio.gather(*(user.get(f"/note?k{n}=1") for n in range(20)))
        assert {answer.status for answer in answers} <= {200, 503}
        stored = {f"k{n}" for n, answer in enumerate(answers) if answer.status == 200}
        assert stored
        assert stored <= (await user.get("/")).json.keys()


async def test_a_sqlite_file_that_somebody_writes_is_a_503_for_writers_only(tmp_path):
    async with serving(sqlite_url(tmp_path), timeout=TIMEOUT) as app:
        users = await users_of(app, 5)
        async with connecting(sqlite_url(tmp_path)) as connect:
            connection = await connect()
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            assert await statuses(users, "/note?more=1") == {503}
            assert await statuses(users, "/") == {200}
            await connection.exec_driver_sql("ROLLBACK")
        assert await statuses(users, "/note?more=1") == {200}
        await check_numbers(users)


# Tables and rights


async def test_a_missing_table_is_a_503_and_the_log_says_what_to_do(server, caplog):
    async with serving(server.url, table="missing", create_table=False) as app:
        assert (await User(app).get("/note?number=0")).status == 503
        assert "no table missing" in caplog.text
        assert "create_table=True" in caplog.text
        async with serving(server.url, table="missing"):
            pass
        (user,) = await users_of(app)
        assert (await user.get("/")).json == {"number": "0"}
        server.execute("DROP TABLE missing")
        assert (await user.get("/")).status == 503


async def test_a_read_only_server_serves_readers_and_refuses_writers(app, own_server, caplog):
    (user,) = await users_of(app)
    await to_thread(own_server.restart, own_server.read_only)
    async with serving(own_server.url) as replica:
        # The app that was there before it became read-only, and one that starts on it.
        for reading in (app, replica):
            reader = User(reading, user.cookies)
            await until(lambda reader=reader: is_answered(reader))
            for url in ("/note?more=1", "/login", "/logout"):
                caplog.clear()
                assert (await reader.get(url)).status == 503
                assert "read-only" in caplog.text
            assert (await User(reading).get("/note?number=1")).status == 503
            assert (await reader.get("/")).json == {"number": "0"}
    await to_thread(own_server.restart)
    await recovery(app, [user])


async def is_answered(user):
    return (await user.get("/")).status == 200


async def test_a_read_only_sqlite_file_serves_readers_and_refuses_writers(tmp_path, caplog):
    async with serving(sqlite_url(tmp_path)) as app:
        (user,) = await users_of(app)
    read_only = f"sqlite+aiosqlite:///file:{tmp_path / 'sessions.db'}?mode=ro&uri=true"
    async with serving(read_only) as app:
        reader = User(app, user.cookies)
        for url in ("/note?more=1", "/login", "/logout"):
            caplog.clear()
            assert (await reader.get(url)).status == 503
            assert "readonly" in caplog.text
        assert (await reader.get("/")).json == {"number": "0"}


async def test_a_full_disk_is_a_503_and_leaves_sessions_as_they_were(tmp_path, caplog):
    engine = create_async_engine(sqlite_url(tmp_path))
    pages = 2**20

    @event.listens_for(engine.sync_engine, "checkout")
    def limit(connection, *_):
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        cursor.close()

    async with serving(engine) as app:
        users = await users_of(app, 5)
        pages = 1  # as many as there are
        assert await statuses(users, "/note?long=" + 20_000 * "x") == {503}
        assert "full" in caplog.text
        await check_numbers(users)
        assert await statuses(users[:1], "/logout") == {204}  # makes room
        assert await statuses(users[1:], "/note?more=1") == {200}
        pages = 2**20
        assert await statuses(users[1:], "/note?long=" + 20_000 * "x") == {200}
    await engine.dispose()


# Failover


@pytest.mark.parametrize("given", ["url", "engine"])
async def test_writes_reach_the_new_server_after_a_failover(own_server, request, given):
    kind = type(own_server)
    template = request.getfixturevalue(f"{kind.__name__.lower()}_template")
    with sql_server(kind, template) as other:
        other.driver = own_server.driver
        async with serving(other.url), moving_address(own_server.port) as address:
            url = own_server.url.replace(f":{own_server.port}", f":{address.port}")
            engine = create_async_engine(url) if given == "engine" else None
            async with serving(engine or url) as app:
                users = await users_of(app, 10)  # which leave several connections open
                await to_thread(own_server.refuse_writes)
                address.target = other.port
                assert await statuses([User(app) for _ in range(10)], "/note?new=1") == {200}
                assert other.execute(f"SELECT count(*) FROM {TABLE} WHERE id <> 'purge'") == "10"
                # The sessions are not there: this is another database, not a replica.
                assert await statuses(users, "/note?more=1") == {200}
            if engine is not None:
                await engine.dispose()


# Corrupt rows

CORRUPT = ["", "{broken", "[1, 2]", "null", '{"number": 1}}']


def spoil(server, user, value):
    key = hash_session_id(user.session_id)
    server.execute(f"UPDATE {TABLE} SET data = '{value}' WHERE id = '{key}'")


async def test_a_corrupt_session_counts_as_none(server, caplog):
    async with serving(server.url) as app:
        for value in CORRUPT:
            broken, other = await users_of(app, 2)
            broken_id = broken.session_id
            spoil(server, broken, value)
            caplog.clear()
            assert (await broken.get("/")).json == {}
            (record,) = caplog.records
            assert record.name == "micropie"
            assert hash_session_id(broken_id) in caplog.text
            assert "broken" not in caplog.text
            assert broken_id not in caplog.text
            # It is not mended under an id that others may know: a new one is made.
            assert (await broken.get("/note?number=2")).status == 200
            assert broken.session_id != broken_id
            assert (await broken.get("/")).json == {"number": "2"}
            assert (await other.get("/note?more=1")).status == 200
            assert (await other.get("/")).json == {"number": "1", "more": "1"}


async def test_a_session_that_becomes_corrupt_meanwhile_is_not_written(server, caplog):
    async with serving(server.url) as app:
        backend = app.session_backend
        for value in CORRUPT:
            (user,) = await users_of(app)
            spoil(server, user, value)
            assert await backend.merge(user.session_id, {"more": 1}, (), 60) is False
            assert await backend.take(user.session_id) == {}
            await backend.save(user.session_id, {"number": 3}, 60)
            assert await backend.load(user.session_id) == {"number": 3}
