"""A demo for each file, and a visitor of it."""

import pytest

from micropie.testing import TestClient
from support.demo import browser, serve_demo
from support.examples import loaded, visiting


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    # From some other folder: the demo must find its templates wherever it is started.
    with serve_demo(tmp_path_factory.mktemp("elsewhere")) as server:
        yield server


app = loaded("demo")


@pytest.fixture(scope="module")
def running_app(app):
    """The demo in this process, which runs from the first test that visits it to the last."""
    with TestClient(app):
        yield app


@pytest.fixture
def visitor(request):
    """A visitor of the demo that the test serves, else of the one in this process."""
    if "demo" in request.fixturenames:
        client = browser(request.getfixturevalue("demo"))
    else:
        client = visiting(request.getfixturevalue("running_app"))
    with client as visitor:
        yield visitor
