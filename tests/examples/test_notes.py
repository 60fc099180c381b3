"""Notes are for their writer, in a database that Alembic has made as the README says."""

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from support.examples import phone, take_along, visiting
from support.servers import serve

# Says at the end of the app how many connections are left open.
WATCHED = """
import app, database

async def watched(scope, receive, send):
    await app.app(scope, receive, send)
    if scope["type"] == "lifespan":
        pool = database.engine.pool
        print("left open:", pool.checkedin() + pool.checkedout())
"""
PASSWORD = "a long password"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Take the example along, and do what the README says, up to uvicorn."""
    folder = take_along("notes", tmp_path_factory.mktemp("taken") / "notes")
    (upgrade,) = re.findall(r"^alembic upgrade .*$", (folder / "README.md").read_text(), re.M)
    run(folder, upgrade)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as server:
        yield server


@pytest.fixture
def visitor(server):
    with visiting(server) as visitor:
        yield visitor


def run(folder, command):
    subprocess.run([sys.executable, "-m", *shlex.split(command)], cwd=folder, check=True)


@contextmanager
def serving(folder):
    """Run the app; its log must show no error, not even of its end."""
    with serve("uvicorn", "app:app", folder) as server:
        yield server
        server.terminate()
        for word in ("Traceback", "ERROR"):
            assert word not in server.log()


def send(visitor, page, to=None, **fields):
    return visitor.post(to or page, data=fields)


def test_a_note_is_written_escaped_and_removed(visitor):
    assert "<span>ada</span>" in send(visitor, "/sign_up", name="Ada", password=PASSWORD).text
    page = send(visitor, "/", "/add", text="Pie & <b>\r\nto buy")
    assert "Pie &amp; &lt;b&gt;\nto buy" in page.text
    (note,) = re.findall(r"/remove/\d+", page.text)
    assert "to buy" not in send(visitor, "/", note).text
    assert send(visitor, "/", note).status_code == 404


def test_others_neither_see_nor_remove_it(server, visitor):
    send(visitor, "/sign_up", name="Bob", password=PASSWORD)
    (note,) = re.findall(r"/remove/\d+", send(visitor, "/", "/add", text="Secret").text)
    with visiting(server) as other:
        assert "Sign in" in send(other, "/sign_in", note).text
        page = send(other, "/sign_up", name="Eve", password=PASSWORD)
        assert "Secret" not in page.text
        assert send(other, "/", note).status_code == 404
    assert "Secret" in visitor.get("/").text


def test_a_restart_signs_nobody_out(folder):
    with serving(folder) as server, visiting(server) as visitor:
        send(visitor, "/sign_up", name="Grace", password=PASSWORD)
        send(visitor, "/", "/add", text="Still here")
        cookies = visitor.cookies
    with serving(folder) as server, visiting(server) as visitor:
        visitor.cookies = cookies
        assert "Still here" in visitor.get("/").text
        assert "Still here" not in send(visitor, "/", "/sign_out").text
        assert "Still here" in send(visitor, "/sign_in", name="grace", password=PASSWORD).text


def test_the_engine_is_closed_with_the_app(folder):
    (folder / "watched.py").write_text(WATCHED)
    with serve("uvicorn", "watched:watched", folder) as server:
        assert server.get("/").status == 200
        server.terminate()
        assert "left open: 0" in server.log()


def test_what_can_not_be_is_refused(server, visitor):
    send(visitor, "/sign_up", name="Joan", password=PASSWORD)
    for text in (" ", "x" * 2001):
        assert send(visitor, "/", "/add", text=text).status_code == 422
    forged = {"data": {"text": "forged"}, "headers": {"Sec-Fetch-Site": "same-site"}}
    assert visitor.post("/add", **forged).status_code == 403
    for note_id in ("0", "-1", "9" * 30):
        assert send(visitor, "/", f"/remove/{note_id}").status_code == 404
    with visiting(server) as other:
        assert send(other, "/sign_up", name="JOAN", password=PASSWORD).status_code == 409
        assert send(other, "/sign_up", name="a b", password=PASSWORD).status_code == 422
        assert send(other, "/sign_up", name="Mary", password="short").status_code == 422
        assert send(other, "/sign_in", name="Joan", password="guess").status_code == 403


def test_the_migrations_make_all_tables_as_they_are(folder, server):
    run(folder, "alembic check")  # fails if --autogenerate would write anything


def test_they_can_be_undone(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "notes", ignore=shutil.ignore_patterns("*.db*"))
    for command in ("upgrade head", "downgrade base", "upgrade head"):
        run(tmp_path / "notes", f"alembic {command}")


def test_it_fits_a_phone(server):
    with phone() as open_page:
        page = open_page(f"{server.url}/sign_up")
        page.get_by_label("Name").fill("Hedy")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign up").click()
        page.get_by_label("A new note").fill("M" * 1000)
        page.get_by_role("button", name="Note").click()
        page.get_by_role("button", name="Remove").wait_for()
