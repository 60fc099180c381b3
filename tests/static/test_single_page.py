"""Single-page apps: one page for every path that a browser navigates to."""

import gzip

import pytest

from micropie import App
from micropie_static import Static
from support.asgi import Client

pytestmark = pytest.mark.anyio

PAGE = b"<!doctype html><div id=app></div>" * 20
NAVIGATION = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture
def dist(tmp_path):
    """A folder as build tools make it."""
    folder = tmp_path / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "index.html.gz").write_bytes(gzip.compress(PAGE))
    (folder / "assets" / "app.js").write_text("let app;")
    return folder


@pytest.fixture(params=["/", "/ui"])
def prefix(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["frozen", "autorefresh"])
def client(request, dist, prefix):
    class Api(App):
        async def items(self):
            return ["pie"]

    app = Api()
    options = {"index": "index.html", "fallback": "index.html", "autorefresh": request.param}
    app.mount(prefix, Static(dist, **options))
    return Client(app)


@pytest.mark.parametrize("path", ["/", "/dashboard/7", "/a/b/", "/v1.2", "/assets/gone.js"])
async def test_a_navigation_gets_the_page(client, prefix, path):
    answer = await client.get(prefix.rstrip("/") + path, headers=NAVIGATION)
    assert (answer.status, answer.body) == (200, PAGE)
    assert answer.header("content-type") == 'text/html; charset="utf-8"'
    assert answer.header("cache-control") == "max-age=60, public"
    head = await client.head(prefix.rstrip("/") + path, headers=NAVIGATION)
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "text/css,*/*;q=0.1", "text/html;q=0", "image/*"]
)
async def test_what_is_no_navigation_is_a_404(client, prefix, accept):
    headers = {} if accept is None else {"Accept": accept}
    answer = await client.get(prefix.rstrip("/") + "/assets/gone.js", headers=headers)
    assert (answer.status, answer.text) == (404, "404 Not Found")
    assert answer.header("vary") == "Accept"  # or a cache would keep it for navigations too


async def test_files_and_handlers_come_first(client, prefix):
    script = await client.get(prefix.rstrip("/") + "/assets/app.js", headers=NAVIGATION)
    assert script.text == "let app;"
    assert script.header("vary") is None
    assert (await client.get("/items", headers=NAVIGATION)).json == ["pie"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_only_get_and_head_navigate(client, prefix, method):
    url = prefix.rstrip("/") + "/dashboard"
    assert (await client.request(method, url, headers=NAVIGATION)).status == 404


async def test_the_page_is_compressed_and_compared_like_any_file(client, prefix):
    url = prefix.rstrip("/") + "/dashboard"
    packed = await client.get(url, headers=NAVIGATION | {"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.body) == PAGE
    assert packed.header("vary") == "Accept, Accept-Encoding"
    known = {"If-None-Match": packed.header("etag"), "Accept-Encoding": "gzip"}
    assert (await client.get(url, headers=NAVIGATION | known)).status == 304


async def test_a_new_build_is_served(client, dist, prefix):
    url = prefix.rstrip("/") + "/dashboard"
    await client.get(url, headers=NAVIGATION)
    (dist / "index.html").write_bytes(b"new")
    assert (await client.get(url, headers=NAVIGATION)).text == "new"
    (dist / "index.html").unlink()
    assert (await client.get(url, headers=NAVIGATION)).status == 404


async def test_the_page_may_be_in_a_folder_and_have_headers(dist):
    app = App()
    static = Static(dist, fallback="assets/app.js", headers={"Vary": "Origin"})
    app.mount("/", static)
    answer = await Client(app).get("/x", headers=NAVIGATION)
    assert (answer.text, answer.header("vary")) == ("let app;", "Origin, Accept")


@pytest.mark.parametrize("fallback", ["", "gone.html", "assets", "../index.html", "/index.html", 5])
def test_a_fallback_that_is_no_file_of_the_folder_is_refused(dist, fallback):
    (dist.parent / "index.html").touch()
    with pytest.raises(FileNotFoundError, match=r"the fallback .* is not a file"):
        Static(dist, fallback=fallback)
