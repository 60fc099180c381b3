"""Schemathesis: what the document says, and what the app does, are the same."""

import pytest

from support.openapi import conform, serve_page_app


@pytest.mark.once
def test_schemathesis_finds_no_disagreement(tmp_path):
    with serve_page_app() as server:
        options = ("--max-examples", "40", "--seed", "1")
        status, output = conform(f"{server.url}/docs/openapi.json", tmp_path, *options)
    assert status == 0, output
