"""Compressed variants of a file."""

import gzip
import os

import pytest

from micropie_static import Static
from support.static_files import CSS, MODIFIED, client_of, get

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5, *;q=0.1", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=0.001", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, identity", None),
        ("gzip;q=nonsense", None),
        ("notgzip", None),
        ("deflate", None),
        ("*", None),
        ("", None),
    ],
)
async def test_a_compressed_variant_goes_to_who_accepts_it(client, accepted, encoding):
    answer = await get(client, "/static/app.css", accept_encoding=accepted)
    assert answer.header("content-encoding") == encoding
    assert answer.header("vary") == "Accept-Encoding"
    assert answer.header("content-type") == 'text/css; charset="utf-8"'
    assert (gzip.decompress(answer.body) if encoding else answer.body) == CSS


async def test_the_smallest_accepted_variant_is_sent(root):
    (root / "app.css.br").write_bytes(b"br")
    (root / "app.css.zstd").write_bytes(b"z")
    client = client_of(Static(root))
    for accepted, body in {"gzip, br, zstd": b"z", "gzip, br": b"br"}.items():
        assert (await get(client, "/static/app.css", accept_encoding=accepted)).body == body


async def test_a_variant_has_an_etag_of_its_own(client):
    plain = await client.get("/static/app.css")
    packed = await get(client, "/static/app.css", accept_encoding="gzip")
    assert plain.header("etag") != packed.header("etag")
    again = await get(
        client, "/static/app.css", accept_encoding="gzip", if_none_match=packed.header("etag")
    )
    assert (again.status, again.header("vary")) == (304, "Accept-Encoding")


async def test_a_range_is_one_of_the_variant(client):
    packed = await get(client, "/static/app.css", accept_encoding="gzip")
    part = await get(client, "/static/app.css", accept_encoding="gzip", range="bytes=5-")
    assert (part.status, part.body) == (206, packed.body[5:])
    assert part.header("content-encoding") == "gzip"


async def test_a_variant_outside_of_the_root_is_none(client):
    answer = await get(client, "/static/hello.txt", accept_encoding="gzip")
    assert (answer.body, answer.header("vary")) == (b"0123456789", None)


async def test_an_absolute_path_leads_nowhere_even_into_the_root(client, root):
    assert (await client.get(f"/static/{root}/app.css")).status == 404


async def test_variants_of_the_same_size_and_time_have_different_etags(root):
    for suffix in ("gz", "br"):
        (root / f"app.css.{suffix}").write_bytes(b"12345")
        os.utime(root / f"app.css.{suffix}", (MODIFIED, MODIFIED))
    client = client_of(Static(root))
    answers = [await get(client, "/static/app.css", accept_encoding=e) for e in ("gzip", "br")]
    assert answers[0].header("etag") != answers[1].header("etag")


async def test_a_variant_larger_than_its_file_is_not_sent(root):
    (root / "app.css.gz").write_bytes(CSS * 2)
    client = client_of(Static(root))
    assert (await get(client, "/static/app.css", accept_encoding="gzip")).body == CSS


@pytest.mark.parametrize("first", ["gzip", "identity"])
async def test_a_file_edited_since_it_was_compressed_is_sent_as_it_is(client, root, first):
    (root / "app.css").write_bytes(b"edited" * 1000)  # larger than the variant
    answer = await get(client, "/static/app.css", accept_encoding=first)
    assert answer.body == b"edited" * 1000
    assert (await get(client, "/static/app.css", accept_encoding="gzip")).body == answer.body


@pytest.mark.parametrize("autorefresh", [False, True])
async def test_a_variant_outdated_from_the_start_is_not_sent(root, autorefresh):
    (root / "app.css").write_bytes(b"edited" * 1000)
    client = client_of(Static(root, autorefresh=autorefresh))
    answer = await get(client, "/static/app.css", accept_encoding="gzip")
    assert answer.body == b"edited" * 1000
