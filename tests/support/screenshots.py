"""Pictures of pages that browser tests leave for people to look at."""

import os
from pathlib import Path

from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]


def leave_screenshot(page: Page, name: str) -> None:
    """Save what *page* shows as NAME.png, in dist/screenshots or MICROPIE_TEST_SCREENSHOTS."""
    folder = Path(os.environ.get("MICROPIE_TEST_SCREENSHOTS") or ROOT / "dist" / "screenshots")
    page.screenshot(path=folder / f"{name}.png")
