"""Each middleware of the example does its part, and leaves the rest alone."""

import pytest

from support.examples import loaded, served, typed, visiting

app = loaded("middleware")
server = served("middleware")
other_server = served("middleware")

JSON = {"Content-Type": "application/json"}
ORIGIN = {"Origin": "https://example.com"}


@pytest.fixture
def visitor(app):
    with visiting(app) as visitor:
        yield visitor


def test_a_form_of_the_site_itself_is_taken(visitor):
    page = visitor.post("/write", data={"text": "Bake <b>"})
    assert "<li>Bake &lt;b&gt;</li>" in page.text


def test_what_other_sites_send_is_refused(visitor):
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        for path in ("/write", "/api/notes"):
            assert visitor.post(path, data={"text": "forged"}, headers=headers).status_code == 403
    assert "forged" not in visitor.get("/").text
    assert visitor.post("/api/notes", json={"text": "x"}, headers=ORIGIN).status_code == 201


def test_the_api_tells_methods_and_segments_apart(visitor):
    added = visitor.post("/api/notes", json={"text": "Bake"})
    assert added.status_code == 201
    place = f"/api/notes/{added.json()['id']}"
    assert visitor.get(place).json() == {"text": "Bake"}
    assert visitor.head(place).status_code == 200
    assert visitor.delete(place).status_code == 204
    assert visitor.get(place).status_code == 404
    assert visitor.get("/api/notes/one").status_code == 400
    refused = visitor.put(place)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "DELETE, GET, HEAD, OPTIONS")
    for elsewhere in ("/api/notes/1/2", "/list_notes", "/api"):
        assert visitor.get(elsewhere).status_code == 404


def test_pages_of_a_chosen_origin_may_use_the_api(visitor):
    asking = {**ORIGIN, "Access-Control-Request-Method": "DELETE"}
    preflight = visitor.options("/api/notes/1", headers=asking)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Methods"] == "DELETE"
    for path, status_code in {"/api/notes": 200, "/api/notes/999": 404}.items():
        answer = visitor.get(path, headers=ORIGIN)
        assert answer.status_code == status_code
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN["Origin"]
        assert "Origin" in answer.headers["Vary"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_pages_of_other_origins_may_not(visitor):
    for origin in ("https://evil.example", "https://example.com.evil.example", "null"):
        asking = {"Origin": origin, "Access-Control-Request-Method": "DELETE"}
        preflight = visitor.options("/api/notes/1", headers=asking)
        assert "Access-Control-Allow-Methods" not in preflight.headers
        answer = visitor.get("/api/notes", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_who_asks_too_often_has_to_wait(other_server):
    with visiting(other_server) as visitor:
        answers = [visitor.get("/api/notes") for _ in range(200)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:50] == [200] * 50
    assert 429 in statuses
    assert answers[statuses.index(429)].headers["Retry-After"] == "1"


def test_the_readme_can_be_typed(server):
    added, removed, forged = typed(server, "middleware")
    assert '"id":' in added
    assert removed == ""
    assert "403 Forbidden" in forged
