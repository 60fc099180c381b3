"""Databases for the tests of micropie-sql-sessions; each worker of pytest-xdist has its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.sql_places import DRIVERS, Place, SQLiteFile
from support.sql_servers import MariaDB, PostgreSQL, SQLServer, sql_server, sql_template


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[Path]:
    with sql_template(PostgreSQL) as folder:
        yield folder


@pytest.fixture(scope="session")
def mariadb_template() -> Iterator[Path]:
    with sql_template(MariaDB) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgresql(postgresql_template: Path) -> Iterator[PostgreSQL]:
    """A server that tests share; they may not stop it, nor change how it works."""
    with sql_server(PostgreSQL, postgresql_template) as running:
        yield running


@pytest.fixture(scope="session")
def mariadb(mariadb_template: Path) -> Iterator[MariaDB]:
    """The same of the other kind."""
    with sql_server(MariaDB, mariadb_template) as running:
        yield running


@pytest.fixture(params=DRIVERS)
def server(request: pytest.FixtureRequest) -> SQLServer:
    """Either of the two: a test that takes it runs on each, with each driver."""
    name = "postgresql" if request.param.startswith("postgresql") else "mariadb"
    running: SQLServer = request.getfixturevalue(name)
    running.driver = request.param
    return running


@pytest.fixture(params=DRIVERS)
def own_server(request: pytest.FixtureRequest) -> Iterator[SQLServer]:
    """The same to do harm to."""
    name, kind = "mariadb", MariaDB
    if request.param.startswith("postgresql"):
        name, kind = "postgresql", PostgreSQL
    with sql_server(kind, request.getfixturevalue(f"{name}_template")) as running:
        running.driver = request.param
        yield running


@pytest.fixture
def sqlite(tmp_path):
    database = SQLiteFile(tmp_path)
    return Place(database, database.url)


@pytest.fixture(params=["sqlite", *DRIVERS])
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
