"""Headers that servers without a limit let through: refused before they are searched."""

import pytest

from micropie import App
from micropie_static import Static, send_file
from support.asgi import Client
from support.static_files import client_of

pytestmark = pytest.mark.anyio

LARGE = {
    "one": [("If-None-Match", '"a",' * 20_000)],
    "one that is not looked at": [("X-Any", "a" * 70_000)],
    "repeated": [("a", "")] * 2_000,
    "names": [(f"x-{number}", "") for number in range(2_000)],
}


@pytest.mark.parametrize("headers", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("path", ["/static/hello.txt", "/static/nowhere", "/send"])
async def test_large_headers_are_a_431(root, path, headers):
    client = client_of(Static(root))
    if path == "/send":

        class Files(App):
            async def send(self):
                return send_file("hello.txt", root=root)

        client = Client(Files())
    assert (await client.get(path, headers=headers)).status == 431


async def test_64_kib_of_headers_are_read(root):
    tags = '"a",' * 16_000 + "*"
    client = client_of(Static(root))
    assert (await client.get("/static/hello.txt", headers={"If-Match": tags})).status == 412
