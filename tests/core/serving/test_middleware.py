"""Hooks around HTTP requests."""

import asyncio
from typing import Any

import pytest

from micropie import App, HTTPError, HttpMiddleware, allow
from support.asgi import PATIENCE, Client

pytestmark = pytest.mark.anyio


class Page(App):
    async def index(self):
        return "index"

    async def plain(self):
        return 201, {"a": 1}, [("X-Handler", "1")]

    async def typed(self, number: int):
        return number

    @allow("POST")
    async def post(self): ...

    async def fails(self):
        raise ValueError("broken")

    async def raises(self):
        raise HTTPError(418, "teapot")

    async def unsendable(self):
        return {1}

    async def stream(self):
        yield "a"
        yield "b"

    async def nothing(self):
        return None


class Hook(HttpMiddleware):
    """Notes when it runs; `before` and `after` are what its hooks return, or raise."""

    def __init__(self, name: str = "hook", log: list[Any] | None = None, **does: Any) -> None:
        self.name = name
        self.log = [] if log is None else log
        self.does = does

    async def before_request(self, request):
        self.log.append(f"{self.name} before")
        return self._do("before")

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.log.append(f"{self.name} after {status_code}")
        return self._do("after")

    def _do(self, name: str) -> Any:
        action = self.does.get(name)
        if isinstance(action, Exception):
            raise action
        return action


def hooked(*hooks: HttpMiddleware, **options: Any) -> Client:
    app = Page(**options)
    app.middlewares.extend(hooks)
    return Client(app)


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


class Changing(HttpMiddleware):
    """Applies a function to what `after_request` gets."""

    def __init__(self, change: Any) -> None:
        self.change = change

    async def after_request(self, request, status_code, response_body, extra_headers):
        return self.change(status_code, response_body, extra_headers)


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


# Errors in hooks.


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_exception_in_a_hook_is_a_logged_500(when, logged):
    error = ValueError("broken hook")
    answer = await hooked(Hook(**{when: error})).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    (record,) = logged
    assert record.exc_info[1] is error


@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_http_error_in_a_hook_is_the_answer(when):
    answer = await hooked(Hook(**{when: HTTPError(401, "who?", {"X-A": "1"})})).get("/")
    assert (answer.status, answer.text, answer.header("x-a")) == (401, "who?", "1")


async def test_an_error_in_before_ends_the_way_in():
    log: list[str] = []
    failing = Hook("b", log, before=HTTPError(401))
    await hooked(Hook("a", log), failing, Hook("c", log)).get("/")
    assert log == ["a before", "b before", "a after 401"]


async def test_an_error_in_after_does_not_end_the_way_out():
    log: list[str] = []
    failing = Hook("b", log, after=HTTPError(401))
    await hooked(Hook("a", log), failing, Hook("c", log)).get("/")
    assert log[3:] == ["c after 200", "b after 200", "a after 401"]


async def test_an_error_page_may_replace_the_error_of_another_hook(logged):
    pages = Changing(lambda status, body, headers: {"body": f"page {status}"})
    answer = await hooked(pages, Hook(after=ValueError("x"))).get("/")
    assert (answer.status, answer.text) == (500, "page 500")


async def test_a_failing_error_page_is_a_plain_500(logged):
    answer = await hooked(Hook(after=ValueError("x"))).get("/fails")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 2


async def test_in_debug_an_error_in_a_hook_shows_its_traceback(logged):
    answer = await hooked(Hook(before=ValueError("broken hook")), debug=True).get("/")
    assert "ValueError: broken hook" in answer.text


async def test_a_hook_that_reads_a_stream_and_gives_nothing_for_it_is_a_500(logged):
    class Reading(HttpMiddleware):
        async def before_request(self, request):
            return None

        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"headers": [("X-Size", str(len([c async for c in response_body])))]}

    class Streaming(App):
        async def index(self):
            yield "a"
            yield "b"

    app = Streaming()
    app.middlewares.append(Reading())
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    (record,) = logged
    assert "index streamed to a hook that gave no other body in its place" in record.getMessage()


async def test_an_error_of_a_hook_closes_the_stream():
    closed = []

    class Streaming(Page):
        async def index(self):
            try:
                yield "a"
            finally:
                closed.append(True)

    app = Streaming()
    app.middlewares.append(Hook(after=HTTPError(503)))
    answer = await Client(app).get("/")
    assert (answer.status, answer.text) == (503, "503 Service Unavailable")
    assert closed == [True]


@pytest.mark.parametrize("after", [{"body": "replaced"}, HTTPError(503)], ids=["body", "error"])
async def test_what_replaces_a_stream_does_not_wait_for_its_end(after):
    may_end = asyncio.Event()

    class Streaming(Page):
        async def index(self):
            try:
                yield "a"
            finally:
                await may_end.wait()

    app = Streaming()
    app.middlewares.append(Hook(after=after))
    async with Client(app).open("GET", "/") as exchange:
        async with asyncio.timeout(PATIENCE):
            await exchange.started()
        may_end.set()
        assert (await exchange.finish()).complete


WRONG_ANSWERS = [
    {"status": 200},
    {"status_code": 200, "content": "x"},
    {5: "x"},
    {"status_code": "200"},
    {"status_code": 99},
    {"status_code": None},
    {"body": {1, 2}},
    {"headers": 5},
    {"headers": {"X-A": "a\r\nb"}},
    "text",
    (200, "text"),
    True,
    5,
]


@pytest.mark.parametrize("wrong", WRONG_ANSWERS, ids=repr)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_wrong_answer_of_a_hook_is_a_logged_500(when, wrong, logged):
    answer = await hooked(Hook(**{when: wrong})).get("/")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_unknown_keys_are_named_in_the_log(when, logged):
    await hooked(Hook(**{when: {"status": 200, "body": ""}})).get("/")
    assert "unknown keys from a hook: ['status']" in logged[0].getMessage()


async def test_a_header_that_a_hook_added_in_place_can_not_inject(logged):
    def change(status, body, headers):
        headers.append(("X-A", "a\r\nSet-Cookie: evil=1"))

    answer = await hooked(Changing(change)).get("/")
    assert (answer.status, answer.header("x-a")) == (500, None)


async def test_a_hook_that_is_no_coroutine_function_is_a_500(logged):
    class Sync(HttpMiddleware):
        def before_request(self, request):
            return None

    assert (await hooked(Sync()).get("/")).status == 500


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
