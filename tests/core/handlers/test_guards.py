"""Guards stand in front of what is served, whatever the spelling; the documented ones too."""

import re
import sys

import pytest

from micropie import App, HTTPError, HttpMiddleware, WebSocketMiddleware, route
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.pages import ROOT
from support.spellings import spellings

pytestmark = pytest.mark.anyio


class Guarded(App):
    async def index(self, *path):
        return "open"

    async def admin_page(self, *path):
        return "the keys"

    @route("/reports/{year}/pdf")
    async def report(self, year):
        return "the keys"

    @route.post("/reports/{year}/pdf")
    async def write_report(self, year):
        return "the keys"

    @route("/vault/{rest:path}")
    async def vault(self, rest):
        return "the keys"

    async def ws_admin_page(self, ws, *path):
        await ws.accept()
        await ws.send_text("the keys")


class ByName(HttpMiddleware):
    async def before_request(self, request):
        names = {"admin_page", "report", "write_report", "vault", "child"}
        if request.route is not None and request.route.name in names:
            raise HTTPError(403)


class ByPath(HttpMiddleware):
    """What `request.path` can tell: whole segments at the beginning."""

    async def before_request(self, request):
        path = request.path + "/"
        if path.startswith(("/admin_page/", "/reports/", "/vault/")):
            raise HTTPError(403)


PATHS = ["/admin_page", "/reports/2026/pdf", "/vault/gold"]


@pytest.mark.parametrize("guard", [ByName, ByPath])
@pytest.mark.parametrize("root_path", ["", "/api"])
@pytest.mark.parametrize("path", PATHS)
async def test_no_spelling_passes_a_guard(guard, root_path, path):
    assert (await Client(Guarded()).get(path)).text == "the keys"
    app = Guarded()
    app.middlewares.append(guard())
    client = Client(app, root_path=root_path)
    for prefix in {"", root_path}:
        for url in spellings(path):
            for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT"):
                answer = await client.request(method, prefix + url)
                assert answer.body != b"the keys", url
                assert answer.status in (403, 404) or answer.body in (b"open", b""), url


@pytest.mark.parametrize("path", PATHS)
async def test_no_spelling_passes_a_guard_in_front_of_a_mount(path):
    for guard in (
        lambda request: request.path.startswith("/child/"),
        lambda request: request.path.split("/")[1] == "child",
    ):

        class InFront(HttpMiddleware):
            async def before_request(self, request, guard=guard):
                assert request.route is None or request.route.kind == "http"
                if guard(request):
                    raise HTTPError(403)

        root = App()
        root.mount("/child", Guarded())
        assert (await Client(root).get("/child" + path)).text == "the keys"
        root.middlewares.append(InFront())
        for url in {*spellings("/child" + path), *("/child" + url for url in spellings(path))}:
            answer = await Client(root).get(url)
            assert answer.status in (403, 404), url


@pytest.mark.parametrize("path", PATHS)
async def test_no_spelling_passes_the_guard_of_a_mounted_app(path):
    root, child = App(), Guarded()
    child.middlewares.append(ByName())
    root.mount("/child", child)
    for url in {*spellings("/child" + path), *("/child" + url for url in spellings(path))}:
        assert (await Client(root).get(url)).body != b"the keys", url


async def test_no_spelling_passes_a_guard_of_websockets():
    class Guard(WebSocketMiddleware):
        async def before_websocket(self, request):
            if request.route is not None and request.route.name == "ws_admin_page":
                return {"code": 1008}
            return None

    app = Guarded()
    assert (await WebSocketClient(app).run("/admin_page")).sent == ["the keys"]
    app.ws_middlewares.append(Guard())
    for url in spellings("/admin_page"):
        assert not (await WebSocketClient(app).run(url)).sent, url


@pytest.mark.parametrize("mount", ["/shop", "/shop/inner"])
@pytest.mark.parametrize("before", ["//", "/%2F", "/x/../", "/SHOP/../", "/./"])
async def test_a_mount_has_one_spelling_of_its_prefix(mount, before):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

    root = App()
    root.mount(mount, app)
    client = Client(root)
    assert (await client.get(mount + "/x")).text == "mounted"
    name, last = mount[1:], mount.rpartition("/")[2]
    for url in (before + name, before + name + "/x", mount + "%2Fx", mount.replace("/s", "%2Fs")):
        assert (await client.get(url)).status == 404, url
    for url in (mount.replace(last, last.upper()), mount.replace("shop", "sh-op"), mount + "x"):
        assert (await client.get(url)).status == 404, url
    for dots in ("/..", "/../x", "/x/..", "/%2e%2E", "/..%2Fx", "/./x"):
        assert (await client.get(mount + dots)).status == 404
    # What is below the prefix is the mounted app's to understand.
    assert (await client.get(mount + "//x")).text == "mounted"


@pytest.mark.parametrize("path", ["//x", "/a//b", "//", "/a//"])
def test_a_mount_path_has_no_empty_segment(path):
    if path in ("//", "/a//"):
        App().mount(path, App())  # slashes at the end mean nothing
        return
    with pytest.raises(ValueError, match="has the segment"):
        App().mount(path, App())


# The guards that the documentation shows, and those of the examples.


def documented_apps(page: str, word: str) -> list[App]:
    """Return the apps of the blocks of a page in which *word* stands."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    apps = []
    for block in blocks:
        if word in block:
            namespace: dict = {}
            exec(compile(block, page, "exec"), namespace)
            apps.append(namespace["app"])
    return apps


# By page: what the guard is called, and paths behind it with the method that they take.
DOCUMENTED = {
    "how-to/uploads.md": ("MembersOnly", [("POST", "/upload")]),
    "how-to/middleware.md": ("SignedIn", [("GET", "/account"), ("POST", "/sign_out")]),
    "reference/routing.md": ("StaffOnly", [("GET", "/accounts"), ("DELETE", "/members/ada")]),
}


@pytest.mark.parametrize("page", DOCUMENTED)
async def test_no_spelling_passes_a_guard_of_the_documentation(page):
    word, guarded = DOCUMENTED[page]
    (app,) = documented_apps(page, word)
    root = App()
    root.mount("/outer", app)
    for method, path in guarded:
        assert (await Client(app).request(method, path)).status in (401, 403)
        for url in spellings(path):
            for client, prefix in ((Client(app), ""), (Client(root), "/outer")):
                answer = await client.request(method, prefix + url)
                assert answer.status in (401, 403, 404, 405) or answer.text == "Welcome.", url


def test_no_page_and_no_example_compares_the_path_of_a_request():
    compared = re.compile(
        r"request\.path(\.startswith| ==| !=| in| not in|\.replace)|\(request\.path\)"
    )
    files = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if compared.search(path.read_text())}
    assert found == set()


async def test_no_spelling_passes_the_guard_of_the_login_example(monkeypatch):
    folder = ROOT / "examples" / "login"
    monkeypatch.syspath_prepend(folder.parent / "shared")
    monkeypatch.syspath_prepend(folder)
    for name in ("app", "passwords", "ratelimit"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    namespace: dict = {"__file__": str(folder / "app.py"), "__name__": "login_example"}
    exec(compile((folder / "app.py").read_text(), "app.py", "exec"), namespace)
    client = Client(namespace["app"])
    for url in spellings("/secret"):
        answer = await client.get(url)
        assert answer.header("location") == "/sign_in" or "become a member" in answer.text, url
