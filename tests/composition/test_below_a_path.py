"""Apps below a path of nginx, on every server, as docs/how-to/deployment.md says."""

import re
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.nginx import nginx
from support.servers import HOST, SERVERS, reserved_port, serve

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "deployment.md"
SECTION = PAGE.read_text().partition("## Below a path")[2].partition("\n## ")[0]
(CONFIGURATION,) = re.findall(r"```nginx\n(.*?)```", SECTION, re.DOTALL)
OPTIONS = dict(re.findall(r"^\| (\w+) \| `(--[^`]*)` \|$", SECTION, re.MULTILINE))

APP = """
from pathlib import Path

from micropie import App, HttpMiddleware
from micropie_static import Static


class Paths(HttpMiddleware):
    async def after_request(self, request, status_code, response_body, extra_headers):
        extra_headers.append(("X-Path", request.path))


class Shop(App):
    async def index(self):
        return self._url_for("index")

    async def pie(self, *names):
        return [*names, self._url_for("pie", *names)]

    async def move(self):
        return self._redirect(self._url_for("pie", "apple"))

    async def styles(self):
        return static.url("app.css")

    async def shop(self):
        return "a handler of the same name"


Path("static").mkdir(exist_ok=True)
Path("static/app.css").write_text("body {}")
app = Shop()
app.middlewares.append(Paths())
static = Static("static")
app.mount("/static", static)

mounted = App()
mounted.mount("/shop", app)
"""


def test_the_page_names_every_server():
    assert sorted(name.lower() for name in OPTIONS) == sorted(SERVERS)


@contextmanager
def behind_nginx(configuration, folder, name, app, *options):
    """Run *app* on a server behind nginx; yield nginx."""
    (folder / "below.py").write_text(APP)
    with reserved_port() as inner, reserved_port() as outer:
        text = configuration.replace("127.0.0.1:8000", f"{HOST}:{inner}")
        text = text.replace("listen 80;", f"listen {HOST}:{outer};")
        whole = f"daemon off; pid nginx.pid; events {{}} http {{ access_log off; {text} }}"
        with (
            serve(name, f"below:{app}", folder, options=options, port=inner),
            nginx(whole, outer) as front,
        ):
            yield front


WAYS = [
    *(("taken away", name) for name in SERVERS),
    *(("kept", name) for name in SERVERS if name != "uvicorn"),
    *(("mounted", name) for name in SERVERS),
]


@pytest.fixture(scope="module", params=WAYS, ids=" ".join)
def front(request, tmp_path_factory):
    """nginx in front of each server, which takes the path away, or keeps it."""
    way, name = request.param
    assert "proxy_pass http://app/;" in CONFIGURATION
    assert "`proxy_pass http://app;`" in SECTION
    app = "mounted" if way == "mounted" else "app"
    options = [] if way == "mounted" else OPTIONS[name.capitalize()].split()
    configuration = CONFIGURATION
    if way != "taken away":
        configuration = configuration.replace("http://app/;", "http://app;")
    with behind_nginx(configuration, tmp_path_factory.mktemp(name), name, app, *options) as front:
        front.way = way
        front.is_exact = way != "taken away" or name == "uvicorn"
        yield front


def test_handlers_and_their_urls(front):
    assert front.get("/shop/").text == "/shop/"
    answer = front.get("/shop/pie/apple%20crumble/x")
    assert answer.text == '["apple crumble","x","/shop/pie/apple%20crumble/x"]'
    assert front.get("/shop/nowhere").status == 404
    assert front.get("/pie/apple").status == 404


def test_hooks_see_the_path_without_the_prefix(front):
    assert front.get("/shop/pie/apple").headers["X-Path"] == "/pie/apple"


def test_where_a_handler_can_have_the_name_of_the_path(front):
    found = "a handler of the same name" if front.is_exact else "/shop/"
    assert front.get("/shop/shop").text == found


def test_redirects_lead_to_what_is_there(front):
    answer = front.get("/shop/move")
    assert (answer.status, answer.headers["Location"]) == (302, "/shop/pie/apple")
    assert front.get(answer.headers["Location"]).status == 200


def test_static_files_are_where_their_url_says(front):
    url = front.get("/shop/styles").text
    assert url == "/shop/static/app.css"
    assert front.get(url).text == "body {}"


def test_an_encoded_slash_arrives_only_where_the_path_is_kept(front):
    answer = front.get("/shop/pie/apple%2Fcherry")
    if front.way != "taken away":
        assert answer.text == '["apple/cherry","/shop/pie/apple%2Fcherry"]'
    else:
        assert answer.text == '["apple","cherry","/shop/pie/apple/cherry"]'
