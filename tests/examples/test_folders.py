"""Each folder of examples can be taken along alone, and is in the index."""

import json
import re
import subprocess
import sys

import pytest
from openapi_spec_validator import validate

from support.examples import EXAMPLES

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
COPIES = ["passwords.py", "ratelimit.py", "style.css"]


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


@pytest.mark.parametrize("name", COPIES)
def test_what_several_examples_have_is_the_same_in_all_of_them(name):
    copies = [path.read_text() for path in EXAMPLES.glob(f"*/**/{name}")]
    if name == "style.css":  # some have a look of their own
        copies = [copy for copy in copies if copy.startswith("/* The look that most")]
    assert len(copies) > 1
    assert len(set(copies)) == 1


DESCRIBE = """
import json
from app import app
from micropie_openapi import OpenAPI
docs = OpenAPI()
docs.on_mount(app, "/docs")
print(json.dumps(docs.document()))
"""


@pytest.mark.once
@pytest.mark.parametrize("folder", FOLDERS)
def test_an_app_has_a_valid_description(folder, tmp_path):
    command = [sys.executable, "-c", DESCRIBE]
    environment = {"PYTHONPATH": str(EXAMPLES / folder)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    document = json.loads(done.stdout.splitlines()[-1])
    validate(document)
    assert document["paths"]
