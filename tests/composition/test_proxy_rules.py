"""The rules of nginx that the documentation gives cover every path that leads to a handler."""

import re

import pytest

from support.nginx import nginx
from support.pages import ROOT
from support.servers import reserved_port, serve
from support.spellings import spellings

DEPLOYMENT = (ROOT / "docs" / "how-to" / "deployment.md").read_text()
# Those of the table of handlers.
RULES = [rule.replace(r"\|", "|") for rule in re.findall(r"`(location [^`]+)` \|\n", DEPLOYMENT)]

APP = """
from micropie import App, route

class Child(App):
    async def index(self, *path):
        return "the keys"

class Site(App):
    async def index(self, *path):
        return "open"

    async def admin(self, *path):
        return "the keys"

    @route("/reports/{year}/pdf")
    async def report(self, year):
        return "the keys"

    @route("/files/{name:path}")
    async def files(self, name):
        return "the keys"

app = Site()
app.mount("/shop", Child())
"""

BEHIND = [
    *("/admin", "/admin/x/y", "/reports/2026/pdf", "/reports/a%2Fb/pdf", "/files/a", "/files/a/b"),
    *("/shop", "/shop/x"),
]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("app")
    (folder / "guarded.py").write_text(APP)
    with serve("uvicorn", "guarded:app", folder) as server:
        yield server


def configuration(port, app_port, merge_slashes, is_ruled):
    passing = f"proxy_pass http://127.0.0.1:{app_port};"
    rules = "\n".join(f"{rule} {{ deny all; {passing} }}" for rule in RULES if is_ruled)
    return f"""
        daemon off; pid nginx.pid; events {{}}
        http {{
            access_log off;
            client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c;
            uwsgi_temp_path d; scgi_temp_path e;
            server {{
                listen 127.0.0.1:{port};
                merge_slashes {"on" if merge_slashes else "off"};
                location / {{ {passing} }}
                {rules}
            }}
        }}
    """


def test_the_table_has_rules():
    assert len(RULES) == 4


@pytest.mark.parametrize("merge_slashes", [True, False])
def test_no_spelling_passes_the_rules(app, merge_slashes):
    with (
        reserved_port() as port,
        nginx(configuration(port, app.port, merge_slashes, is_ruled=True), port) as proxy,
    ):
        for path in BEHIND:
            for url in (path, *spellings(path)):
                assert proxy.get(url).text != "the keys", url


def test_without_the_rules_the_handlers_are_served(app):
    with (
        reserved_port() as port,
        nginx(configuration(port, app.port, merge_slashes=True, is_ruled=False), port) as proxy,
    ):
        for path in BEHIND:
            assert proxy.get(path).text == "the keys", path
