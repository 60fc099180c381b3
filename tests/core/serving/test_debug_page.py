"""The page of `debug=True`: what it shows to a browser, and what it never shows to anybody."""

import re
import subprocess
import sys

import pytest

import micropie
from micropie import App, HTTPError, HttpMiddleware, SecurityHeaders
from support.asgi import Client

pytestmark = pytest.mark.anyio

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PLAIN = "text/plain; charset=utf-8"


class Failing(App):
    """Fails in ways that a page may find hard to show."""

    async def index(self, **anything):
        secret_of_a_variable = "only in memory"  # this comment is beside the line
        raise ValueError("no <b>pie</b>" if secret_of_a_variable else "")

    async def caused(self):
        try:
            self._cause()
        except LookupError as error:
            raise RuntimeError("the oven is cold") from error

    def _cause(self):
        raise KeyError("the match")

    async def group(self):
        raise ExceptionGroup("several", [ValueError("the first"), TypeError("the second")])

    async def deep(self):
        await self.deep()

    async def long(self):
        raise ValueError("x" * 10_000_000)

    async def library(self):
        int.from_bytes(None)

    async def unsendable(self):
        return {1, 2}

    async def missing(self):
        raise HTTPError(404)

    async def ws_chat(self, ws, room): ...


async def page_of(url, *, method="GET", headers=(), app=None, **request):
    client = Client(app or Failing(debug=True))
    sent = {**BROWSER, **dict(headers)}
    return await client.request(method, url, headers=sent, **request)


@pytest.fixture(autouse=True)
def _logged(logged):
    """All of this is in the log, too."""


async def test_it_shows_the_error_and_the_users_own_lines_with_some_around():
    answer = await page_of("/")
    assert (answer.status, answer.header("content-type")) == (500, "text/html; charset=utf-8")
    shown = answer.text.partition("<details>")[0]
    assert "ValueError: no &lt;b&gt;pie&lt;/b&gt;" in shown
    (marked,) = re.findall(r"<mark>(.*)</mark>", shown)
    assert "raise ValueError(&quot;no &lt;b&gt;pie" in marked
    assert "# this comment is beside the line" in shown
    assert "test_debug_page.py, line" in shown
    assert "in Failing.index" in shown
    assert (
        "/micropie/_serving/" not in shown
    )  # the frames of the framework are in the traceback alone
    assert "Traceback (most recent call last)" in answer.text


async def test_causes_have_lines_of_their_own():
    shown = (await page_of("/caused")).text
    assert shown.index("<h1>RuntimeError: the oven") < shown.index("<h2>KeyError: &#x27;the match")
    assert "in Failing._cause" in shown


async def test_the_errors_of_a_group_are_all_there():
    shown = (await page_of("/group")).text
    for error in ("ExceptionGroup: several", "ValueError: the first", "TypeError: the second"):
        assert f"{error}" in shown.partition("<details>")[0]


@pytest.mark.parametrize("url", ["/deep", "/long"])
async def test_it_has_an_end_however_long_the_error_is(url):
    answer = await page_of(url)
    assert answer.status == 500
    assert len(answer.body) < 500_000
    assert "<details>" in answer.text


async def test_an_answer_that_is_none_is_explained_without_our_own_frames():
    shown = (await page_of("/unsendable")).text.partition("<details>")[0]
    assert "<h1>unsendable returned set, which is not a response" in shown
    assert "<pre>" not in shown


# The request.

SECRETS = {
    "Authorization": "Bearer hidden-1",
    "Cookie": "session_id=hidden-2",
    "Referer": "https://example.org/reset?token=hidden-3",
    "X-Api-Key": "hidden-4",
    "Proxy-Authorization": "hidden-5",
}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"password=hidden-6"),
        ("application/json", b'{"password": "hidden-6"}'),
    ],
)
async def test_it_shows_the_request_without_values_and_secrets(content_type, body):
    headers = {**SECRETS, "Content-Type": content_type, "User-Agent": "A browser"}
    answer = await page_of("/?token=hidden-7&n=1", method="POST", headers=headers, body=[body])
    assert "POST /?token=…&amp;n=… HTTP/1.1" in answer.text
    assert "<td>user-agent<td>A browser" in answer.text
    assert f"<td>content-type<td>{content_type}" in answer.text
    assert "hidden-" not in answer.text
    assert "only in memory" not in re.sub(r"<(mark|span)>.*</\1>", "", answer.text)


async def test_the_path_is_whole():
    app = App(debug=True)
    app.mount("/shop", Failing())
    assert "GET /shop/caused HTTP" in (await page_of("/shop/caused", app=app)).text


HOSTILE = "'\"><img src=x onerror=alert(1)>&"


async def test_what_a_client_sends_is_escaped():
    url = "/%27%22%3E%3Cimg%20src=x%3E?%27%22%3E%3Cimg%20src=x%3E=1"
    for path in (url, f"/nowhere{url}"):
        answer = await page_of(path, headers={"User-Agent": HOSTILE})
        assert "<img" not in answer.text
        assert "&lt;img src=x onerror" in answer.text


# What goes with it.


@pytest.mark.parametrize("url", ["/", "/nothing"])
async def test_it_loads_and_runs_nothing(url):
    answer = await page_of(url)
    policy = answer.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline';")
    assert "frame-ancestors 'none'" in policy
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-store"
    assert not re.search(r"<script|<link|<img| src=| href=|url\(|@import", answer.text)


async def test_the_headers_stay_when_a_hook_adds_one():
    class Stamp(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"headers": [("X-Stamp", "yes")]}

    app = Failing(debug=True)
    app.middlewares += [Stamp(), SecurityHeaders()]
    answer = await page_of("/", app=app)
    assert answer.header("x-stamp") == "yes"
    assert answer.header("x-content-type-options") == "nosniff"
    assert answer.header("content-security-policy") is not None


async def test_an_error_page_of_the_apps_own_has_no_headers_of_ours():
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": f"<h1>{status_code}</h1>"}

    app = Failing(debug=True)
    app.middlewares.append(Pages())
    for url, text in (("/", "<h1>500</h1>"), ("/nothing", "<h1>404</h1>")):
        answer = await page_of(url, app=app)
        assert (answer.text, answer.header("content-security-policy")) == (text, None)
        assert answer.header("content-type") == "text/html; charset=utf-8"


# A path that leads nowhere.


async def test_a_404_lists_the_routes_there_are():
    app = App(debug=True)
    app.mount("/shop", Failing())
    answer = await page_of("/shop/cawsed", app=app)
    assert answer.status == 404
    for path in ("/shop/caused", "/shop/", "/shop/chat"):
        assert f"<td>{path}<td>" in answer.text
    assert "<td>GET<td>" not in answer.text
    assert "<td>mount<td>/shop<td>" in (await page_of("/nothing", app=app)).text
    assert "GET /shop/cawsed HTTP" in answer.text


async def test_a_404_of_a_handler_or_a_hook_stays_what_it_is():
    class Closed(HttpMiddleware):
        async def before_request(self, request):
            if request.path == "/closed":
                raise HTTPError(404)

    app = Failing(debug=True)
    app.middlewares.append(Closed())
    for url in ("/missing", "/closed"):
        answer = await page_of(url, app=app)
        assert (answer.status, answer.text) == (404, "404 Not Found")


# Everybody else.


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", None])
async def test_other_clients_get_text(accept):
    headers = {} if accept is None else {"Accept": accept}
    client = Client(Failing(debug=True))
    answer = await client.get("/caused", headers=headers)
    assert (answer.status, answer.header("content-type")) == (500, PLAIN)
    assert answer.text.startswith("500 Internal Server Error\n\n")
    assert "KeyError: 'the match'" in answer.text
    assert answer.header("x-content-type-options") == "nosniff"
    assert (await client.get("/nothing", headers=headers)).text == "404 Not Found"


async def test_without_debug_nothing_is_shown_to_anybody():
    for url, text in (("/", "500 Internal Server Error"), ("/nothing", "404 Not Found")):
        answer = await page_of(url, app=Failing(debug=False))
        assert answer.text == text
        assert answer.headers == [("content-type", PLAIN), ("content-length", str(len(text)))]


async def test_more_headers_than_are_read_do_not_make_another_error():
    headers = [("Accept", "text/html"), *((f"X-{number}", "x") for number in range(1500))]
    assert (await Client(Failing(debug=True)).get("/nothing", headers=headers)).status == 404
    assert (await Client(Failing(debug=True)).get("/caused", headers=headers)).status == 500


@pytest.mark.skipif(
    not micropie.__file__.endswith("__init__.py"), reason="the bundle is one module"
)
def test_its_module_is_imported_for_an_error_in_debug_alone():
    code = """
import asyncio, logging, sys
from micropie import App
logging.disable()
class Failing(App):
    async def index(self):
        raise ValueError
async def send(message): ...
async def get(app):
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await app(scope, asyncio.Event().wait, send)
    return "micropie._serving.debug_page" in sys.modules
print([asyncio.run(get(Failing(debug=debug))) for debug in (False, True)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[False, True]\n"
