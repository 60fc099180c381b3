"""URLs of files, with the hash of their content."""

import json

import pytest

from micropie import App
from micropie_static import Static
from support.asgi import Client

pytestmark = pytest.mark.anyio


def with_manifest(root, **paths):
    (root / "staticfiles.json").write_text(json.dumps({"paths": paths, "version": "1.0"}))


@pytest.mark.parametrize("root_path", ["", "/outer"])
@pytest.mark.parametrize("path", ["/", "/static", "/deep/static/"])
async def test_a_url_has_hash_prefix_and_root_path(root, path, root_path):
    with_manifest(root, **{"app.css": "app.0123456789ab.css"})
    static = Static(root)

    class Pages(App):
        async def index(self):
            return [static.url("app.css"), static.url("/app.css"), static.url("a b/ü.txt")]

    app = Pages()
    app.mount(path, static)
    base = root_path + path.rstrip("/")
    hashed = f"{base}/app.0123456789ab.css"
    answer = await Client(app, root_path=root_path).get(root_path + "/")
    assert answer.json == [hashed, hashed, f"{base}/a%20b/%C3%BC.txt"]


async def test_a_url_in_a_request_of_an_app_below(root):
    static = Static(root)

    class Child(App):
        async def index(self):
            return static.url("app.css")

    app = App()
    app.mount("/static", static)
    app.mount("/child", Child())
    assert (await Client(app).get("/child")).text == "/static/app.css"


def test_a_url_outside_of_a_request(root):
    static = Static(root)
    with pytest.raises(RuntimeError, match="mount this first"):
        static.url("app.css")
    App().mount("/static", static)
    assert static.url("app.css") == "/static/app.css"


def test_a_new_manifest_is_read_only_by_autorefresh(root):
    frozen, fresh = Static(root), Static(root, autorefresh=True)
    for static in (frozen, fresh):
        App().mount("/static", static)
    with_manifest(root, **{"app.css": "app.1.css"})
    assert frozen.url("app.css") == "/static/app.css"
    assert fresh.url("app.css") == "/static/app.1.css"
    (root / "staticfiles.json").unlink()
    assert fresh.url("app.css") == "/static/app.css"
