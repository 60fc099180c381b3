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
    added = client.post("/add", json={"title": "Bake", "priority": "high"})
    assert added.status_code == 201
    place = added.headers["Location"]
    task = {"title": "Bake", "priority": "high", "due": None, "done": False}
    assert client.get(place).json() == task
    assert client.patch(place, json={"done": True}).json() == {**task, "done": True}
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404


def test_a_form_will_do_as_well(client):
    assert client.post("/add", data={"title": "Bake"}).json()["task"]["priority"] == "low"


def test_tasks_are_found_by_converted_query_values(client):
    for due in ("2031-01-01", "2031-02-01", "2031-03-01"):
        client.post("/add-whole", json={"title": due, "due": due, "done": True})
    found = client.get("/tasks?done=true&due_by=2031-02-01&limit=1").json()
    assert found["total"] == 2
    assert [task["title"] for task in found["tasks"].values()] == ["2031-01-01"]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/add", {}, "'title'"),
        ("/add", {"title": "x", "priority": "urgent"}, "'priority'"),
        ("/add-whole", {"title": "x", "due": "tomorrow"}, "'due' must be"),
        ("/add-whole", {"title": ""}, "1 to 200 characters"),
        ("/count-words", {"not": "a list"}, "send a list"),
    ],
)
def test_what_does_not_fit_is_a_400_in_json(client, path, body, reason):
    answer = client.post(path, json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


def test_framework_errors_are_in_json_too(client):
    assert client.get("/nowhere").json() == {"error": "404 Not Found"}
    assert client.put("/add").json() == {"error": "405 Method Not Allowed"}
    too_large = client.post("/add", json={"title": "x" * 200_000})
    assert too_large.status_code == 413
    assert too_large.headers["Content-Type"] == "application/json"
    assert client.post("/count-words", json=["a", "b"]).json() == {"words": 2}


def test_the_readme_can_be_typed(fresh_server):  # it speaks of the first task
    added, added_whole, done, _, refused = typed(fresh_server, "json_api")
    assert "201 Created" in added
    assert "201 Created" in added_whole
    assert '"done":true' in done
    assert "'due' must be a date" in refused
