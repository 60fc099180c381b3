"""The pages of `debug=True` on a phone, in Chromium, by day and by night."""

import re

import pytest

from support.browser import chromium
from support.screenshots import leave_screenshot
from support.servers import serve

APP = """
from micropie import App

class Kitchen(App):
    async def index(self):
        try:
            self._recipe("apple pie with a rather long name, so that the message has to be broken")
        except LookupError as error:
            raise RuntimeError("there is no pie today") from error

    def _recipe(self, name):
        recipes = {"plum": {"oven": 180, "flour": 200, "butter": 100, "sugar": 80, "plums": 12}}
        return recipes[name]

app = Kitchen(debug=True)
"""
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitchen")
    (folder / "kitchen.py").write_text(APP)
    with serve("uvicorn", "kitchen:app", folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("url", "title"), [("/", "500"), ("/cellar", "404")])
def test_they_can_be_read_on_a_phone(server, browser, url, title, scheme):
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text))
    try:
        page.goto(server.url + url)
        assert page.title().startswith(title)
        assert page.locator("h1").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        color = page.evaluate("getComputedStyle(document.body).color")
        red, green, blue = map(int, re.findall(r"\d+", color)[:3])
        assert (red + green + blue > 3 * 128) is (scheme == "dark")  # the colour of the text
        leave_screenshot(page, f"debug-page-{title}-{scheme}")
        own = [url for url in requests if not url.endswith("/favicon.ico")]
        assert own == [server.url + url]
        assert not [text for text in problems if "status of" not in text]
    finally:
        page.close()
