"""The Socket.IO client that browsers use, in Node, against the chat."""

import json
import shutil
import subprocess
from http.cookies import SimpleCookie
from pathlib import Path

import pytest

from support.programs import program
from support.servers import serve

APP_FOLDER = Path(__file__).parent
MSGPACK = {"CHAT_SERIALIZER": "msgpack"}
FOLDER = Path(__file__).parent / "node"
# What makes the client wait for the upgrade: it is begun at once, and done before the goodbye.
TRANSPORTS = {
    "polling": ["polling"],
    "websocket": ["websocket"],
    "upgrade": ["polling", "websocket"],
}


@pytest.fixture(scope="session")
def modules(tmp_path_factory):
    """Install the client, outside of the source tree."""
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(FOLDER / "package.json", folder)
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"]
    command = [program("npm"), "install", *options]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    return folder


def talk(modules, server, transports, *, parser="", **headers):
    command = [program("node"), str(FOLDER / "client.js"), str(modules), server.url]
    arguments = [json.dumps(transports), json.dumps(headers), parser]
    done = subprocess.run(
        [*command, *arguments], check=True, capture_output=True, text=True, timeout=60
    )
    return json.loads(done.stdout)


SERIALIZERS = {"default": "", "msgpack": "socket.io-msgpack-parser"}


@pytest.fixture(scope="module")
def msgpack_server():
    with serve("uvicorn", "chat_app:app", APP_FOLDER, environment=MSGPACK) as running:
        yield running
        assert "Traceback" not in running.log()


@pytest.mark.parametrize("serializer", SERIALIZERS)
@pytest.mark.parametrize("transports", TRANSPORTS)
def test_the_client_of_node_talks(modules, request, serializer, transports):
    name = "server" if serializer == "default" else "msgpack_server"
    server = request.getfixturevalue(name)
    cookie = SimpleCookie(server.get("/login/Ada").headers["Set-Cookie"])["session_id"].value
    options = {"parser": SERIALIZERS[serializer], "Cookie": f"session_id={cookie}"}
    seen = talk(modules, server, TRANSPORTS[transports], **options)
    assert sorted(seen.pop("echoes")) == [[number, [0, number]] for number in range(40)]
    assert seen == {
        "sum": 3,
        "answer": "Pie? Yes!",
        "name": "Ada",
        "room": "Ada",
        "transport": "polling" if transports == "polling" else "websocket",
        "reason": "io server disconnect",
    }


def test_a_guest_is_refused_in_the_namespace_alone(modules, server):
    seen = talk(modules, server, ["websocket"])
    assert seen["name"] is None
    assert seen["room"] == "please log in"


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_a_page_of_another_origin_is_refused(modules, server, transport):
    seen = talk(modules, server, [transport], Origin="https://evil.example")
    assert set(seen) == {"error"}
