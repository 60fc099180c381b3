"""What is put into the cart stays there, whatever else goes on."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.examples import EXAMPLES, phone, serve_example, visiting
from support.redis_servers import redis_server
from support.servers import serve

# Says at the end of the app how many connections are left open.
WATCHED = """
import gc
import app
from redis.asyncio import Connection

async def watched(scope, receive, send):
    await app.app(scope, receive, send)
    if scope["type"] == "lifespan":
        found = [thing for thing in gc.get_objects() if isinstance(thing, Connection)]
        print("left open:", sum(connection.is_connected for connection in found))
"""
PIES = ["apple", "blueberry", "cherry", "lemon", "peach", "pumpkin", "rhubarb", "walnut"]


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture(scope="module")
def serving(redis, tmp_path_factory):
    """Return a function that runs the app."""

    def serving():
        environment = {"REDIS_URL": redis.url}
        return serve_example("cart", tmp_path_factory.mktemp("cart"), environment)

    return serving


@pytest.fixture(scope="module")
def server(serving):
    with serving() as server:
        yield server
        server.terminate()
        for word in ("Traceback", "ERROR"):
            assert word not in server.log()


def put(visitor, pie, pieces):
    return visitor.post(f"/put/{pie}", data={"pieces": pieces})


def cart(page):
    found = re.findall(r"<li>(\d+) pieces? of (\w+) pie</li>", page.text)
    return {pie: int(pieces) for pieces, pie in found}


def test_pieces_are_put_in_and_taken_out(server):
    with visiting(server) as visitor:
        put(visitor, "apple", 2)
        page = put(visitor, "lemon", 1)
        assert cart(page) == {"apple": 2, "lemon": 1}
        assert "In all: <strong>10.90</strong>" in page.text
        assert cart(put(visitor, "apple", 0)) == {"lemon": 1}


def test_two_tabs_at_the_same_time_lose_nothing(server):
    with visiting(server) as one, ThreadPoolExecutor(len(PIES)) as threads:
        put(one, PIES[0], 1)  # so that there is a session for both to share
        with visiting(server) as other:
            other.cookies = one.cookies
            for pieces in range(1, 6):
                tabs = [one, other] * (len(PIES) // 2)

                def send(tab, pie, pieces=pieces):
                    return put(tab, pie, pieces).status_code

                assert set(threads.map(send, tabs, PIES)) == {200}
                assert cart(one.get("/")) == dict.fromkeys(PIES, pieces)


def test_the_cart_outlives_the_app(serving):
    with serving() as server, visiting(server) as visitor:
        put(visitor, "cherry", 3)
        cookies = visitor.cookies
    with serving() as server, visiting(server) as visitor:
        visitor.cookies = cookies
        assert cart(visitor.get("/")) == {"cherry": 3}


def test_the_client_is_closed_with_the_app(redis, tmp_path):
    (tmp_path / "watched.py").write_text(WATCHED)
    options = ("--app-dir", str(EXAMPLES / "cart"))
    environment = {"REDIS_URL": redis.url}
    with serve(
        "uvicorn", "watched:watched", tmp_path, options=options, environment=environment
    ) as server:
        assert server.get("/").status == 200
        server.terminate()
        assert "left open: 0" in server.log()


def test_all_see_what_is_popular(server):
    popular = ["cherry", "peach", "walnut"]
    for _ in range(4):  # more often than other tests put anything in
        with visiting(server) as visitor:
            for pie in popular:
                put(visitor, pie, 1)
                put(visitor, pie, 20)
    with visiting(server) as visitor:
        marked = re.findall(r"(\w+) pie, [\d.]+</span>\s*<mark>popular", visitor.get("/").text)
    assert [pie.lower() for pie in marked] == popular


def test_what_can_not_be_is_refused(server):
    with visiting(server) as visitor:
        assert put(visitor, "mud", 1).status_code == 404
        assert put(visitor, "apple", 21).status_code == 422
        assert put(visitor, "apple", -1).status_code == 422
        forged = {"data": {"pieces": 1}, "headers": {"Sec-Fetch-Site": "cross-site"}}
        assert visitor.post("/put/apple", **forged).status_code == 403
        assert cart(visitor.get("/")) == {}


def test_it_fits_a_phone(server):
    with phone() as open_page:
        page = open_page(server.url)
        page.get_by_label("Pieces of peach pie").fill("2")
        page.get_by_label("Pieces of peach pie").press("Enter")
        page.get_by_text("2 pieces of peach pie").wait_for()
