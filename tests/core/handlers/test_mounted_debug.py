"""`debug` of mounted Apps: that of their parent, unless they have one of their own."""

import itertools

import pytest

from micropie import App
from micropie_static import Static
from support.asgi import Client

pytestmark = pytest.mark.anyio


class Failing(App):
    async def index(self):
        raise ValueError("for developers")


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    monkeypatch.delenv("MICROPIE_DEBUG", raising=False)


def family(*debugs):
    """Return Apps of which each is mounted in the one before, at /0, /1 and so on."""
    apps = [Failing(debug=debug) for debug in debugs]
    for number, (parent, child) in enumerate(itertools.pairwise(apps)):
        parent.mount(f"/{number}", child)
    return apps


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ([None, None], [False, False]),
        ([True, None, None], [True, True, True]),
        ([False, None], [False, False]),
        ([True, False, None], [True, False, False]),
        ([False, True, None], [False, True, True]),
        ([None, True], [False, True]),
    ],
)
async def test_an_app_without_debug_does_as_its_parent(given, shown, logged):
    apps = family(*given)
    assert [app.debug for app in apps] == shown
    url = "/" + "/".join(map(str, range(len(apps) - 1)))
    assert ("for developers" in (await Client(apps[0]).get(url)).text) is shown[-1]


@pytest.mark.parametrize(
    ("value", "debug"), [("1", True), ("0", False), ("", False), ("yes", False)]
)
def test_the_environment_counts_where_nothing_else_is_said(monkeypatch, value, debug):
    monkeypatch.setenv("MICROPIE_DEBUG", value)
    assert [app.debug for app in family(None, None)] == [debug, debug]
    assert [app.debug for app in family(False, None)] == [False, False]
    assert [app.debug for app in family(True, False)] == [True, False]


def test_it_follows_what_is_assigned_later():
    parent, child = family(None, None)
    parent.debug = True
    assert child.debug is True
    child.debug = False
    assert (parent.debug, child.debug) == (True, False)
    with pytest.raises(TypeError, match="'false'"):
        child.debug = "false"
    child.debug = None
    assert child.debug is True


def test_the_first_parent_counts_and_a_circle_is_none():
    first, second, child = App(debug=True), App(debug=False), App()
    first.mount("/child", child)
    second.mount("/child", child)
    child.mount("/itself", child)
    child.mount("/first", first)
    assert child.debug is True
    first.debug = None
    assert child.debug is first.debug is False


async def test_templates_and_static_files_of_a_mounted_app_follow(tmp_path):
    folder, template = tmp_path / "static", tmp_path / "page.html"
    folder.mkdir()
    template.write_text("old")

    class Child(App):
        async def page(self):
            return await self._render_template("page.html")

    parent, child = App(), Child(template_dir=tmp_path)
    parent.mount("/child", child)
    child.mount("/static", Static(folder))
    client = Client(parent)
    assert (await client.get("/child/page")).text == "old"
    template.write_text("a new one")
    (folder / "new.txt").write_text("new")
    assert (await client.get("/child/page")).text == "old"
    assert (await client.get("/child/static/new.txt")).status == 404
    parent.debug = True
    assert (await client.get("/child/page")).text == "a new one"
    assert (await client.get("/child/static/new.txt")).text == "new"
