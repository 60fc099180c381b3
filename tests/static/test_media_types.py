"""Media types of files, by their names."""

import pytest

from micropie import App
from micropie_static import Static, send_file
from support.asgi import Client

pytestmark = pytest.mark.anyio


@pytest.fixture
def type_of(tmp_path):
    """Return the Content-Type of a file of a name, from Static and, without *types*, send_file."""

    async def ask(name, **options):
        (tmp_path / name).write_text("x")

        class Site(App):
            async def sent(self, name):
                return send_file(name, root=tmp_path)

        app = Site()
        app.mount("/static", Static(tmp_path, **options))
        client = Client(app)
        found = (await client.get(f"/static/{name}")).header("content-type").replace('"', "")
        if not options:
            assert (await client.get(f"/sent/{name}")).header("content-type") == found
        return found

    return ask


@pytest.mark.parametrize(
    ("names", "media_type"),
    [
        ("a.webmanifest", "application/manifest+json"),
        ("a.geojson", "application/geo+json"),
        ("a.jsonld", "application/ld+json"),
        ("a.js.map a.css.map a.json", "application/json"),
        ("a.js a.mjs a.cjs", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.vtt", "text/vtt; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.ics", "text/calendar; charset=utf-8"),
        ("a.wgsl", "text/wgsl; charset=utf-8"),
        ("a.ttf", "font/ttf"),
        ("a.otf", "font/otf"),
        ("a.woff A.WOFF", "font/woff"),
        ("a.woff2", "font/woff2"),
        ("a.avif", "image/avif"),
        ("a.heic", "image/heic"),
        ("a.flac", "audio/flac"),
        ("a.opus", "audio/ogg"),
        ("a.m4s", "video/iso.segment"),
        ("a.glb", "model/gltf-binary"),
        ("a.yaml a.yml", "application/yaml"),
        ("a.tar.gz a.tgz", "application/gzip"),
        ("apple-app-site-association", "application/json"),
        ("a a. a.unheard-of .gz.unheard-of css", "application/octet-stream"),
    ],
)
async def test_a_file_has_the_type_of_its_name(type_of, names, media_type):
    for name in names.split():
        assert await type_of(name) == media_type


async def test_types_can_be_added_and_replaced(type_of):
    types = {
        ".XYZ": "chemical/x-xyz",
        ".css": "text/css; charset=latin-1",
        ".tar.gz": "application/x-gtar",
        ".txt": "text/x-notes",
    }
    assert await type_of("a.xyz", types=types) == "chemical/x-xyz"
    assert await type_of("a.b.Xyz", types=types) == "chemical/x-xyz"
    assert await type_of("a.css", types=types) == "text/css; charset=latin-1"
    assert await type_of("a.tar.gz", types=types) == "application/x-gtar"
    assert await type_of("a.gz", types=types) == "application/gzip"
    assert await type_of("a.txt", types=types) == "text/x-notes; charset=utf-8"
    assert await type_of("a.js", types=types) == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("suffix", "media_type"),
    [
        ("xyz", "chemical/x-xyz"),
        ("", "chemical/x-xyz"),
        (".xyz", "xyz"),
        (".xyz", ""),
        (".xyz", "a/b\r\nSet-Cookie: c=d"),
        (".xyz", "a/b\n"),
        (".xyz", "a/ü"),
        (".xyz", "a b/c"),
    ],
)
def test_what_is_no_type_for_a_suffix_is_refused(tmp_path, suffix, media_type):
    with pytest.raises(ValueError, match="types: "):
        Static(tmp_path, types={suffix: media_type})
