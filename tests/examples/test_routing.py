"""Each kind of route of the example takes its arguments as its docstring says."""

import json

import pytest

from support.examples import loaded, served, visiting

app = loaded("routing")
server = served("routing")

ANSWERS = {
    "/greet": {"greeting": "Hello, stranger!"},
    "/greet/Ada": {"greeting": "Hello, Ada!"},
    "/greet?name=Ada+Lovelace": {"greeting": "Hello, Ada Lovelace!"},
    "/old_greeting/A%2FB": {"greeting": "Hello, A/B!"},
    "/add/1/2/-4": {"sum": -1},
    "/opening-hours/2026-05-17": {"day": "2026-05-17", "hours": None},
    "/search?q=pie&tag=a&tag=b&x=1": {"q": "pie", "tags": ["a", "b"], "others": {"x": "1"}},
    "/order/7": {"order": 7},
}


@pytest.mark.parametrize("path", ANSWERS)
def test_a_url_finds_its_method_and_arguments(app, path):
    with visiting(app) as visitor:
        assert visitor.get(path).json() == ANSWERS[path]


def test_all_that_it_suggests_to_try_works(app):
    with visiting(app) as visitor:
        suggestions = visitor.get("/").json()["try"]
        assert len(suggestions) == 6
        for path in suggestions:
            assert visitor.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/add/1/two", "/opening-hours/yesterday", "/search"])
def test_what_does_not_fit_is_a_400(server, path):
    assert server.get(path).status == 400


def test_what_no_method_serves_goes_to_index(server):
    for path in ("/a/b", "/_secret/b"):
        answer = server.get(path)
        assert answer.status == 404
        assert json.loads(answer.text)["path"] == path.strip("/").split("/")


def test_other_methods_than_the_allowed_are_refused(server):
    answer = server.request("PUT", "/order/7")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    assert server.request("DELETE", "/order/7").status == 204


def test_functions_without_async_and_assigned_ones_serve_as_well(server):
    assert json.loads(server.get("/report").text)["lines"] > 50
    assert server.get("/ping").text == "pong"
