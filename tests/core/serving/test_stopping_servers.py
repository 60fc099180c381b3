"""Real servers stop in time, whatever is open: streams, WebSockets, work after the response."""

import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.servers import need, serve, wait_until

connecting = pytest.importorskip("websockets.sync.client")
exceptions = pytest.importorskip("websockets.exceptions")

FOLDER = Path(__file__).parent
HEAD = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"

# From Python 3.12 on Hypercorn 0.18 waits for idle connections for ever, whatever app it runs.
hypercorn = pytest.mark.skipif(sys.version_info >= (3, 12), reason="Hypercorn hangs")

# None is given a limit of its own for connections that stay open.
SERVERS = [
    pytest.param("uvicorn", (), id="uvicorn"),
    pytest.param("uvicorn", ("--reload",), id="uvicorn-reload"),
    pytest.param("uvicorn", ("--workers", "2"), id="uvicorn-workers"),
    pytest.param("uvicorn", ("--lifespan", "off"), id="uvicorn-no-lifespan"),
    pytest.param("hypercorn", ("--graceful-timeout", "60"), id="hypercorn", marks=hypercorn),
    pytest.param(
        "hypercorn",
        ("--workers", "0", "--graceful-timeout", "60"),
        id="hypercorn-one-process",
        marks=hypercorn,
    ),
    pytest.param("granian", (), id="granian"),
]


def ask(client, path, awaited):
    """Ask for *path*, and wait for something in the answer."""
    client.sendall(HEAD % path)
    text = b""
    while awaited not in text:
        data = client.recv(65536)
        assert data, "the server closed the connection"
        text += data


def rest_of(client):
    """Return what still comes until the server closes the connection."""
    text = b""
    try:
        while data := client.recv(65536):
            text += data
    except ConnectionResetError:
        pass
    return text


@pytest.mark.parametrize("app", ["app", "parent", "wrapped"])
@pytest.mark.parametrize(("name", "options"), SERVERS)
def test_a_server_that_is_told_to_stop_is_held_up_by_nothing(name, options, app, tmp_path):
    if app != "app" and options:
        pytest.skip("what the app is mounted in makes no difference to these")
    need("websockets")
    log = tmp_path / "log"
    log.touch()
    variables = {"STOPPING_LOG": str(log)}
    with (
        ExitStack() as stack,
        serve(
            name, f"stopping_app:{app}", FOLDER, options=options, environment=variables
        ) as server,
    ):
        events, chunks, later = (stack.enter_context(server.connect()) for _ in range(3))
        ask(events, b"/events", b"first")
        ask(chunks, b"/chunks", b"first")
        ask(later, b"/later", b"Soon.")
        sockets = []
        for path in ("listening", "deaf"):
            url = f"ws://127.0.0.1:{server.port}/{path}"
            sockets.append(stack.enter_context(connecting.connect(url)))
            assert sockets[-1].recv() == "first"
        wait_until(lambda: "working" in log.read_text())

        server.terminate()

        # Whole, so that a browser is told that it may connect again, to the next server.
        assert rest_of(events).endswith(b"0\r\n\r\n")
        # Not whole, and the client can tell.
        assert not rest_of(chunks).endswith(b"0\r\n\r\n")
        for socket in sockets:
            with pytest.raises(exceptions.ConnectionClosed) as caught:
                socket.recv()
            # Granian hears of the signal when the App does, and may be the first to close.
            received = caught.value.rcvd
            assert received.code == 1012 if received or name != "granian" else True
        left = set(log.read_text().splitlines())
        if name == "granian" and app == "wrapped":  # it waits for no handler, nor does the wrapper
            left |= {"deaf", "worked"}
        assert left == {"events True", "chunks", "listening", "deaf", "working", "worked"}
        assert "Traceback" not in server.log()


@pytest.mark.parametrize("name", ["uvicorn", "hypercorn", "granian", "daphne"])
def test_the_next_request_of_a_connection_waits_for_no_work(name, tmp_path):
    log = tmp_path / "log"
    log.touch()
    variables = {"STOPPING_LOG": str(log)}
    with serve(name, "stopping_app:app", FOLDER, environment=variables) as server:
        with server.connect() as client:
            ask(client, b"/later", b"Soon.")
            ask(client, b"/", b"Hello.")
        assert "worked" not in log.read_text()
