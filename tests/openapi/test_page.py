"""The page, in a real browser: offline, below a path, and with a Content-Security-Policy."""

import pytest

from micropie import App
from micropie_openapi import OpenAPI
from support.asgi import Client
from support.browser import chromium
from support.examples import PHONE
from support.openapi import bakery, serve_page_app

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module", params=["app", "below"])
def server(request):
    """The app under uvicorn, alone and mounted in another at /outer."""
    with serve_page_app(request.param) as running:
        running.page = f"{running.url}{'/outer' if request.param == 'below' else ''}/docs"
        yield running


def test_the_page_sends_what_it_says(server):
    asked, problems = [], []
    with chromium() as browser:
        page = browser.new_page(viewport=PHONE)
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(server.page)
        operation = page.locator("#operations-default-cake")
        operation.click()
        operation.get_by_role("button", name="Try it out").click()
        operation.locator("tr[data-param-name=number] input").fill("2")
        with page.expect_response(lambda response: "/cakes/2" in response.url) as answer:
            operation.locator("button.execute").click()
        assert answer.value.json()["price"] == "2.5"
        assert page.title() == "<Bakery>"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []
    assert problems == []


async def test_the_mount_itself_leads_to_the_page():
    client = Client(bakery, root_path="/outer")
    answer = await client.get("/outer/docs")
    assert (answer.status, answer.header("location")) == (307, "docs/")
    assert "swagger-ui" in (await client.get("/outer/docs/")).text
    head = await client.request("HEAD", "/outer/docs/")
    assert head.status == 200
    assert head.body == b""


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/docs/nothing.js", 404),
    ("GET", "/docs/../app.py", 404),
    ("POST", "/docs/openapi.json", 405),
    ("GET", "/docs/swagger-ui.css", 200),
])  # fmt: skip
async def test_nothing_else_is_there(method, path, status):
    assert (await Client(bakery).request(method, path)).status == status


def test_several_apps_have_documents_of_their_own():
    class Other(App):
        async def elsewhere(self): ...

    docs = OpenAPI()
    other = Other()
    other.mount("/docs", docs)
    assert list(docs.document()["paths"]) == ["/elsewhere"]
