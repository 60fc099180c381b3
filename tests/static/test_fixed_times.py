"""Files whose modification time was fixed by what built the image that they came in."""

import os
import time
from email.utils import formatdate

import pytest

from micropie import App
from micropie_static import Static, send_file
from support.asgi import Client
from support.static_files import MODIFIED, get

pytestmark = pytest.mark.anyio

NIX, BUILDPACK, NPM, BAZEL = 1, 315_532_801, 499_162_500, 946_684_800
FIXED = pytest.mark.parametrize("time", [0, NIX, BUILDPACK, NPM, BAZEL])
EVERY_WAY = pytest.mark.parametrize("path", ["/static", "/fresh", "/sent"])


def deploy(root, content, time, name="app.js"):
    """Put a release in the place of the one before, and return a client of a new process."""
    for suffix, data in {"": content, ".gz": b"packed " + content[-9:]}.items():
        new = root / "new"
        new.write_bytes(data)
        os.utime(new, (time, time))
        new.replace(root / f"{name}{suffix}")

    class Site(App):
        async def sent(self, name):
            return send_file(name, root=root)

    app = Site()
    app.mount("/static", Static(root))
    app.mount("/fresh", Static(root, autorefresh=True))
    return Client(app)


def conditions_of(answer):
    """Return the request headers by which a browser asks whether it has the newest version."""
    names = {"if_none_match": "etag", "if_modified_since": "last-modified"}
    return {ours: answer.header(name) for ours, name in names.items() if answer.header(name)}


@FIXED
@EVERY_WAY
@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_a_release_of_the_same_length_is_seen(root, time, path, encoding):
    url, accept = f"{path}/app.js", {"accept_encoding": encoding}
    old = await get(deploy(root, b"version(1)" * 20, time), url, **accept)
    client = deploy(root, b"version(2)" * 20, time)
    new = await get(client, url, **accept, **conditions_of(old))
    assert new.status == 200
    assert new.body != old.body
    again = await get(client, url, **accept, **conditions_of(new))
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("time", [MODIFIED, 4_000_000_000])
@EVERY_WAY
async def test_a_release_of_the_same_length_and_the_time_of_its_sources_is_seen(root, time, path):
    old = await get(deploy(root, b"version(1)", time), f"{path}/app.js")
    client = deploy(root, b"version(2)", time)
    condition = {"if_none_match": old.header("etag")}
    assert (await get(client, f"{path}/app.js", **condition)).body == b"version(2)"
    assert (
        await get(client, f"{path}/app.js", range="bytes=1-", **{"if_range": old.header("etag")})
    ).status == 200


@EVERY_WAY
async def test_a_time_in_the_future_is_sent_to_nobody_and_compared_with_none(root, path):
    client = deploy(root, b"0123456789", int(time.time()) + 3600)
    answer = await client.get(f"{path}/app.js")
    assert answer.header("last-modified") is None
    condition = {"if_modified_since": formatdate(time.time() + 7200, usegmt=True)}
    assert (await get(client, f"{path}/app.js", **condition)).status == 200
    condition = {"if_none_match": answer.header("etag")}
    assert (await get(client, f"{path}/app.js", **condition)).status == 304


@FIXED
@EVERY_WAY
async def test_the_same_release_is_the_same_on_every_machine(root, time, path):
    first = await deploy(root, b"same", time).get(f"{path}/app.js")
    second = await deploy(root, b"same", time).get(f"{path}/app.js")
    assert first.header("etag") == second.header("etag") is not None


@EVERY_WAY
async def test_a_release_is_seen_by_a_process_that_goes_on(root, path):
    client = deploy(root, b"one", BUILDPACK)
    old = await client.get(f"{path}/app.js")
    deploy(root, b"two", BUILDPACK)
    new = await get(client, f"{path}/app.js", **conditions_of(old))
    assert (new.status, new.body) == (200, b"two")


@EVERY_WAY
async def test_a_time_that_tells_nothing_is_sent_to_nobody_and_compared_with_none(root, path):
    client = deploy(root, b"0123456789", BUILDPACK)
    url, date = f"{path}/app.js", "Tue, 01 Jan 1980 00:00:01 GMT"
    answer = await client.get(url)
    assert answer.header("last-modified") is None
    assert (await get(client, url, if_modified_since=date)).status == 200
    assert (
        await get(client, url, if_unmodified_since="Thu, 01 Jan 1970 00:00:00 GMT")
    ).status == 200
    for if_range, status in {date: 200, "nonsense": 200, answer.header("etag"): 206}.items():
        assert (await get(client, url, range="bytes=5-", if_range=if_range)).status == status


@EVERY_WAY
async def test_a_huge_file_of_such_a_time_has_nothing_to_be_compared_by(root, path):
    client = deploy(root, b"x", NIX)
    with (root / "app.js").open("wb") as file:
        file.truncate(65 * 1024**2)  # sparse
    os.utime(root / "app.js", (NIX, NIX))
    for headers in ({"if_none_match": '""'}, {"if_none_match": ""}, {"if_match": "*"}):
        answer = await get(client, f"{path}/app.js", range="bytes=0-9", **headers)
        assert (answer.status, len(answer.body)) == (206, 10)
        assert answer.header("etag") is answer.header("last-modified") is None
