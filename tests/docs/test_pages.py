"""The READMEs and the documentation: all that they tell a reader to do works as they say."""

import re

import pytest

from support.pages import ROOT, read

DOCS = ROOT / "docs"
READMES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "packages").glob("*/README.md")]

# Its pages are steps of one app, each in the folder that the one before has left.
TUTORIAL = sorted((DOCS / "tutorial").glob("[0-9]*.md"))
PAGES = [page for page in (*READMES, *DOCS.rglob("*.md")) if page not in TUTORIAL]


@pytest.mark.parametrize("page", sorted(PAGES), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_as_it_says(page, tmp_path):
    read([page], tmp_path)


def test_the_tutorial_leads_from_the_first_line_to_the_last(tmp_path):
    assert TUTORIAL
    read(TUTORIAL, tmp_path)


def test_each_test_that_the_security_model_names_is_there():
    named = re.findall(r"`(tests/[^`]+)`", (DOCS / "explanation" / "security.md").read_text())
    assert len(named) > 20
    assert [path for path in named if not (ROOT / path).is_file()] == []
