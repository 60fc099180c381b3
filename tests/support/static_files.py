"""A folder of files to serve, and beside it what nobody may get."""

import gzip
import os
from pathlib import Path

from micropie import App
from support.asgi import Client

# What lies outside of the root; it shows in a response only if something is badly wrong.
SECRET = b"this is not for you"

CSS = b"body { color: rebeccapurple }\n" * 20
LARGE = os.urandom(700_001)
MODIFIED = 1_700_000_000  # when every file was: Tue, 14 Nov 2023 22:13:20 GMT


MIB = 1024**2
HUGE = 100  # MiB; the acceptance of issue 5 names it


def make_huge(path: Path, size: int) -> None:
    """Make a file of *size* MiB, each of which begins with its number; the rest takes no disk."""
    with path.open("wb") as file:
        for number in range(size):
            file.seek(number * MIB)
            file.write(number.to_bytes(8, "big"))
        file.truncate(size * MIB)


def make_tree(folder: Path) -> Path:
    """Make the folders root and outside; return root."""
    root, outside = folder / "root", folder / "outside"
    (root / "docs").mkdir(parents=True)
    outside.mkdir()
    for name, content in {
        "app.css": CSS,
        "app.css.gz": gzip.compress(CSS, mtime=0),
        "app.0123456789ab.js": b"let pie = 3.14;",
        "hello.txt": b"0123456789",
        "empty.txt": b"",
        "large.bin": LARGE,
        "docs/index.html": b"<h1>docs</h1>",
        "docs/page.html": b"<h1>page</h1>",
        "grüße 100%.txt": b"umlauts",
        "..two dots.txt": b"a name that begins with dots",
    }.items():
        (root / name).write_bytes(content)
        os.utime(root / name, (MODIFIED, MODIFIED))
    (outside / "secret.txt").write_bytes(SECRET)
    (outside / "app.css").write_bytes(SECRET)
    (folder / "secret.txt").write_bytes(SECRET)
    (root / "link.txt").symlink_to(outside / "secret.txt")
    (root / "linked").symlink_to(outside)
    (root / "inner").symlink_to(root / "docs")
    (root / "docs" / "round").symlink_to(root)
    (root / "nowhere").symlink_to(root / "missing")
    (root / "itself").symlink_to(root / "itself")
    (root / "hello.txt.gz").symlink_to(outside / "secret.txt")
    os.mkfifo(root / "pipe")
    return root


DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def client_of(static, path="/static", **options):
    app = App(**options)
    app.mount(path, static)
    return Client(app)


async def get(client, url, **headers):
    """Return the answer to a GET with *headers*, whose names have underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.get(url, headers=named)


def open_files(name):
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            continue  # that of the listing itself
    return [link for link in links if link.endswith(name)]
