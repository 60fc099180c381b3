"""Behind a PgBouncer in transaction mode, where every transaction may have another connection."""

import asyncio

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from micropie_sql_sessions import SQLSessionBackend
from support.pgbouncer import pgbouncer
from support.sessions import LONG, PATIENT

pytestmark = pytest.mark.anyio

ENGINE = {
    "prepared_statement_name_func": str,
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
}


@pytest.fixture(scope="session")
def pooled(postgresql):
    with pgbouncer(postgresql) as port:
        yield port


@pytest.fixture(params=["asyncpg", "psycopg", "engine"])
async def backend(request, postgresql, pooled):
    """A backend that reaches its database through the pooler, by URL or by an engine."""
    options = {"table": f"pooled_{request.param}", "purge_every": 0.01, "timeout": PATIENT}
    driver = request.param.replace("engine", "asyncpg")
    url = postgresql.url_for(f"postgresql+{driver}").replace(f":{postgresql.port}", f":{pooled}")
    if request.param != "engine":
        backend = SQLSessionBackend(url, pgbouncer=True, **options)
        await backend.startup()
        yield backend
        await backend.shutdown()
        return
    engine = create_async_engine(url, pool_size=10, connect_args=ENGINE)
    backend = SQLSessionBackend(engine, **options)
    await backend.startup()
    yield backend
    await backend.shutdown()
    await engine.dispose()


async def test_nothing_fails_when_many_use_it(backend):
    async def browser(number):
        for step in range(10):
            session_id = f"{number} {step}"
            await backend.save(session_id, {"step": step}, LONG)
            loaded = await backend.load(session_id)
            assert loaded == {"step": step}
            assert await backend.merge(session_id, {"more": number}, (), LONG)
            await backend.touch(session_id, loaded, LONG)
            assert await backend.take(session_id) == {"step": step, "more": number}

    await asyncio.gather(*map(browser, range(20)))
    await backend.purge()


async def test_simultaneous_changes_are_all_kept(backend):
    await backend.save("shared", {"first": 1}, LONG)
    merges = (backend.merge("shared", {f"k{n}": n}, (), LONG) for n in range(30))
    assert all(await asyncio.gather(*merges))
    assert await backend.load("shared") == {"first": 1, **{f"k{n}": n for n in range(30)}}


async def test_it_is_for_postgresql():
    with pytest.raises(ValueError, match="pgbouncer"):
        SQLSessionBackend("sqlite://", pgbouncer=True)
    with pytest.raises(TypeError, match="pgbouncer must be True or False, not 'no'"):
        SQLSessionBackend("postgresql://db.invalid/shop", pgbouncer="no")
