"""`micropie new`: what it makes works as its README says, and what it must not touch stays."""

import subprocess
import sys

import pytest

from support.browser import chromium
from support.screenshots import leave_screenshot

from .test_run import served

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def shop(tmp_path, micropie):
    pytest.importorskip("micropie_static")
    done = micropie("new", "my shop")
    assert (done.returncode, done.stderr) == (0, "")
    assert "    cd 'my shop'\n" in done.stdout
    return tmp_path / "my shop"


def run(folder, *arguments):
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_pass(shop):
    assert "5 passed" in run(shop, "pytest", "-p", "no:cacheprovider")


def test_its_code_passes_strict_type_checkers(shop):
    run(shop, "mypy", "--strict", "--cache-dir", "/dev/null", "app.py", "tests")
    (shop / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    run(shop, "pyright", "--pythonpath", sys.executable, "app.py", "tests")


def test_its_name_is_everywhere(shop):
    for name in ("README.md", "app.py", "templates/index.html"):
        text = (shop / name).read_text()
        assert "my shop" in text
        assert "@NAME@" not in text
    assert not [*shop.rglob("*.in")]


def test_it_is_served_and_its_page_fits_a_phone(shop):
    with served(shop, "--no-reload") as server, chromium() as browser:
        problems = []
        page = browser.new_page(viewport=PHONE)
        page.on("console", lambda message: problems.append(message.text))
        page.goto(server.url)
        leave_screenshot(page, "new")
        page.fill("input", "Ada")
        page.click("button")
        page.wait_for_selector("text=Hello, Ada!")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.click("button")
        page.wait_for_selector("text=Hello, stranger!")
        assert problems == []


def test_its_routes_are_listed(shop):
    lines = run(shop, "micropie", "routes", "app:app").splitlines()
    assert [line.split()[1] for line in lines[1:]] == ["/", "/greet", "/forget", "/static"]


def test_a_folder_that_exists_is_left_alone(tmp_path, micropie):
    (tmp_path / "shop").mkdir()
    done = micropie("new", "shop")
    assert done.returncode == 1
    assert done.stderr == "micropie: 'shop' exists already; choose another name\n"
    assert [*(tmp_path / "shop").iterdir()] == []


@pytest.mark.parametrize("name", ["", ".", "..", "a<b", 'a"b', "-x", "shop.", "a\nb", "/"])
def test_a_name_that_no_page_can_show_is_refused(tmp_path, micropie, name):
    done = micropie("new", "--", name)
    assert done.returncode == 1
    assert "does not name an app" in done.stderr
    assert [*tmp_path.iterdir()] == []


def test_a_folder_below_another_can_be_made(tmp_path, micropie):
    assert "can't be made: No such file" in micropie("new", "sites/shop").stderr
    (tmp_path / "sites").mkdir()
    assert micropie("new", "sites/shop").returncode == 0
    assert "\n# shop\n" in "\n" + (tmp_path / "sites" / "shop" / "README.md").read_text()
