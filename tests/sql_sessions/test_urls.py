"""The options of a URL: those that hosts give out work, and any other is refused at once."""

import sys

import pytest

from micropie_sql_sessions import SQLSessionBackend
from support.sessions import ID, LONG, PATIENT

pytestmark = pytest.mark.anyio

ASYNCPG, PSYCOPG = "postgresql+asyncpg://db.invalid/shop", "postgresql+psycopg://db.invalid/shop"
MYSQL, SQLITE = "mysql://db.invalid/shop", "sqlite:///shop.db"


@pytest.mark.parametrize(
    "url",
    [
        *(f"{ASYNCPG}?sslmode={mode}" for mode in ("disable", "require", "verify-full")),
        f"{ASYNCPG}?sslmode=require&channel_binding=prefer",
        f"{ASYNCPG}?application_name=shop&options=-csearch_path%3Dshop&connect_timeout=10",
        f"{ASYNCPG}?statement_cache_size=0&prepared_statement_cache_size=0&command_timeout=1.5",
        f"{ASYNCPG}?ssl=require&target_session_attrs=read-write",
        f"{ASYNCPG}?host=one.invalid:5432&host=two.invalid:5432",
        f"{PSYCOPG}?sslmode=require&channel_binding=require&connect_timeout=10",
        *(
            f"{MYSQL}?ssl-mode={mode}"
            for mode in ("DISABLED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
        ),
        f"{MYSQL}?charset=utf8mb4&connect_timeout=5",
        f"{MYSQL}?charset=utf8&use_unicode=1",
        f"{PSYCOPG}?client_encoding=utf8",
        f"{SQLITE}?timeout=5",
        "sqlite:///file:shop.db?mode=ro&uri=true",
    ],
)
async def test_options_that_hosts_give_out_are_taken(url):
    SQLSessionBackend(url)


@pytest.mark.parametrize(
    ("url", "option"),
    [
        (f"{ASYNCPG}?sslmode=maybe", "sslmode"),
        (f"{ASYNCPG}?sslmode=require&sslmode=disable", "sslmode"),
        (f"{ASYNCPG}?channel_binding=require", "channel_binding"),
        (f"{ASYNCPG}?connect_timeout=soon", "timeout"),
        (f"{ASYNCPG}?sslrootcert=ca.pem", "sslrootcert"),
        (f"{ASYNCPG}?pool_size=5", "pool_size"),
        (f"{PSYCOPG}?pool_size=5", "pool_size"),
        (f"{MYSQL}?ssl-mode=maybe", "ssl-mode"),
        (f"{MYSQL}?sslmode=require", "sslmode"),
        *((f"{MYSQL}?charset={name}", "charset") for name in ("latin1", "ascii", "none")),
        (f"{MYSQL}?charset=utf8&charset=latin1", "charset"),
        (f"{MYSQL}?use_unicode=0", "use_unicode"),
        (f"{PSYCOPG}?client_encoding=LATIN1", "client_encoding"),
        (f"{SQLITE}?mode=ro", "mode"),
        (f"{SQLITE}?timeout=soon", "soon"),
        (f"{ASYNCPG}?prepared_statement_cache_size=few", "few"),
        (f"{MYSQL}?connect_timeout=soon", "soon"),
    ],
)
@pytest.mark.filterwarnings("ignore:Query string argument")  # SQLAlchemy's own opinion
async def test_an_option_that_would_fail_or_be_ignored_is_refused_by_its_name(url, option):
    with pytest.raises(ValueError, match=f"url_or_engine.*{option}"):
        SQLSessionBackend(url)


@pytest.mark.parametrize(
    ("url", "driver", "package"),
    [
        (ASYNCPG, "asyncpg", r"micropie-sql-sessions\[postgresql\]"),
        (PSYCOPG, "psycopg", "psycopg"),
        ("mysql+aiomysql://db.invalid/shop", "aiomysql", "aiomysql"),
    ],
)
async def test_the_hint_is_about_the_driver_in_use(monkeypatch, url, driver, package):
    monkeypatch.setitem(sys.modules, driver, None)  # as if it were not installed
    with pytest.raises(ModuleNotFoundError, match=f"pip install '{package}'"):
        SQLSessionBackend(url)


@pytest.mark.parametrize("name", ["postgresql+psycopg2", "postgresql+pg8000", "mysql+pymysql"])
async def test_nobody_is_told_to_install_a_driver_that_blocks(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name.partition("+")[2], None)  # as if it were not installed
    with pytest.raises(ValueError, match="would block the event loop"):
        SQLSessionBackend(f"{name}://db.invalid/shop")


async def test_a_connect_timeout_of_zero_means_no_limit(postgresql):
    url = postgresql.url_for("postgresql+asyncpg")
    backend = SQLSessionBackend(f"{url}&connect_timeout=0", timeout=PATIENT)
    await backend.save(ID, {"a": 1}, LONG)
    await backend.shutdown()


async def test_options_reach_the_server(postgresql):
    url = postgresql.url_for("postgresql+asyncpg").replace("ssl=disable", "sslmode=disable")
    backend = SQLSessionBackend(f"{url}&application_name=shop", timeout=PATIENT)
    await backend.save(ID, {"a": 1}, LONG)
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop'"
    assert postgresql.execute(count) == "1"
    await backend.shutdown()


@pytest.mark.parametrize("options", ["charset=utf8", "charset=utf8mb3&use_unicode=1", ""])
async def test_any_character_is_kept_whatever_name_of_utf_8_the_url_has(mariadb, options):
    backend = SQLSessionBackend(f"{mariadb.url_for('mysql+asyncmy')}?{options}", timeout=PATIENT)
    await backend.save(ID, {"pie": "🥧 é 漢"}, LONG)
    assert (await backend.load(ID)) == {"pie": "🥧 é 漢"}
    await backend.shutdown()


async def test_any_character_is_kept_with_psycopg(postgresql):
    url = postgresql.url_for("postgresql+psycopg")
    backend = SQLSessionBackend(f"{url}?client_encoding=utf8", timeout=PATIENT)
    await backend.save(ID, {"pie": "🥧 é 漢"}, LONG)
    assert (await backend.load(ID)) == {"pie": "🥧 é 漢"}
    await backend.shutdown()
