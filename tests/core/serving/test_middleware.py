"""Hooks around HTTP requests."""

from typing import Any

import pytest

from micropie import App, HttpMiddleware
from support.asgi import Client
from support.hooks import Changing, Hook, Page, hooked

pytestmark = pytest.mark.anyio

# Order.


async def test_hooks_nest():
    log: list[str] = []
    client = hooked(Hook("a", log), Hook("b", log), Hook("c", log))
    assert (await client.get("/")).text == "index"
    assert log == [
        *("a before", "b before", "c before"),
        *("c after 200", "b after 200", "a after 200"),
    ]


async def test_the_base_class_changes_nothing():
    answer, bare = await hooked(HttpMiddleware()).get("/plain"), await Client(Page()).get("/plain")
    assert (answer.status, answer.headers, answer.body) == (bare.status, bare.headers, bare.body)


async def test_the_example_of_the_documentation_runs(capsys):
    class MiddlewareExample(HttpMiddleware):
        async def before_request(self, request):
            print("Hook before request")

        async def after_request(self, request, status_code, response_body, extra_headers):
            print("Hook after request")

    assert (await hooked(MiddlewareExample()).get("/")).text == "index"
    assert capsys.readouterr().out == "Hook before request\nHook after request\n"


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/plain", 201),
        ("GET", "/nothing", 204),
        ("GET", "/no-such-page", 404),
        ("GET", "/typed/x", 400),
        ("GET", "/typed", 400),
        ("GET", "/post", 405),
        ("OPTIONS", "/post", 204),
        ("GET", "/raises", 418),
        ("GET", "/stream", 200),
        ("HEAD", "/", 200),
        ("HEAD", "/stream", 200),
    ],
)
async def test_after_hooks_run_for_every_response(method, url, status):
    log: list[str] = []
    answer = await hooked(Hook("a", log), Hook("b", log)).request(method, url)
    assert answer.status == status
    assert log == ["a before", "b before", f"b after {status}", f"a after {status}"]


@pytest.mark.parametrize("url", ["/fails", "/unsendable"])
async def test_after_hooks_run_for_a_500(url, logged):
    hook = Hook()
    assert (await hooked(hook).get(url)).status == 500
    assert hook.log == ["hook before", "hook after 500"]
    assert len(logged) == 1


async def test_a_hook_added_while_a_request_runs_waits_for_the_next():
    log: list[str] = []

    class Adding(Hook):
        async def before_request(self, request):
            client.app.middlewares.append(Hook("new", log))

    client = hooked(Adding("adding", log))
    await client.get("/")
    assert log == ["adding after 200"]


async def test_a_hook_that_is_removed_is_gone():
    hook = Hook()
    client = hooked(hook)
    client.app.middlewares.remove(hook)
    await client.get("/")
    assert hook.log == []


# Answering at once.


@pytest.mark.parametrize(
    ("before", "status", "body"),
    [
        ({"status_code": 403, "body": "no"}, 403, b"no"),
        ({"body": "here"}, 200, b"here"),
        ({"status_code": 401}, 401, b""),
        ({}, 200, b""),
        ({"status_code": 204}, 204, b""),
        ({"status_code": 400, "body": {"error": 1}}, 400, b'{"error":1}'),
        ({"status_code": 302, "headers": [("Location", "/x")]}, 302, b""),
        ({"status_code": 200, "body": None, "headers": None}, 200, b""),
    ],
)
async def test_a_hook_answers_at_once(before, status, body):
    hook = Hook(before=before)
    answer = await hooked(hook).get("/fails")  # which does not run
    assert (answer.status, answer.body) == (status, body)
    assert hook.log == ["hook before", f"hook after {status}"]


@pytest.mark.parametrize("headers", [[("X-A", "1")], {"X-A": "1"}])
async def test_a_hook_answers_with_headers(headers):
    answer = await hooked(Hook(before={"status_code": 403, "headers": headers})).get("/")
    assert (answer.status, answer.header("x-a")) == (403, "1")


async def test_hooks_further_in_do_not_see_a_request_that_is_answered():
    log: list[str] = []
    answering = Hook("b", log, before={"status_code": 403})
    await hooked(Hook("a", log), answering, Hook("c", log)).get("/")
    assert log == ["a before", "b before", "b after 403", "a after 403"]


async def test_a_hook_can_answer_where_there_is_no_handler():
    assert (await hooked(Hook(before={"body": "here"})).get("/no-such-page")).text == "here"


async def test_the_dict_of_an_answer_is_not_changed():
    answer: dict[str, Any] = {"status_code": 403, "headers": [("X-A", "1")]}

    class Adding(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            extra_headers.append(("X-B", "2"))

    client = hooked(Adding(), Hook(before=answer))
    for _ in range(2):
        assert (await client.get("/")).header("x-b") == "2"
    assert answer == {"status_code": 403, "headers": [("X-A", "1")]}


# Changing the response.


async def test_after_hooks_see_the_body_before_it_is_encoded():
    seen = []
    client = hooked(Changing(lambda *response: seen.append(response)))
    await client.get("/plain")
    assert seen == [(201, {"a": 1}, [("X-Handler", "1")])]


async def test_after_hooks_change_headers_in_place():
    def change(status, body, headers):
        headers.append(("X-A", "1"))
        headers.remove(("X-Handler", "1"))

    answer = await hooked(Changing(change)).get("/plain")
    assert (answer.header("x-a"), answer.header("x-handler")) == ("1", None)


@pytest.mark.parametrize(
    ("changes", "status", "body", "content_type"),
    [
        ({"status_code": 202}, 202, b'{"a":1}', "application/json"),
        ({"body": "text"}, 201, b"text", "text/html; charset=utf-8"),
        ({"body": [1]}, 201, b"[1]", "application/json"),
        ({"body": None}, 201, b"", None),
        ({"status_code": 200, "body": b"x"}, 200, b"x", "text/html; charset=utf-8"),
        ({"headers": {"Content-Type": "text/x"}}, 201, b'{"a":1}', "text/x"),
        ({"headers": None}, 201, b'{"a":1}', "application/json"),
        ({}, 201, b'{"a":1}', "application/json"),
    ],
)
async def test_after_hooks_replace_what_they_return(changes, status, body, content_type):
    answer = await hooked(Changing(lambda *_: changes)).get("/plain")
    assert (answer.status, answer.body) == (status, body)
    assert answer.header("content-type") == content_type
    assert answer.header("x-handler") == (None if "headers" in changes else "1")
    assert answer.header("content-length") == str(len(body))


async def test_a_status_without_a_body_drops_it():
    answer = await hooked(Changing(lambda *_: {"status_code": 304})).get("/plain")
    assert (answer.status, answer.body, answer.header("content-length")) == (304, b"", None)


async def test_each_hook_sees_what_the_ones_further_in_made():
    seen = []

    def outer(status, body, headers):
        seen.append((status, body, list(headers)))

    def inner(status, body, headers):
        headers.append(("X-Lost", "1"))
        return {"status_code": 299, "body": "inner", "headers": [("X-Inner", "1")]}

    answer = await hooked(Changing(outer), Changing(inner)).get("/plain")
    assert seen == [(299, "inner", [("X-Inner", "1")])]
    assert (answer.status, answer.text, answer.header("x-lost")) == (299, "inner", None)


async def test_a_body_that_is_handed_on_keeps_its_type():
    client = hooked(Changing(lambda status, body, headers: {"body": body}))
    assert (await client.get("/no-such-page")).header("content-type") == "text/plain; charset=utf-8"
    assert (await client.get("/plain")).header("content-type") == "application/json"


async def test_custom_error_pages_are_a_middleware(logged):
    class ErrorPages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            if status_code in (404, 405, 500):
                return {"body": f"<h1>Sorry: {status_code} at {request.path}</h1>"}
            return None

    client = hooked(ErrorPages())
    for url, status in [("/no-such-page", 404), ("/post", 405), ("/fails", 500)]:
        answer = await client.get(url)
        assert (answer.status, answer.text) == (status, f"<h1>Sorry: {status} at {url}</h1>")
        assert answer.header("content-type") == "text/html; charset=utf-8"
    assert (await client.get("/post")).header("allow") == "OPTIONS, POST"
    assert (await client.get("/")).text == "index"


async def test_head_of_a_changed_body_has_its_length():
    answer = await hooked(Changing(lambda *_: {"body": "longer than before"})).head("/")
    assert (answer.body, answer.header("content-length")) == (b"", "18")


# What hooks see.


async def test_hooks_and_handler_share_the_request():
    seen = []

    class Sharing(HttpMiddleware):
        async def before_request(self, request):
            seen.append(request)
            assert client.app.request is request

        async def after_request(self, request, status_code, response_body, extra_headers):
            seen.append(request)
            assert client.app.request is request

    class Telling(App):
        async def index(self):
            seen.append(self.request)

    client = Client(Telling())
    client.app.middlewares.append(Sharing())
    await client.get("/")
    assert len({id(request) for request in seen}) == 1
    assert len(seen) == 3


async def test_hooks_run_before_arguments_are_bound():
    class Renaming(HttpMiddleware):
        async def before_request(self, request):
            request.query_params["number"] = ["7"]

    assert (await hooked(Renaming()).get("/typed?number=x")).json == 7


async def test_an_error_page_in_place_of_our_text_is_html():
    class ErrorPages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": f"<h1>{status_code}</h1>"}

    app = App()
    app.count = lambda number: None
    app.middlewares.append(ErrorPages())
    for path in ("/nothing", "/count"):
        assert (await Client(app).get(path)).header("content-type") == "text/html; charset=utf-8"
