"""`on_error`: a hook answers an exception of what is further in."""

import pytest

from micropie import App, HTTPError, HttpMiddleware, allow
from support.asgi import Client
from support.sessions import Browser

pytestmark = pytest.mark.anyio


class Catch(HttpMiddleware):
    """Notes what it is asked about, and answers with what it was made with."""

    def __init__(self, answer=None, name="catch", asked=None):
        self.answer = answer
        self.name = name
        self.asked = [] if asked is None else asked

    async def on_error(self, request, error):
        self.asked.append((self.name, type(error).__name__))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Site(App):
    def __init__(self, *middlewares, **options):
        super().__init__(**options)
        self.middlewares += middlewares

    async def index(self):
        return "fine"

    async def breaks(self):
        raise LookupError("secret")

    async def teapot(self):
        raise HTTPError(418, "short and stout", {"X-Tea": "Earl Grey", "Content-Type": "text/tea"})

    async def number(self, number: int):
        return number

    @allow("POST")
    async def change(self):
        return "changed"

    async def unsendable(self):
        return object()

    async def late(self):
        yield "first"
        raise LookupError("too late")

    async def early(self):
        raise LookupError("early")
        yield ""

    async def remember(self, *, fails="no"):
        self.session["seen"] = fails
        if fails == "http":
            raise HTTPError(409)
        if fails == "yes":
            raise LookupError
        return "remembered"

    async def recall(self):
        return str(self.session.get("seen"))


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/breaks", "LookupError", 500),
        ("/early", "LookupError", 500),
        ("/unsendable", "ResponseError", 500),
        ("/teapot", "HTTPError", 418),
        ("/nowhere", "HTTPError", 404),
        ("/number/many", "BadRequest", 400),
        ("/change", "HTTPError", 405),
    ],
)
async def test_whatever_fails_before_the_head_can_be_answered(path, kind, status):
    hook = Catch({"body": {"problem": path}})
    answer = await Client(Site(hook)).get(path)
    assert hook.asked == [("catch", kind)]
    assert (answer.status, answer.json) == (status, {"problem": path})
    assert answer.header("Content-Type") == "application/json"


async def test_what_is_answered_is_not_logged_and_what_is_not_is(logged):
    await Client(Site(Catch({"body": "sorry"}))).get("/breaks")
    assert logged == []
    answer = await Client(Site(Catch())).get("/breaks")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1


async def test_an_answer_may_have_a_status_and_headers_of_its_own():
    hook = Catch({"status_code": 503, "body": "later", "headers": {"Retry-After": "7"}})
    for path in ("/breaks", "/teapot"):
        answer = await Client(Site(hook)).get(path)
        assert (answer.status, answer.text) == (503, "later")
        assert answer.header("Retry-After") == "7"
        assert answer.header("X-Tea") is None


async def test_headers_of_the_error_stay_unless_others_are_given():
    answer = await Client(Site(Catch({"body": {}}))).get("/change")
    assert answer.header("Allow") == "OPTIONS, POST"
    answer = await Client(Site(Catch({"body": {}}))).get("/teapot")
    assert answer.header("X-Tea") == "Earl Grey"
    assert answer.header("Content-Type") == "application/json"


async def test_nothing_is_asked_when_nothing_fails():
    hook = Catch({"body": "never"})
    assert (await Client(Site(hook)).get("/")).text == "fine"
    assert hook.asked == []


async def test_the_innermost_is_asked_first_and_the_rest_if_it_does_not_answer():
    asked = []
    hooks = [Catch({"body": "outer"}, "a", asked), Catch(None, "b", asked), Catch(None, "c", asked)]
    assert (await Client(Site(*hooks)).get("/breaks")).text == "outer"
    assert [name for name, _ in asked] == ["c", "b", "a"]


async def test_what_on_error_raises_goes_to_those_further_out(logged):
    asked = []
    outer = Catch({"body": "answered"}, "outer", asked)
    inner = Catch(KeyError("in the hook"), "inner", asked)
    assert (await Client(Site(outer, inner)).get("/breaks")).text == "answered"
    assert asked == [("inner", "LookupError"), ("outer", "KeyError")]
    assert logged == []
    asked.clear()
    assert (await Client(Site(inner)).get("/breaks")).status == 500
    (record,) = logged
    assert record.getMessage() == "GET '/breaks': Catch.on_error failed"
    assert isinstance(record.exc_info[1].__context__, LookupError)  # the log shows both


async def test_an_answer_that_can_not_be_sent_is_an_error_of_the_hook(logged):
    for wrong in ("text", {"bodi": 1}, {"status_code": 42}, {"body": object()}):
        assert (await Client(Site(Catch(wrong))).get("/breaks")).status == 500
        assert logged.pop().getMessage().startswith("GET '/breaks': Catch.on_error ")


async def test_a_hook_is_told_of_errors_of_those_further_in_and_not_of_its_own(logged):
    class Breaking(Catch):
        def __init__(self, where, *arguments):
            super().__init__(*arguments)
            self.where = where

        async def before_request(self, request):
            if self.where == "before":
                raise ValueError

        async def after_request(self, request, status_code, response_body, extra_headers):
            if self.where == "after":
                raise ValueError

    for where in ("before", "after"):
        asked = []
        outer, inner = Catch({"body": "outer"}, "outer", asked), Catch(None, "inner", asked)
        app = Site(outer, Breaking(where, {"body": "own"}, "breaking", asked), inner)
        answer = await Client(app).get("/")
        assert (answer.status, answer.text) == (500, "outer")
        assert asked == [("outer", "ValueError")]
    assert logged == []


async def test_hooks_after_see_the_answer():
    class Stamp(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            extra_headers.append(("X-Seen", f"{status_code} {response_body}"))

    answer = await Client(Site(Stamp(), Catch({"status_code": 503, "body": "later"}))).get(
        "/breaks"
    )
    assert answer.header("X-Seen") == "503 later"


async def test_an_error_after_the_head_is_not_asked_about(logged):
    hook = Catch({"body": "never"})
    answer = await Client(Site(hook)).get("/late")
    assert (answer.text, answer.complete) == ("first", False)
    assert hook.asked == []
    assert len(logged) == 1


async def test_a_mounted_app_that_raises_before_its_head_is_covered(logged):
    async def broken(scope, receive, send):
        raise OSError("disk")

    hook = Catch({"body": "sorry"})
    site = Site(hook)
    site.mount("/broken", broken)
    site.mount("/part", Site())
    answer = await Client(site).get("/broken/x")
    assert (answer.status, answer.text) == (500, "sorry")
    assert hook.asked == [("catch", "OSError")]
    assert logged == []
    # An App answers its own errors.
    assert (await Client(site).get("/part/nowhere")).status == 404
    assert len(hook.asked) == 1


@pytest.mark.parametrize(("fails", "stored"), [("yes", "None"), ("http", "http")])
async def test_a_session_is_stored_after_an_http_error_only(fails, stored):
    browser = Browser(Site(Catch({"body": "sorry"})))
    assert (await browser.get(f"/remember?fails={fails}")).text == "sorry"
    assert (await browser.get("/recall")).text == stored


async def test_an_error_may_be_answered_with_a_stream():
    async def pieces():
        yield "one "
        yield "two"

    class Stream(HttpMiddleware):
        async def on_error(self, request, error):
            return {"body": pieces()}

    answer = await Client(Site(Stream())).get("/breaks")
    assert (answer.status, answer.text) == (500, "one two")
