"""A real browser: headless Chromium as the operating system has it, driven by Playwright."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

from support.programs import program

# Milliseconds; the machine may be busy with other tests.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """Run Chromium; `new_page()` of what this gives opens a page with cookies of its own.

    *arguments* are further ones of its command line.
    """
    path = program("chromium")
    with sync_playwright() as playwright:
        # Without its sandbox: as root it has none, and the pages are our own.
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", *arguments], timeout=PATIENCE
        )
        try:
            yield browser
        finally:
            browser.close()
