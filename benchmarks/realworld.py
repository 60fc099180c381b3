"""Conduit: three endpoints of a real application, on a database, with models, tokens and errors.

The apps are in benchmarks/conduit. SQLite and PostgreSQL are made for this, with the same rows for
all; PostgreSQL by what starts it for the tests.
"""

import asyncio
import contextlib
import http.client
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import conduit
from benchmarks.contestants import CONDUIT
from benchmarks.lines import count_code
from benchmarks.options import Options
from benchmarks.over_socket import SECONDS, Load
from benchmarks.processes import HOST, ROOT, Server, pinned_cores
from benchmarks.table import Measurement, Table

CONNECTIONS = 16
USERS = 20
ARTICLES = 500
TAGS = ("pies", "baking", "apples")
ARTICLE = {"title": "How to bake", "description": "Slowly", "body": "Take flour. " * 50,
           "tagList": list(TAGS)}  # fmt: skip

# By job: method, path and body; the article and the token are filled in.
JOBS: dict[str, tuple[str, str, Any]] = {
    "article": ("GET", "/articles/{slug}", None),
    "articles": ("GET", "/articles?limit=20", None),
    "write": ("POST", "/articles", {"article": ARTICLE}),
}
TITLES = {
    "article": "an article with its author",
    "articles": "a list of 20 articles",
    "write": "a new article",
}

SCRIPT = """
wrk.method = "%s"
wrk.headers["Authorization"] = "%s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
"""


def tables(options: Options) -> Iterator[Table]:
    """Measure each endpoint on each database, and count the lines of the apps."""
    names = [name for name in conduit.CONTESTANTS if name in options.contestants]
    yield _lines(names)
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        for database, url in _databases(folder, stack).items():
            slug, token = asyncio.run(_fill(url))
            yield from _measured(names, database, url, slug, token, folder, options)


def _databases(folder: Path, stack: contextlib.ExitStack) -> dict[str, str]:
    """Return the URLs of empty databases."""
    sys.path.append(str(ROOT / "tests"))
    from support.sql_servers import PostgreSQL, sql_server

    postgresql = stack.enter_context(sql_server(PostgreSQL))
    return {
        "SQLite": f"sqlite+aiosqlite:///{folder}/conduit.db",
        "PostgreSQL": postgresql.url_for("postgresql+asyncpg"),
    }


async def _fill(url: str) -> tuple[str, str]:
    """Make the tables with their rows; return an article's slug, and a token."""
    conduit.use_example(url)
    import database
    import queries
    import schemas
    import tokens

    async with database.connected(None) as state, state["database"].begin() as db:
        users = [
            database.User(username=f"user{n}", email=f"user{n}@example.org", password_hash="")
            for n in range(USERS)
        ]
        db.add_all(users)
        await db.flush()
        for n in range(ARTICLES):
            fields = schemas.NewArticle.model_validate(ARTICLE)
            slug = await queries.add_article(db, users[n % USERS].id, fields)
        return slug, tokens.new_token(users[0].id)


def _measured(
    names: list[str], database: str, url: str, slug: str, token: str, folder: Path, options: Options
) -> Iterator[Table]:
    core, other_core = pinned_cores()
    seconds = 1 if options.is_quick else SECONDS
    with contextlib.ExitStack() as stack:
        running = []
        for name in names:
            running.append(Server(name, (CONDUIT, url), "uvicorn", cores=core))
            stack.callback(running[-1].stop)
        for job, (method, path, body) in JOBS.items():
            path = path.format(slug=slug)
            text = json.dumps(body) if body else ""
            script = folder / f"{job}.lua"
            lua = json.dumps(text) if text else "nil"
            script.write_text(SCRIPT % (method, f"Token {token}", lua))
            title = f"Conduit, {TITLES[job]}: {database}, uvicorn, {CONNECTIONS} connections"
            table = Table(f"conduit/{database}/{job}", title, "requests/s", more_is_better=True)
            load = Load(1, CONNECTIONS, other_core, path, script)
            wanted = _answer(running[0], job, path, text, token)
            for server in running:
                found = _answer(server, job, path, text, token)
                if found != wanted:
                    table.left_out[server.contestant] = f"answers {found} instead of {wanted}"
                else:
                    load.on(server, 1)  # to warm up

            def measure(server: Server, load: Load = load) -> Measurement:
                return load.on(server, seconds)

            table.fill(running, options.rounds, measure)
            yield table


def _answer(server: Server, job: str, path: str, body: str, token: str) -> Any:
    """Return the JSON that a request is answered with, and how one with a wrong token is."""
    answers = []
    for each in (token, "x.y.z"):
        headers = {"Authorization": f"Token {each}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(JOBS[job][0], path, body or None, headers)
            response = connection.getresponse()
            content = response.read()  # of an error, each framework has its own
            answers.append(
                (response.status, json.loads(content) if response.status < 400 else None)
            )
    (status, answer), (refusal, _) = answers
    if job == "write" and answer:
        for name in ("slug", "createdAt", "updatedAt"):
            del answer["article"][name]
    return status, answer, refusal


def _lines(names: list[str]) -> Table:
    table = Table("conduit/lines", "Conduit, lines of code of these three endpoints", "lines")
    for name in names:
        table.add(name, count_code((conduit.FOLDER / f"{name}.py").read_text()), {})
    return table
