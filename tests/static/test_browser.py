"""The example as Chromium shows it, its files processed by ServeStatic's own command."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.browser import chromium
from support.servers import serve

EXAMPLE = Path(__file__).parents[2] / "examples" / "static"
HASHED = re.compile(r"/static/\w+\.[0-9a-f]{12}\.\w+")


def build(folder):
    """Run the command that the README names; return the folder that it made."""
    line = next(
        line
        for line in (EXAMPLE / "README.md").read_text().splitlines()
        if line.startswith("servestatic ")
    )
    command = line.split()
    command[0] = str(Path(sys.executable).with_name("servestatic"))
    subprocess.run([*command, "--quiet"], cwd=folder, check=True)
    return folder / command[-1]


@pytest.fixture(params=["built", "not built"])
def example(request, tmp_path):
    folder = tmp_path / "static"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("dist", "__pycache__"))
    if request.param == "built":
        build(folder)
    with serve("uvicorn", "app:app", folder) as running:
        running.is_built = request.param == "built"
        yield running


def test_a_page_loads_its_files_and_keeps_them(example):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        answers, problems = {}, []
        page.on("response", lambda answer: answers.update({answer.url: answer}))
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(example.url, wait_until="networkidle")

        # The style sheet and the script have applied.
        assert (
            page.evaluate("getComputedStyle(document.querySelector('main')).borderRadius") == "16px"
        )
        assert page.locator("#files").get_by_text("bakery").count() == 2
        assert page.evaluate("document.querySelector('img').naturalWidth") > 0
        assert problems == []
        files = [path for url in answers if (path := url.removeprefix(example.url)) != "/"]
        assert len(files) == 3
        for path in files:
            assert bool(HASHED.fullmatch(path)) is example.is_built
            kept = answers[example.url + path].headers["cache-control"]
            assert ("immutable" in kept) is example.is_built
        # Nothing is wider than a phone.
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        if folder := os.environ.get("MICROPIE_TEST_SCREENSHOTS"):
            page.screenshot(path=Path(folder) / "static.png", full_page=True)

        css = next(url for url in answers if url.endswith(".css"))
        assert (answers[css].headers.get("content-encoding") is not None) is example.is_built

        page.reload(wait_until="networkidle")
        if example.is_built:
            assert page.locator("#files").get_by_text("kept").count() == 3

        with page.expect_download() as download:
            page.get_by_text("Download the recipe").click()
        assert download.value.suggested_filename == "apple-pie.txt"
        assert Path(download.value.path()).read_bytes().startswith(b"Apple pie")
