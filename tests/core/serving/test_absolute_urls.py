"""Absolute URLs: by `base_url`, or as the request was made."""

import pytest

from micropie import App, route
from support.asgi import ABSENT, Client

pytestmark = pytest.mark.anyio


class Shop(App):
    async def index(self):
        return self._url_for("pie", "apple & pear", size=2, _external=True)

    async def pie(self, name):
        return name

    @route("/orders/{number}/receipt")
    async def receipt(self, number: int):
        return number

    async def ws_kitchen(self, ws, oven):
        await ws.accept()


async def asked(app, url="/", *, host="shop.example", **scope):
    headers = {} if host is None else {"Host": host}
    answer = await Client(app, **scope).get(url, headers=headers)
    assert answer.status == 200, answer.text
    return answer.text


PIE = "/pie/apple%20%26%20pear?size=2"


@pytest.mark.parametrize(
    ("host", "scope", "origin"),
    [
        ("shop.example", {}, "http://shop.example"),
        ("Shop.Example:8000", {}, "http://shop.example:8000"),
        ("shop.example:80", {}, "http://shop.example"),
        ("shop.example:443", {}, "http://shop.example:443"),
        ("shop.example", {"scheme": "https"}, "https://shop.example"),
        ("shop.example:443", {"scheme": "https"}, "https://shop.example"),
        ("[::1]:8000", {}, "http://[::1]:8000"),
        ("shop.example", {"root_path": "/a b"}, "http://shop.example/a%20b"),
        (None, {"server": ("192.0.2.1", 8000)}, "http://192.0.2.1:8000"),
        (None, {"server": ("2001:db8::1", 80)}, "http://[2001:db8::1]"),
    ],
)
async def test_an_absolute_url_begins_as_the_request_was_made(host, scope, origin):
    path = scope.get("root_path", "") + "/"
    assert await asked(Shop(), path, host=host, **scope) == origin + PIE


@pytest.mark.parametrize(
    "host", ["evil.example/path", "a b", "user@evil.example", "a, b", "x:port", "", "ä.example"]
)
async def test_a_host_that_is_none_is_a_400(host):
    answer = await Client(Shop()).get("/", headers={"Host": host})
    assert (answer.status, "Host header" in answer.text) == (400, True)


async def test_a_request_that_knows_no_host_at_all_is_a_400():
    assert (await Client(Shop(), server=ABSENT).get("/")).status == 400
    assert (await Client(Shop(), server=("/run/app.sock", None)).get("/")).status == 400


@pytest.mark.parametrize(
    ("base_url", "root_path", "begins"),
    [
        ("https://example.org", "", "https://example.org"),
        ("HTTPS://Example.org/", "", "https://example.org"),
        ("https://example.org:8443/Shop/", "", "https://example.org:8443/Shop"),
        ("https://example.org/a%20b", "/a b", "https://example.org/a%20b"),
        ("https://example.org/shop", "/shop", "https://example.org/shop"),
        ("https://example.org", "/shop", "https://example.org/shop"),
        ("https://example.org/shop", "/shopping", "https://example.org/shop/shopping"),
    ],
)
async def test_with_a_base_url_nobody_asks_the_request(base_url, root_path, begins):
    app = Shop(base_url=base_url)
    url = await asked(app, root_path + "/", host="evil.example", root_path=root_path)
    assert url == begins + PIE


@pytest.mark.parametrize(
    "base_url",
    [
        *("", "example.org", "//example.org", "ftp://example.org", "https://", "https:///shop"),
        *("https://example.org?x=1", "https://example.org/#x", "https://u:p@example.org"),
        *("https://example.org/a b", "https://example.org/../x", "https://example.org//x"),
        *("https://exämple.org", "https://example.org/%", "https://example.org\n", b"https://a"),
        *(1, True, ["https://example.org"]),
    ],
)
def test_any_other_base_url_is_refused_by_name(base_url):
    with pytest.raises((TypeError, ValueError), match="base_url"):
        App(base_url=base_url)


def test_a_base_url_is_enough_outside_of_a_request():
    app = Shop(base_url="https://example.org/shop")
    assert app._url_for("receipt", number=7, _external=True, page=2) == (
        "https://example.org/shop/orders/7/receipt?page=2"
    )
    assert app._url_for("receipt", 7) == "/orders/7/receipt"
    with pytest.raises(RuntimeError, match="base_url"):
        Shop()._url_for("pie", "apple", _external=True)


def test_the_url_of_a_websocket_is_one_of_ws_or_wss():
    for scheme in ("http", "https"):
        app = Shop(base_url=f"{scheme}://http.example/http")
        url = app._url_for("ws_kitchen", "left", _external=True)
        assert url == f"{scheme.replace('http', 'ws')}://http.example/http/kitchen/left"


async def test_a_mounted_app_has_the_base_url_of_the_one_that_mounted_it():
    root, shop = App(base_url="https://example.org/x"), Shop()
    root.mount("/shop", shop)
    assert await asked(root, "/shop") == "https://example.org/x/shop" + PIE
    own = Shop(base_url="https://shop.example.org")
    root.mount("/own", own)
    assert await asked(root, "/own") == "https://shop.example.org/own" + PIE


async def test_a_mounted_app_without_any_names_its_mount():
    root = App()
    root.mount("/shop", Shop())
    assert await asked(root, "/shop") == "http://shop.example/shop" + PIE


async def test_templates_have_absolute_urls_too(tmp_path):
    pytest.importorskip("jinja2")
    (tmp_path / "mail.txt").write_text('{{ url_for("pie", "apple", _external=true) }}')

    class Mailing(Shop):
        async def mail(self):
            return await self._render_template("mail.txt")

    app = Mailing(template_dir=tmp_path)
    assert await asked(app, "/mail") == "http://shop.example/pie/apple"
