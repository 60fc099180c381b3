"""Large files on real servers: bounded memory, and clients that are slow or leave."""

import socket
from pathlib import Path

import pytest

from support.memory import memory_growth
from support.servers import CLIENT_TIMEOUT, HOST, SERVERS
from support.static_files import HUGE, MIB

ALLOWED_GROWTH = 16  # MiB; what is sent would take a hundred
SLOW_CLIENTS = 50

PATHS = ["/static/huge.bin", "/fresh/huge.bin", "/send/huge.bin", "/hooked/guarded/huge.bin?key"]


# Daphne takes all that an app sends, however slow its client is.
pytestmark = pytest.mark.parametrize(
    "server", [name for name in SERVERS if name != "daphne"], indirect=True
)


@pytest.fixture
def pid(server):
    return int(server.get("/pid").text)


def download(server, path):
    """Return how many bytes came, after a look at each MiB of them."""
    with server.http() as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        for number in range(HUGE):
            piece = response.read(MIB)
            assert (len(piece), int.from_bytes(piece[:8], "big")) == (MIB, number)
        assert response.read() == b""


@pytest.mark.parametrize("path", PATHS)
def test_a_huge_file_takes_little_memory(server, pid, path):
    with memory_growth(pid) as growth:
        download(server, path)
    print(f"{server.name}: grown by {growth.mib:.1f} MiB")
    assert growth.mib < ALLOWED_GROWTH


def test_slow_clients_take_little_memory_and_keep_nobody_waiting(server, pid):
    clients = []
    with memory_growth(pid) as growth:
        for _ in range(SLOW_CLIENTS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(CLIENT_TIMEOUT)
            client.connect((HOST, server.port))
            client.sendall(b"GET /static/huge.bin HTTP/1.1\r\nHost: pie\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            clients.append(client)
        assert server.get("/static/hello.txt").text == "0123456789"
        assert server.get("/send/hello.txt").text == "0123456789"
    print(f"{server.name}: grown by {growth.mib:.1f} MiB for {SLOW_CLIENTS} slow clients")
    assert growth.mib < SLOW_CLIENTS * 2
    for client in clients:
        client.close()
    # All files are closed again.
    for _ in range(500):
        if not descriptors(pid, "huge.bin"):
            break
        server.get("/static/hello.txt")
    assert descriptors(pid, "huge.bin") == 0


def descriptors(pid, name):
    """Return how many descriptors of a process are of files called *name*."""
    count = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            count += link.readlink().name == name
        except FileNotFoundError:
            continue  # closed meanwhile
    return count
