"""Pages of other origins, in Chromium: what they send to change something is refused."""

import pytest
from playwright.sync_api import expect

from support.browser import chromium
from support.servers import serve

APP = '''
from micropie import App, CrossOriginProtection, allow

SENT = """<!DOCTYPE html><title>sender</title>
<form method="post" action="{target}/login">
<input name="name" value="Mallory"><button>Send</button></form>
<a href="{target}/">a link</a>
<img src="{target}/picture" alt="a picture" onload="document.title = 'seen'">
<button id="fetch" onclick="send()">Fetch</button><output></output>
<script>
async function send() {{
  const cookies = {{ credentials: "include", mode: "no-cors" }};
  await fetch("{target}/login", {{ ...cookies, method: "POST", body: "name=Mallory" }});
  document.querySelector("output").textContent = "fetched";
}}
</script>"""
PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"></svg>"""


class Site(App):
    async def index(self):
        return "Here is " + self.session.get("name", "nobody")

    @allow("POST")
    async def login(self, *, name="Mallory"):
        self.request.regenerate_session()
        self.session["name"] = name
        return "Welcome, " + name

    async def picture(self):
        return 200, PICTURE, {"Content-Type": "image/svg+xml"}

    async def sender(self, *, target):
        """A page that sends to another site, or to this one."""
        return SENT.format(target=target)


app = Site()
app.middlewares.append(CrossOriginProtection())
'''


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "app.py").write_text(APP)
    with serve("uvicorn", "app:app", folder) as server:
        yield server.port


@pytest.fixture(scope="module")
def browser():
    # To hosts that are not this machine's own, Chromium sends no Sec-Fetch-Site on plain http.
    with chromium("--host-resolver-rules=MAP *.example 127.0.0.1") as running:
        yield running


@pytest.fixture
def page(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


# The site, and another: told apart by Sec-Fetch-Site (cross-site, same-site), and by Origin.
SITES = [
    ("127.0.0.1", "localhost"),
    ("localhost", "sub.localhost"),
    ("pies.example", "evil.example"),
    ("pies.example", "blog.pies.example"),
]


def login(page, url):
    """Sign in as the visitor, by the site's own form."""
    page.goto(f"{url}/sender?target={url}")
    page.locator("input").fill("Victim")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("Welcome, Victim")).to_be_visible()


@pytest.mark.parametrize("is_signed_in", [True, False])
@pytest.mark.parametrize(("own", "other"), SITES)
def test_another_origin_can_neither_sign_the_visitor_in_nor_over(
    page, port, own, other, is_signed_in
):
    site, sender = f"http://{own}:{port}", f"http://{other}:{port}"
    if is_signed_in:
        login(page, site)
    page.goto(f"{sender}/sender?target={site}")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("403 Forbidden")).to_be_visible()
    page.goto(f"{sender}/sender?target={site}")
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("fetched")).to_be_visible()
    page.goto(site)
    expect(page.get_by_text("Here is Victim" if is_signed_in else "Here is nobody")).to_be_visible()


@pytest.mark.parametrize(("own", "other"), SITES)
def test_links_and_pictures_work_from_everywhere(page, port, own, other):
    page.goto(f"http://{other}:{port}/sender?target=http://{own}:{port}")
    expect(page).to_have_title("seen")  # the picture has come
    page.get_by_role("link").click()
    expect(page.get_by_text("Here is nobody")).to_be_visible()


def test_the_site_itself_may_send_by_script(page, port):
    site = f"http://localhost:{port}"
    page.goto(f"{site}/sender?target={site}")
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("fetched")).to_be_visible()
    page.goto(site)
    expect(page.get_by_text("Here is Mallory")).to_be_visible()
