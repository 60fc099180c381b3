"""The scripts of the README, as far as they can be tried without setting anything up."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def run(*command, **environment):
    """Run a script whose environment has *environment* too; one left from outside is not kept."""
    kept = {k: v for k, v in os.environ.items() if k != "MICROPIE_OWN_ENVIRONMENT"}
    return subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_what_is_set_on_the_machine_does_not_reach_a_script(tmp_path):
    script = tmp_path / "script"
    script.write_text(f"source {SCRIPTS}/environment.sh\nenv\numask\necho $# $2\n")
    set_here = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "-k nothing",
        "UVICORN_PORT": "1",
        "PIP_FIND_LINKS": "/elsewhere",
        "http_proxy": "http://proxy.example",
    }
    done = run("bash", script, "one", "two words", **set_here)
    assert done.returncode == 0, done.stderr
    *lines, umask, arguments = done.stdout.splitlines()
    seen = dict(line.split("=", 1) for line in lines)
    assert seen["http_proxy"] == "http://proxy.example"
    assert seen["PATH"] == os.environ["PATH"]
    assert not seen.keys() & (set_here.keys() - {"http_proxy"})
    assert (umask, arguments) == ("0022", "2 two words")


def test_the_demo_says_what_to_do_when_its_port_is_taken(taken_port):
    advice = f"choose another one: ./scripts/demo --port {taken_port + 1}\n"
    for arguments in (["--port", str(taken_port)], [f"--port={taken_port}", "--reload"]):
        done = run(SCRIPTS / "demo", *arguments)
        assert done.returncode == 1
        assert done.stderr.endswith(f"port {taken_port} is taken; {advice}")
