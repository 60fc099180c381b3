"""The JSON API takes and gives models, in pages, and says in problem documents what is wrong."""

import pytest
from openapi_spec_validator import validate

from support.examples import loaded, served, typed, visiting
from support.openapi import conform

app = loaded("json_api")
server = served("json_api")
fresh_server = served("json_api")


@pytest.fixture
def client(app):
    with visiting(app) as client:
        yield client


def test_a_task_is_added_read_changed_and_removed(client):
    added = client.post("/tasks", json={"title": "Bake"})
    assert added.status_code == 201
    place = added.headers["Location"]
    task = {"title": "Bake", "done": False, "comments": []}
    assert added.json() == client.get(place).json() == task
    assert client.put(place, json={"title": "Bake", "done": True}).status_code == 204
    assert client.get(place).json() == {**task, "done": True}
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404
    assert client.put(place, json=task).status_code == 404


def test_a_form_will_do_as_well(client):
    assert client.post("/tasks", data={"title": "Bake", "done": "on"}).json()["done"] is True


def test_comments_are_below_their_task(client):
    place = client.post("/tasks", json={"title": "Bake"}).headers["Location"]
    for number in range(100):
        assert client.post(f"{place}/comments", json={"text": str(number)}).status_code == 201
    assert client.post(f"{place}/comments", json={"text": "more"}).status_code == 422
    assert client.get(f"{place}/comments").json() == [str(number) for number in range(100)]
    assert client.get("/tasks/999/comments").status_code == 404
    assert client.post("/tasks/999/comments", json={"text": "x"}).status_code == 404


def test_tasks_come_in_pages_of_which_each_leads_to_the_next(client):
    for number in range(45):
        client.post("/tasks", json={"title": f"paged {number}"})
    url, seen = "/tasks", []
    while page := client.get(url).json():
        if not page["tasks"]:
            break
        assert len(page["tasks"]) <= 20
        seen += [task["title"] for task in page["tasks"].values()]
        url = page["next"]
    paged = [title for title in seen if title.startswith("paged")]
    assert paged == [f"paged {number}" for number in range(45)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": ""}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "x", "done": "soon"}, "done"),
        ({"title": "x", "comments": ["fine", ""]}, "comments.1"),
    ],
)
def test_what_does_not_fit_is_told_by_its_field(client, body, field):
    answer = client.post("/tasks", json=body)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_framework_errors_are_problem_documents_too(client):
    answer = client.get("/nowhere")
    assert answer.json() == {"status": 404, "detail": "404 Not Found", "errors": []}
    refused = client.delete("/tasks")
    assert refused.json()["status"] == refused.status_code == 405
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    too_large = client.post("/tasks", json={"title": "x" * 2_000_000})
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/problem+json"


def test_the_readme_can_be_typed(server):  # it speaks of the first task
    added, changed, commented, found, refused, not_allowed = typed(server, "json_api")
    assert "201 Created" in added
    assert changed == ""
    assert commented == '["Delicious"]'
    assert '"done":true' in found
    assert '"field":"done"' in refused or '"field":"title"' in refused
    assert "405 Method Not Allowed" in not_allowed


def test_the_description_is_valid_openapi(client):
    validate(client.get("/docs/openapi.json").json())


def test_schemathesis_finds_no_disagreement(server, tmp_path):
    url = f"{server.url}/docs/openapi.json"
    status, output = conform(url, tmp_path, "--phases", "coverage", "--seed", "1")
    assert status == 0, output
