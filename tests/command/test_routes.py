"""`micropie routes`: a table for people, JSON for programs."""

import json

import pytest

MODULE = '''
from datetime import date

from micropie import App, allow, route


class Api(App):
    @route.get("/pies/{number}")
    async def pie(self, number: int):
        """One pie."""


class Site(App):
    @allow("GET", "POST")
    async def index(self, *words, day: date = date(2026, 1, 2), size: int = 3, **others):
        """The page."""

    async def ws_chat(self, ws, room="lobby"):
        pass


async def files(scope, receive, send):
    pass


app = Site()
api = Api()
app.mount("/api", api)
app.mount("/files", files)
api.mount("/again", api)
'''


TABLE = """\
METHODS        PATH                NAME     PARAMETERS
GET HEAD POST  /                   index    *words, day, size, **others
WebSocket      /chat               ws_chat  room
mount          /api                Api
GET HEAD       /api/pies/{number}  pie      number
mount          /api/again          Api
mount          /files              files
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "app.py").write_text(MODULE)
    return tmp_path


def test_routes_are_a_table(folder, micropie):
    done = micropie("routes", "app:app")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == TABLE


def test_routes_are_json(folder, micropie):
    done = micropie("routes", "app:app", "--json")
    routes = {route["path"]: route for route in json.loads(done.stdout)}
    assert [*routes] == ["/", "/chat", "/api", "/api/pies/{number}", "/api/again", "/files"]
    index = routes["/"]
    parameters = index.pop("parameters")
    assert index == {
        "path": "/",
        "methods": ["GET", "HEAD", "POST"],
        "name": "index",
        "handler": "app:Site.index",
        "doc": "The page.",
        "kind": "http",
    }
    assert parameters[1:3] == [
        {
            "name": "day",
            "annotation": "datetime.date",
            "source": "query",
            "default": "datetime.date(2026, 1, 2)",
        },
        {"name": "size", "annotation": "int", "source": "query", "default": 3},
    ]
    assert parameters[0] == {"name": "*words", "annotation": None, "source": "path"}
    assert routes["/chat"]["kind"] == "websocket"
    assert routes["/files"]["handler"] == "app:files"
    assert routes["/api"]["handler"] == "app:Api"
    assert routes["/chat"]["methods"] is None
