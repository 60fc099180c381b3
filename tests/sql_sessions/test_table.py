"""The table of sessions: what is in it, and who makes it."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from micropie import hash_session_id
from micropie_sql_sessions import SQLSessionBackend
from support.sessions import ID, LONG, Browser, Shop

pytestmark = pytest.mark.anyio

KEY = hash_session_id(ID)

README = Path(__file__).parents[2] / "packages/micropie-sql-sessions/README.md"


# What is in the table.


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


# The table.


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


# A table that goes.


async def test_a_table_that_vanishes_is_made_again(backend, place):
    await backend.save("lost", {"a": 1}, LONG)
    place.execute("DROP TABLE {}")
    await backend.save(ID, {"b": 1}, LONG)
    assert await backend.load(ID) == {"b": 1}
    assert await backend.load("lost") == {}
    place.execute("DROP TABLE {}")
    assert await backend.load(ID) == {}
    place.execute("DROP TABLE {}")
    assert await backend.merge(ID, {"a": 1}, (), LONG) is False
    assert await backend.take(ID) == {}


async def test_all_who_find_the_table_gone_at_once_are_served(backend, place):
    for _ in range(5):
        await asyncio.gather(*(backend.save(f"id {n}", {"a": n}, LONG) for n in range(20)))
        place.execute("DROP TABLE {}")
        loads = [backend.load(f"id {n}") for n in range(20)]
        assert await asyncio.gather(*loads) == [{}] * 20


@pytest.mark.parametrize("fate", ["deleted", "replaced"])
async def test_no_session_goes_into_a_file_that_is_not_there_any_more(sqlite, tmp_path, fate):
    backend, other = sqlite.backend(purge_every=None), sqlite.backend(purge_every=None)
    saves = (backend.save(f"id {n}", {"old": n}, LONG) for n in range(20))
    await asyncio.gather(*saves, *(backend.load(f"id {n}") for n in range(20)))
    for path in tmp_path.glob("sessions.db*"):
        path.unlink()
    if fate == "replaced":
        await other.save("other", {"a": 1}, LONG)
    for n in range(20):
        await backend.save(f"id {n}", {"new": n}, LONG)
    assert sqlite.count() == (20 if fate == "deleted" else 21)
    loads = await asyncio.gather(*(backend.load(f"id {n}") for n in range(20)))
    assert loads == [{"new": n} for n in range(20)]
    await backend.shutdown()
    await other.shutdown()
