"""The realworld example: what RealWorld asks of every implementation, on SQLite and PostgreSQL."""

import os
import re
import secrets
import subprocess
import sys
from contextlib import ExitStack

import httpx2
import pytest
import yaml

from support.examples import EXAMPLES, serve_example
from support.openapi import conform
from support.servers import CLIENT_TIMEOUT
from support.sql_servers import PostgreSQL, sql_server

pytestmark = pytest.mark.once

FOLDER = EXAMPLES / "realworld"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"
ARTICLE = {"title": "How to bake a pie", "description": "Slowly", "body": "Take flour.",
           "tagList": ["pies", "baking"]}  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("conduit")
    with ExitStack() as stack:
        variables = {"CONDUIT_PASSWORDS": "cheap"}
        if request.param == "postgresql":
            database = stack.enter_context(sql_server(PostgreSQL))
            variables["CONDUIT_DATABASE"] = database.url_for("postgresql+asyncpg")
        running = stack.enter_context(serve_example("realworld", folder, variables))
        yield running
        assert "Traceback" not in running.log()


class User:
    """Somebody who may have signed up; `calls` are (status, JSON)."""

    def __init__(self, server, token=""):
        self.url = f"{server.url}/api"
        self.headers = {"Authorization": f"Token {token}"} if token else {}

    def call(self, method, path, **body):
        options = {"headers": self.headers, "json": body or None, "timeout": CLIENT_TIMEOUT}
        answer = httpx2.request(method, self.url + path, **options)
        return answer.status_code, answer.json() if answer.content else None

    def get(self, path):
        status, answer = self.call("GET", path)
        assert status == 200, answer
        return answer

    def article(self, **fields):
        status, answer = self.call("POST", "/articles", article=ARTICLE | fields)
        assert status == 201, answer
        return answer["article"]


def sign_up(server, name=""):
    name = name or f"user{secrets.token_hex(4)}"
    fields = {"username": name, "email": f"{name}@example.org", "password": "a password"}
    status, answer = User(server).call("POST", "/users", user=fields)
    assert status == 201, answer
    user = User(server, answer["user"]["token"])
    user.name, user.email = name, fields["email"]
    return user


@pytest.fixture
def ada(server):
    return sign_up(server)


@pytest.fixture
def bob(server):
    return sign_up(server)


@pytest.fixture
def guest(server):
    return User(server)


# Users.


def test_signing_in_gives_the_account_with_a_token(server, ada, guest):
    fields = {"email": ada.email, "password": "a password"}
    status, answer = guest.call("POST", "/users/login", user=fields)
    assert status == 200
    user = answer["user"]
    assert set(user) == {"email", "token", "username", "bio", "image"}
    assert User(server, user["token"]).get("/user")["user"]["username"] == ada.name


@pytest.mark.parametrize("fields", [{"password": "another"}, {"email": "nobody@example.org"}])
def test_signing_in_with_wrong_credentials_is_a_401(ada, guest, fields):
    fields = {"email": ada.email, "password": "a password"} | fields
    status, answer = guest.call("POST", "/users/login", user=fields)
    assert (status, list(answer)) == (401, ["errors"])


@pytest.mark.parametrize("missing", ["username", "email", "password"])
def test_signing_up_takes_all_three_fields(guest, missing):
    fields = {"username": "x", "email": "x@example.org", "password": "y"}
    status, answer = guest.call("POST", "/users", user=fields | {missing: ""})
    assert status == 422
    assert missing in answer["errors"]["body"][0]


def test_a_name_or_email_that_is_taken_is_refused(ada, bob, guest):
    for taken in ({"username": ada.name}, {"email": ada.email}):
        fields = {"username": "new", "email": "new@example.org", "password": "y"} | taken
        assert guest.call("POST", "/users", user=fields)[0] == 409
        assert bob.call("PUT", "/user", user=taken)[0] == 409


def test_an_account_changes_only_what_is_sent(ada, guest):
    status, answer = ada.call("PUT", "/user", user={"bio": "Bakes", "password": "other"})
    assert (status, answer["user"]["bio"], answer["user"]["email"]) == (200, "Bakes", ada.email)
    credentials = {"email": ada.email, "password": "other"}
    assert guest.call("POST", "/users/login", user=credentials)[0] == 200


@pytest.mark.parametrize("header", ["", "Token", "Token x.y.z", "Basic abc"])
def test_what_is_for_users_needs_a_valid_token(guest, header):
    guest.headers = {"Authorization": header}
    for method, path in (("GET", "/user"), ("GET", "/articles/feed"), ("POST", "/articles"),
                         ("DELETE", "/articles/x"), ("POST", "/profiles/x/follow")):  # fmt: skip
        assert guest.call(method, path)[0] == 401


# Profiles.


def test_following_shows_in_the_profile_and_fills_the_feed(ada, bob, guest):
    article = ada.article()
    assert bob.get("/articles/feed") == {"articles": [], "articlesCount": 0}
    for _ in range(2):
        _, answer = bob.call("POST", f"/profiles/{ada.name}/follow")
        assert answer["profile"] == {
            "username": ada.name, "bio": "", "image": "", "following": True
        }  # fmt: skip
    feed = bob.get("/articles/feed")
    assert [each["slug"] for each in feed["articles"]] == [article["slug"]]
    assert feed["articles"][0]["author"]["following"] is True
    assert guest.get(f"/profiles/{ada.name}")["profile"]["following"] is False
    _, answer = bob.call("DELETE", f"/profiles/{ada.name}/follow")
    assert answer["profile"]["following"] is False
    assert bob.get("/articles/feed")["articlesCount"] == 0


def test_an_unknown_profile_is_a_404(ada):
    for method, path in (("GET", ""), ("POST", "/follow"), ("DELETE", "/follow")):
        assert ada.call(method, f"/profiles/nobody{path}")[0] == 404


# Articles.


def test_an_article_has_all_its_fields(ada, guest):
    written = ada.article()
    article = guest.get(f"/articles/{written['slug']}")["article"]
    assert {name: article[name] for name in ARTICLE} == ARTICLE
    assert re.fullmatch(TIME, article["createdAt"])
    assert re.fullmatch(TIME, article["updatedAt"])
    assert (article["favorited"], article["favoritesCount"]) == (False, 0)
    assert article["author"]["username"] == ada.name
    assert article["slug"].startswith("how-to-bake-a-pie")


def test_two_articles_of_one_title_have_two_slugs(ada):
    assert ada.article()["slug"] != ada.article()["slug"]


@pytest.mark.parametrize("title", ["Zoë's 100% pie!", "パイ", "-" * 255, "../x?y#z"])
def test_any_title_has_a_slug_that_is_served(ada, title):
    slug = ada.article(title=title)["slug"]
    assert re.fullmatch(r"[a-z0-9-]+", slug)
    assert ada.get(f"/articles/{slug}")["article"]["title"] == title


@pytest.mark.parametrize("fields", [{"title": ""}, {"body": None}, {"title": "x" * 256},
                                    {"tagList": "pies"}, {"description": 5},
                                    {"body": "a\0b"}])  # fmt: skip
def test_an_article_with_invalid_fields_is_a_422(ada, fields):
    status, answer = ada.call("POST", "/articles", article=ARTICLE | fields)
    assert status == 422
    assert next(iter(fields)) in answer["errors"]["body"][0]


def test_lists_are_filtered_and_in_pages(ada, bob, guest):
    tag = f"tag{secrets.token_hex(4)}"
    slugs = [ada.article(tagList=[tag, "pies"])["slug"] for _ in range(3)]
    bob.call("POST", f"/articles/{slugs[0]}/favorite")

    def found(query):
        answer = guest.get(f"/articles?{query}")
        return [each["slug"] for each in answer["articles"]], answer["articlesCount"]

    assert found(f"tag={tag}") == (slugs[::-1], 3)
    assert found(f"author={ada.name}") == (slugs[::-1], 3)
    assert found(f"favorited={bob.name}") == (slugs[:1], 1)
    assert found(f"tag={tag}&limit=1&offset=1") == ([slugs[1]], 3)
    assert found(f"author={bob.name}") == ([], 0)
    assert "body" not in guest.get(f"/articles?tag={tag}")["articles"][0]
    for query in ("limit=0", "limit=101", "offset=-1", "limit=x", "offset=99999999999999999999"):
        assert guest.call("GET", f"/articles?{query}")[0] == 422
    assert guest.call("GET", "/articles?tag=%00")[0] in (200, 422)


def test_an_article_is_changed_by_its_author_only(ada, bob):
    article = ada.article()
    path = f"/articles/{article['slug']}"
    assert bob.call("PUT", path, article={"body": "Mine."})[0] == 403
    assert bob.call("DELETE", path)[0] == 403
    _, answer = ada.call("PUT", path, article={"body": "Take butter."})
    changed = answer["article"]
    assert (changed["body"], changed["title"]) == ("Take butter.", ARTICLE["title"])
    assert changed["tagList"] == ARTICLE["tagList"]
    assert changed["updatedAt"] > article["updatedAt"]
    _, answer = ada.call("PUT", path, article={"title": "Another"})
    assert answer["article"]["slug"].startswith("another")
    assert ada.call("GET", path)[0] == 404


def test_a_deleted_article_is_gone_with_all_that_belongs_to_it(ada, bob, guest):
    path = f"/articles/{ada.article()['slug']}"
    bob.call("POST", f"{path}/comments", comment={"body": "Yum"})
    bob.call("POST", f"{path}/favorite")
    assert ada.call("DELETE", path) == (204, None)
    for method, below in (("GET", ""), ("GET", "/comments"), ("POST", "/favorite")):
        assert ada.call(method, path + below)[0] == 404


def test_favourites_are_counted_once(ada, bob):
    path = f"/articles/{ada.article()['slug']}"
    for user, count in ((bob, 1), (bob, 1), (ada, 2)):
        _, answer = user.call("POST", f"{path}/favorite")
        assert answer["article"]["favorited"] is True
        assert answer["article"]["favoritesCount"] == count
    _, answer = bob.call("DELETE", f"{path}/favorite")
    assert (answer["article"]["favorited"], answer["article"]["favoritesCount"]) == (False, 1)


def test_tags_are_listed(ada, guest):
    ada.article(tagList=["pies"])
    assert "pies" in guest.get("/tags")["tags"]


# Comments.


def test_comments_are_written_listed_and_deleted_by_their_author(ada, bob, guest):
    path = f"/articles/{ada.article()['slug']}/comments"
    status, answer = bob.call("POST", path, comment={"body": "Yum"})
    comment = answer["comment"]
    assert (status, comment["body"], comment["author"]["username"]) == (200, "Yum", bob.name)
    assert re.fullmatch(TIME, comment["createdAt"])
    assert guest.get(path) == {"comments": [comment]}
    assert ada.call("DELETE", f"{path}/{comment['id']}")[0] == 403
    other = f"/articles/{ada.article()['slug']}/comments/{comment['id']}"
    assert bob.call("DELETE", other)[0] == 404
    assert bob.call("DELETE", f"{path}/{comment['id']}") == (204, None)
    assert guest.get(path) == {"comments": []}


def test_a_comment_needs_words_and_an_article(ada):
    path = f"/articles/{ada.article()['slug']}/comments"
    assert ada.call("POST", path, comment={"body": ""})[0] == 422
    assert ada.call("POST", "/articles/none/comments", comment={"body": "Yum"})[0] == 404
    assert ada.call("DELETE", f"{path}/99999999999")[0] == 422


# The description.


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)
def test_schemathesis_finds_no_disagreement(server, ada, tmp_path):
    """The cases that the description tells; `hatch run openapi:check` makes thousands at random."""
    token = ada.headers["Authorization"]
    options = ("--phases", "coverage", "--seed", "1", "-H", f"Authorization: {token}")
    status, output = conform(f"{server.url}/api/docs/openapi.json", tmp_path, *options)
    assert status == 0, output


def test_the_comparison_names_what_has_no_reason(tmp_path):
    """Nothing of RealWorld's is in this checkout, so the other description is made up."""
    response = {"description": "", "content": {}}
    theirs = {"paths": {"/tags": {"get": {"responses": {"200": response, "405": response}}},
                        "/votes": {"get": {"responses": {"200": response}}}}}  # fmt: skip
    (tmp_path / "theirs.yml").write_text(yaml.safe_dump(theirs))
    command = [sys.executable, FOLDER / "compare.py", tmp_path / "theirs.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 1
    assert "missing: GET /votes: NO REASON" in done.stdout
