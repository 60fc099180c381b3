"""A demo for each file, and a visitor of it."""

import pytest

from support.demo import browser, serve_demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    # From some other folder: the demo must find its templates wherever it is started.
    with serve_demo(tmp_path_factory.mktemp("elsewhere")) as server:
        yield server


@pytest.fixture
def visitor(demo):
    with browser(demo) as visitor:
        yield visitor
