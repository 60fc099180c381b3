"""What the chat and the demo have in common: they need nothing but themselves."""

import shutil
from pathlib import Path

import pytest

from support.servers import serve

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTHING = {"DATABASE_URL": "", "REDIS_URL": ""}


@pytest.mark.parametrize("name", ["chat", "demo"])
def test_without_being_told_it_keeps_what_it_keeps_beside_the_app(name, tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "*.db*")
    folder = shutil.copytree(EXAMPLES / name, tmp_path / "copy", ignore=ignored)
    with serve("uvicorn", "app:app", folder, environment=NOTHING) as server:
        assert server.get("/").status == 200
        assert (folder / f"{name}.db").exists()


def test_they_bring_the_same_client_of_socket_io():
    clients = [EXAMPLES / name / "static" / "vendor" for name in ("chat", "demo")]
    chats, demos = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in clients
    )
    assert chats == demos
    assert b"MIT License" in chats["socket.io.esm.min.js"]
    assert b"MIT License" in chats["socket.io.LICENSE.txt"]
