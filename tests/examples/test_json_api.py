"""The JSON API converts what fits, and says in JSON what does not."""

import pytest

from support.examples import served, typed, visiting

server = served("json_api")
fresh_server = served("json_api")


@pytest.fixture
def client(server):
    with visiting(server) as client:
        yield client


def test_a_task_is_added_changed_and_removed(client):
    added = client.post("/tasks", json={"title": "Bake", "priority": "high"})
    assert added.status_code == 201
    place = added.headers["Location"]
    task = {"title": "Bake", "priority": "high", "due": None, "done": False, "comments": []}
    assert client.get(place).json() == task
    assert client.patch(place, json={"done": True}).json() == {**task, "done": True}
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_form_will_do_as_well(client):
    added = client.post("/tasks", data={"title": "Bake"})
    assert added.json()["task"]["priority"] == "low"


def test_comments_are_below_their_task(client):
    place = client.post("/tasks", json={"title": "Bake"}).headers["Location"]
    for number in range(100):
        assert client.post(f"{place}/comments", json={"text": str(number)}).status_code == 201
    assert client.post(f"{place}/comments", json={"text": "more"}).status_code == 422
    assert client.get(f"{place}/comments").json() == [str(number) for number in range(100)]
    assert client.get("/tasks/999/comments").status_code == 404


def test_tasks_are_found_by_converted_query_values(client):
    for due in ("2031-01-01", "2031-02-01", "2031-03-01"):
        client.post("/tasks", json={"title": due, "due": due, "done": True})
    found = client.get("/tasks?done=true&due_by=2031-02-01&limit=1").json()
    assert found["total"] == 2
    assert [task["title"] for task in found["tasks"].values()] == ["2031-01-01"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "title"),
        ({"title": "x", "priority": "urgent"}, "'priority'"),
        ({"title": "x", "due": "tomorrow"}, "'due' must be"),
        ({"title": ""}, "1 to 200 characters"),
    ],
)
def test_what_does_not_fit_is_a_400_in_json(client, body, reason):
    answer = client.post("/tasks", json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_framework_errors_are_in_json_too(client):
    assert client.get("/nowhere").json() == {"error": "404 Not Found"}
    refused = client.delete("/tasks")
    assert refused.json() == {"error": "405 Method Not Allowed"}
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    too_large = client.post("/tasks", json={"title": "x" * 200_000})
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/json"


def test_the_readme_can_be_typed(fresh_server):  # it speaks of the first task
    added, done, commented, found, refused, not_allowed = typed(fresh_server, "json_api")
    assert "201 Created" in added
    assert '"done":true' in done
    assert commented == '["Delicious"]'
    assert '"total":1' in found
    assert "'due' must be a date" in refused
    assert "405 Method Not Allowed" in not_allowed
