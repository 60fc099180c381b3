"""What browsers keep of a file, ask for again, and ask for in part."""

import pytest

from micropie_static import Static
from support.static_files import DATE, LARGE, client_of, get

pytestmark = pytest.mark.anyio

EARLIER = "Tue, 14 Nov 2023 22:13:19 GMT"
LATER = "Wed, 15 Nov 2023 00:00:00 GMT"


# Caching.


@pytest.mark.parametrize(
    ("options", "plain", "hashed"),
    [
        ({}, "max-age=60, public", "max-age=315360000, public, immutable"),
        ({"max_age": 0}, "max-age=0, public", "max-age=315360000, public, immutable"),
        ({"max_age": None}, None, "max-age=315360000, public, immutable"),
        ({"immutable": False}, "max-age=60, public", "max-age=60, public"),
    ],
)
async def test_how_long_browsers_keep_a_file(root, options, plain, hashed):
    client = client_of(Static(root, **options))
    assert (await client.get("/static/app.css")).header("cache-control") == plain
    assert (await client.get("/static/app.0123456789ab.js")).header("cache-control") == hashed


async def test_headers_are_added_to_every_file_and_replace_the_usual(root):
    headers = {"Access-Control-Allow-Origin": "*", "cache-control": "no-store"}
    client = client_of(Static(root, headers=headers))
    for path in ("/static/app.css", "/static/app.0123456789ab.js"):
        answer = await client.get(path)
        assert answer.header("access-control-allow-origin") == "*"
        assert answer.header("cache-control") == "no-store"


async def test_a_vary_of_ones_own_does_not_replace_that_of_the_variants(root):
    client = client_of(Static(root, headers={"Vary": "Origin"}))
    assert (await client.get("/static/app.css")).header("vary") == "Origin, Accept-Encoding"
    assert (await client.get("/static/hello.txt")).header("vary") == "Origin"


async def test_no_other_origin_may_read_a_file_unless_it_is_said(client):
    assert (await client.get("/static/app.css")).header("access-control-allow-origin") is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if_none_match": "ETAG"}, 304),
        ({"if_none_match": "W/ETAG"}, 304),
        ({"if_none_match": '"other", ETAG, "more"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": '"other"'}, 200),
        ({"if_none_match": "nonsense"}, 200),
        ({"if_none_match": ""}, 200),
        ({"if_modified_since": DATE}, 304),
        ({"if_modified_since": LATER}, 304),
        ({"if_modified_since": EARLIER}, 200),
        ({"if_modified_since": "yesterday"}, 200),
        ({"if_modified_since": "Tue, 14 Nov 99999999999999999 22:13:20 GMT"}, 200),
        ({"if_modified_since": "0"}, 200),
        ({"if_none_match": '"other"', "if_modified_since": LATER}, 200),
        ({"if_none_match": "ETAG", "if_modified_since": EARLIER}, 304),
        ({"if_match": "ETAG"}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": '"other"'}, 412),
        ({"if_match": "W/ETAG"}, 412),
        ({"if_unmodified_since": DATE}, 200),
        ({"if_unmodified_since": EARLIER}, 412),
        ({"if_match": "ETAG", "if_unmodified_since": EARLIER}, 200),
        ({"if_match": "ETAG", "if_none_match": "ETAG"}, 304),
        ({"range": "bytes=0-4", "if_none_match": "ETAG"}, 304),
    ],
)
async def test_conditional_requests(client, headers, status):
    plain = await client.get("/static/hello.txt")
    etag = plain.header("etag")
    headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}
    answer = await get(client, "/static/hello.txt", **headers)
    assert answer.status == status
    if status != 412:
        assert answer.header("etag") == etag
        assert answer.header("cache-control") == plain.header("cache-control")
    assert answer.body == (plain.body if status == 200 else b"")


# Ranges.


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("bytes=0-4", 206, b"01234"),
        ("bytes=5-", 206, b"56789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=9-9", 206, b"9"),
        ("bytes=0-0", 206, b"0"),
        ("bytes=0-999", 206, b"0123456789"),
        ("bytes=-999", 206, b"0123456789"),
        ("bytes=3-" + "9" * 5000, 206, b"3456789"),
        ("bytes=" + "0" * 50 + "5-", 206, b"56789"),
        ("Bytes= 0-4 ", 206, b"01234"),
        ("bytes=10-", 416, b""),
        ("bytes=10-20", 416, b""),
        ("bytes=-0", 416, b""),
        ("bytes=" + "9" * 5000 + "-", 416, b""),
        # Malformed, or more than one: ignored.
        ("bytes=5-3", 200, b"0123456789"),
        ("bytes=-", 200, b"0123456789"),
        ("bytes=", 200, b"0123456789"),
        ("bytes=a-b", 200, b"0123456789"),
        ("bytes=+1-2", 200, b"0123456789"),
        ("bytes=1_0-", 200, b"0123456789"),
        ("bytes=--5", 200, b"0123456789"),
        ("lines=0-4", 200, b"0123456789"),
        ("0-4", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("bytes=" + ",".join(["0-"] * 5000), 200, b"0123456789"),
    ],
)
async def test_ranges(client, value, status, body):
    answer = await get(client, "/static/hello.txt", range=value)
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("content-length") == str(len(body))
    if status == 206:
        first = b"0123456789".index(body)
        expected = f"bytes {first}-{first + len(body) - 1}/10"
        assert answer.header("content-range") == expected
    elif status == 416:
        assert answer.header("content-range") == "bytes */10"


async def test_an_empty_file_has_no_range(client):
    for value in ("bytes=0-", "bytes=-5", "bytes=0-0"):
        assert (await get(client, "/static/empty.txt", range=value)).status == 416


async def test_a_large_range_of_a_large_file(client):
    answer = await get(client, "/static/large.bin", range="bytes=1000-600000")
    assert (answer.status, answer.body) == (206, LARGE[1000:600_001])
    assert len(answer.chunks) > 1


async def test_a_range_means_nothing_to_head(client):
    answer = await client.head("/static/hello.txt", headers={"Range": "bytes=0-4"})
    assert (answer.status, answer.header("content-length")) == (200, "10")


@pytest.mark.parametrize(
    ("if_range", "status"),
    [
        ("ETAG", 206),
        (DATE, 206),
        ('"other"', 200),
        ("W/ETAG", 200),
        (EARLIER, 200),
        (LATER, 200),
        ("nonsense", 200),
    ],
)
async def test_a_part_of_another_file_is_not_completed(client, if_range, status):
    etag = (await client.get("/static/hello.txt")).header("etag")
    value = if_range.replace("ETAG", etag)
    answer = await get(client, "/static/hello.txt", range="bytes=5-", if_range=value)
    assert answer.status == status
