"""The example of sessions works with each store, by its environment variable alone."""

from pathlib import Path

import httpx2
import pytest

from support.redis_servers import redis_server
from support.servers import CLIENT_TIMEOUT, serve
from support.sql_servers import MariaDB, PostgreSQL, sql_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "sessions"
SHARED = ["redis", "sqlite", "postgresql", "mysql"]


@pytest.fixture
def store(request, tmp_path):
    """Return the URL of a store of that kind."""
    match request.param:
        case "redis":
            with redis_server(tmp_path / "redis") as server:
                yield server.url
        case "postgresql":
            with sql_server(PostgreSQL) as server:
                yield server.url_for("postgresql")
        case "mysql":
            with sql_server(MariaDB) as server:
                yield server.url_for("mysql")
        case "sqlite":
            yield f"sqlite:///{tmp_path}/sessions.db"
        case kind:
            yield kind


def example(store, tmp_path, *options):
    environment = {"SESSION_STORE": store}
    options = ("--app-dir", str(EXAMPLE), *options)
    return serve("uvicorn", "app:app", tmp_path, options=options, environment=environment)


def browser(server, cookies=None):
    return httpx2.Client(
        base_url=server.url, cookies=cookies, follow_redirects=True, timeout=CLIENT_TIMEOUT
    )


def seen(page):
    """Return who is greeted, and the number of visits."""
    greeting, _, rest = page.text.partition("<h1>Hello, ")[2].partition(". Visits:")
    return greeting, int(rest.partition('"visits">')[2].partition("<")[0])


@pytest.mark.parametrize("store", ["memory", *SHARED], indirect=True)
def test_it_counts_visits_until_the_logout(store, tmp_path):
    with example(store, tmp_path) as server, browser(server) as visitor:
        assert seen(visitor.get("/")) == ("stranger", 1)
        assert seen(visitor.post("/login", data={"name": " Ada  <3 "})) == ("Ada &lt;3", 2)
        assert seen(visitor.get("/")) == ("Ada &lt;3", 3)
        assert seen(visitor.post("/logout")) == ("stranger", 1)
        assert f"Store: {store.partition(':')[0]}." in visitor.get("/").text
        assert visitor.get("/logout").status_code == 405


@pytest.mark.parametrize("store", SHARED, indirect=True)
def test_several_processes_and_a_restart_share_the_count(store, tmp_path):
    cookies = None
    for start in (0, 10):
        with (
            example(store, tmp_path, "--workers", "2") as server,
            browser(server, cookies) as visitor,
        ):
            visitor.headers["Connection"] = "close"  # so that both processes get to answer
            counts = [seen(visitor.get("/"))[1] for _ in range(10)]
            assert counts == [start + number for number in range(1, 11)]
            cookies = visitor.cookies
