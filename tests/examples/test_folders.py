"""Each folder of examples can be taken along alone, and is in the index."""

import json
import re
import subprocess
import sys

import pytest
from openapi_spec_validator import validate

from support.examples import EXAMPLES, shared_modules

FOLDERS = sorted(path.parent.name for path in EXAMPLES.glob("*/app.py"))
# What the code says, and what the line that installs has to say then: one of these.
NEEDS = {
    "import App": ["server"],
    "template_dir": ["templates", "standard"],
    "UploadFile": ["standard"],
    "micropie_static": ["micropie-static"],
    "micropie_openapi": ["micropie-openapi"],
    "micropie_socketio": ["micropie-socketio"],
    "micropie_sql_sessions": ["micropie-sql-sessions"],
    "micropie_redis": ["micropie-redis"],
    "sqlalchemy": ["sqlalchemy[asyncio]", "micropie-sql-sessions"],
    "aiosqlite": ["aiosqlite", "[sqlite]"],
}
SHARED = {path.stem for path in (EXAMPLES / "shared").glob("*.py")}


def readme_of(folder):
    return (EXAMPLES / folder / "README.md").read_text()


# These two are run from the checkout.
@pytest.mark.parametrize("folder", sorted({*FOLDERS} - {"demo", "sessions"}))
def test_the_readme_says_what_to_install_and_how_to_run_it(folder):
    (install,) = re.findall(r"^pip install .*$", readme_of(folder), re.MULTILINE)
    code = "".join(path.read_text() for path in (EXAMPLES / folder).glob("*.py"))
    for needing, names in NEEDS.items():
        if needing in code:
            assert any(name in install for name in names), needing
    assert re.search(r"uvicorn app:app\b.*\n(.*\n)*?```", readme_of(folder))


def test_the_index_has_every_example():
    index = (EXAMPLES / "README.md").read_text()
    assert sorted(re.findall(r"^\| \[(\w+)\]\(\1\) \|", index, re.MULTILINE)) == FOLDERS


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_limit_of_posts_counts_none_from_other_sites(folder):
    code = (EXAMPLES / folder / "app.py").read_text()
    if 'methods={"POST"}' in code:
        assert code.index(" CrossOriginProtection()") < code.index(" RateLimit(")


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_readme_copies_the_shared_modules_that_are_needed(folder):
    code = "".join(path.read_text() for path in (EXAMPLES / folder).rglob("*.py"))
    imported = re.findall(r"^(?:from|import) (\w+)", code, re.MULTILINE)
    needed = sorted(f"{name}.py" for name in SHARED.intersection(imported))
    assert shared_modules(folder) == needed
    about = (EXAMPLES / "shared" / "README.md").read_text()
    named = [row for row in about.splitlines() if f"(../{folder})" in row]
    assert len(named) == len(needed)
    assert all(f"({name})" in row for name, row in zip(needed, named, strict=True))


def test_a_style_that_most_examples_have_is_the_same_in_all_of_them():
    styles = [path.read_text() for path in EXAMPLES.glob("*/**/style.css")]
    # Some have a look of their own.
    styles = [style for style in styles if style.startswith("/* The look that most")]
    assert len(styles) > 1
    assert len({*styles}) == 1


DESCRIBE = """
import json
from app import app
from micropie_openapi import OpenAPI
docs = OpenAPI(security_schemes={"Token": {"type": "http", "scheme": "bearer"}})
docs.on_mount(app, "/docs")
print(json.dumps(docs.document()))
"""


@pytest.mark.once
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_app_has_a_valid_description(folder, tmp_path):
    command = [sys.executable, "-c", DESCRIBE]
    environment = {"PYTHONPATH": f"{EXAMPLES / folder}:{EXAMPLES / 'shared'}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    document = json.loads(done.stdout.splitlines()[-1])
    validate(document)
    assert document["paths"]
