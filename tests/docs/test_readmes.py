"""What the text of the READMEs claims holds; that their examples run is test_pages.py's."""

import inspect
import re
import tomllib
from pathlib import Path

import pytest

from micropie import App
from support.asgi import Client
from support.asgi_websocket import WebSocketClient
from support.sessions import Browser

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
CORE = ROOT / "packages" / "micropie" / "README.md"


def examples(readme):
    """Return the Python examples of *readme*."""
    return re.findall(r"^```python\n(.*?)^```$", readme.read_text(), re.DOTALL | re.MULTILINE)


def run(example):
    """Run *example* where nothing else is; return its names."""
    names = {"__name__": "readme"}
    exec(compile(example, "<README>", "exec"), names)
    return names


def example_with(readme, name):
    """Run the example of *readme* that defines class *name*; return its names."""
    (example,) = (text for text in examples(readme) if f"class {name}(" in text)
    return run(example)


def app_of(readme, name):
    return example_with(readme, name)[name]()


async def post(client, url, content_type, body):
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return await client.post(url, headers=headers, body=body)


# The README of the project.


async def test_readme_the_first_app():
    client = Client(app_of(ROOT / "README.md", "Hello"))
    assert (await client.get("/")).text == "Hello, World!"
    assert (await client.get("/greet/Ada")).json == {"greeting": "Hello, Ada!"}
    assert (await client.get("/greet?name=Ada")).json == {"greeting": "Hello, Ada!"}
    assert (await client.get("/greet")).json == {"greeting": "Hello, you!"}


# The README of the core.


async def test_core_readme_the_first_app():
    assert (await Client(app_of(CORE, "Hello")).get("/")).text == "Hello, World!"


async def test_core_readme_routes():
    shop = app_of(CORE, "Shop")
    client = Client(shop)
    assert (await client.get("/item/3?currency=USD")).json == {"number": 3, "price": "5 USD"}
    assert (await client.get("/item/3")).json == {"number": 3, "price": "5 EUR"}
    assert (await client.get("/item/100")).status == 404
    assert (await client.get("/")).status == 404
    assert (await client.head("/item/3")).status == 200
    options = await client.options("/item/3")
    assert (options.status, options.header("allow")) == (204, "GET, HEAD, OPTIONS")
    posted = await client.post("/item/3")
    assert (posted.status, posted.header("allow")) == (405, "GET, HEAD, OPTIONS")

    async def hello(name="you"):
        return f"Hello, {name}!"

    shop.hello = hello
    assert (await client.get("/hello/Ada")).text == "Hello, Ada!"
    assert shop._url_for("item", 3, currency="USD") == "/item/3?currency=USD"


async def test_core_readme_missing_and_misfitting_arguments():
    client = Client(app_of(CORE, "Shop"))
    missing = await client.get("/item")
    assert (missing.status, missing.text) == (
        400,
        "400 Bad Request: Missing required parameter 'number'",
    )
    misfit = await client.get("/item/three")
    assert (misfit.status, misfit.text) == (400, "400 Bad Request: 'number' must be an integer")


async def test_core_readme_an_empty_field_is_none_unless_text_is_wanted():
    class Fields(App):
        async def number(self, value: int | None):
            return [value]

        async def text(self, value: str | None):
            return [value]

    client = Client(Fields())
    assert (await client.get("/number?value=")).json == [None]
    assert (await client.get("/text?value=")).json == [""]


async def test_core_readme_models():
    client = Client(app_of(CORE, "Orders"))
    json, form = "application/json", "application/x-www-form-urlencoded"
    answer = await post(client, "/order", json, b'{"item": "pie", "count": 3}')
    assert answer.json == {"ordered": 3}
    assert (await post(client, "/order", form, b"item=pie")).json == {"ordered": 1}
    assert (await post(client, "/order", form, b"count=3")).status == 400


async def test_core_readme_uploads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="photo"; filename="../pie.jpg"\r\n\r\n'
        b"12345\r\n--b--\r\n"
    )
    client = Client(app_of(CORE, "Photos"))
    answer = await post(client, "/upload", "multipart/form-data; boundary=b", body)
    assert answer.json == {"saved": "pie.jpg", "bytes": 5}
    assert (tmp_path / "photos" / "pie.jpg").read_bytes() == b"12345"


async def test_core_readme_middleware():
    client = Client(example_with(CORE, "ErrorPages")["app"])
    found = await client.get("/")
    assert (found.status, found.text, found.header("x-served-by")) == (200, "x", "MicroPie")
    missing = await client.get("/nowhere")
    assert (missing.status, missing.text, missing.header("x-served-by")) == (
        404,
        "Nothing here.",
        "MicroPie",
    )
    banned = await client.get("/", headers={"X-Banned": "yes"})
    assert (banned.status, banned.text) == (403, "no")


async def test_core_readme_sessions():
    browser = Browser(app_of(CORE, "Visits"))
    assert (await browser.request("GET", "/")).text == "Visit 1"
    assert (await browser.request("GET", "/")).text == "Visit 2"
    before = browser.session_id
    assert (await browser.request("GET", "/login")).status == 204
    assert browser.session_id not in (None, before)
    assert (await browser.request("GET", "/")).text == "Visit 3"
    await browser.request("GET", "/logout")
    assert browser.session_id is None
    assert (await browser.request("GET", "/")).text == "Visit 1"


async def test_core_readme_websockets():
    client = WebSocketClient(app_of(CORE, "Echo"))
    async with client.connect("/echo/ada") as socket:
        socket.send_text("hi")
        assert await socket.receive() == "ada: hi"
    async with client.connect("/echo") as socket:
        socket.send_text("hi")
        assert await socket.receive() == "guest: hi"
    foreign = await client.run("/echo", headers={"Origin": "https://evil.example"})
    assert foreign.refused is not None


# The README of micropie-static.

STATIC = ROOT / "packages" / "micropie-static" / "README.md"


async def test_static_readme_files_and_downloads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("static/app.css", "invoices/may.txt", "secret.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("12345")
    site = Client(example_with(STATIC, "Site")["app"])
    assert 'href="/static/app.css"' in (await site.get("/")).text
    assert (await site.get("/static/app.css")).text == "12345"
    invoices = Client(app_of(STATIC, "Invoices"))
    assert (await invoices.get("/download/may.txt")).text == "12345"
    assert (await invoices.get("/download/..%2fsecret.txt")).status == 404


async def test_static_readme_urls_in_templates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("static", "templates"):
        (tmp_path / folder).mkdir()
    (tmp_path / "templates" / "shop.html").write_text("{{ static_url('app.css') }}")
    shop = Client(example_with(STATIC, "Shop")["shop"], root_path="/outer")
    assert (await shop.get("/outer/")).text == "/outer/static/app.css"


def test_core_readme_lists_every_parameter_with_its_default():
    units = {"16 MiB": 16 * 1024**2, "1 MiB": 1024**2, "8 hours": 8 * 3600}
    table = CORE.read_text().partition("## Parameters of `App`")[2].partition("## ")[0]
    documented = {}
    for names, default in re.findall(r"^\| (`.+?) \| (.+?) \|", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            documented[name] = units.get(default, default.strip('`"'))
    parameters = list(inspect.signature(App.__init__).parameters.values())[1:]
    assert {name: str(value) for name, value in documented.items()} == {
        parameter.name: str(parameter.default) for parameter in parameters
    }


@pytest.mark.parametrize("readme", [ROOT / "README.md", CORE], ids=["root", "micropie"])
def test_a_readme_names_every_extra(readme):
    project = tomllib.loads((CORE.parent / "pyproject.toml").read_text())["project"]
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in readme.read_text()
