"""Sessions at the level of the App: what is loaded, stored, and told when storing fails."""

import asyncio
import copy
import math
from datetime import datetime
from decimal import Decimal

import pytest

from micropie import (
    App,
    HTTPError,
    HttpMiddleware,
    InMemorySessionBackend,
    LoadedSession,
    Session,
    SessionBackend,
)
from support.asgi import Client
from support.sessions import (
    Browser,
    ReadmeBackend,
    WatchedBackend,
    set_cookies,
    varies_by_cookie,
)

pytestmark = pytest.mark.anyio


class Notes(App):
    async def index(self):
        return dict(self.session)

    async def note(self, **values):
        self.session.update(values)

    async def ignore(self):
        return "no session here"

    async def logout(self):
        self.session.clear()


async def noted(app, **values):
    """Return a browser whose session holds *values*; the backend's calls are forgotten."""
    browser = Browser(app)
    await browser.get("/note?" + "&".join(f"{key}={value}" for key, value in values.items()))
    if isinstance(app.session_backend, WatchedBackend | ReadmeBackend):
        app.session_backend.calls.clear()
    return browser


def one_error(logged):
    (record,) = [record for record in logged if record.levelname == "ERROR"]
    return record


# A dict that stays.


async def test_spec_a_visit_counter():
    class MyApp(App):
        async def index(self):
            if "visits" not in self.session:
                self.request.session["visits"] = 1
            else:
                self.request.session["visits"] += 1
            return f"You have visited {self.request.session['visits']} times."

    app = MyApp()
    one, other = Browser(app), Browser(app)
    for count in (1, 2, 3):
        assert (await one.get("/")).text == f"You have visited {count} times."
    assert (await other.get("/")).text == "You have visited 1 times."


async def test_the_session_is_that_of_the_request():
    class Same(App):
        async def index(self):
            return [self.session is self.request.session, self.session is self.session]

    app = Same()
    assert (await Client(app).get("/")).json == [True, True]
    answer = await Client(app).get("/", headers={"Cookie": "session_id=unknown"})
    assert answer.json == [True, True]


async def test_the_session_is_a_dict():
    class Kind(App):
        async def index(self):
            return [isinstance(self.session, dict), isinstance(self.session, Session)]

    assert (await Client(Kind()).get("/")).json == [True, True]


async def test_outside_of_a_request_there_is_no_session():
    with pytest.raises(RuntimeError, match="no current request"):
        _ = App().session


VALUES = {
    "text": "Zoë 🥧 \x00 \u2028",
    "empty": "",
    "int": 7,
    "big": 2**70,
    "negative": -(2**63) - 1,
    "float": 0.1,
    "whole float": 2.0,
    "true": True,
    "false": False,
    "null": None,
    "list": [1, [2, [3]], {}],
    "dict": {"a": {"b": [None]}},
    "": "an empty key",
    "ключ/\"'; --": "an odd key",
    "__proto__": "a",
}


@pytest.mark.parametrize("key", VALUES)
async def test_a_value_comes_back_as_it_was(key):
    seen = []

    class Keeper(App):
        async def keep(self):
            self.session[key] = VALUES[key]

        async def index(self):
            seen.append(dict(self.session))

    browser = Browser(Keeper())
    await browser.get("/keep")
    await browser.get("/")
    assert seen == [{key: VALUES[key]}]
    assert type(seen[0][key]) is type(VALUES[key])


async def test_a_session_of_a_mebibyte_comes_back():
    class Large(App):
        async def keep(self):
            self.session["text"] = "x" * 1024**2

        async def index(self):
            return len(self.session["text"])

    browser = Browser(Large())
    await browser.get("/keep")
    assert (await browser.get("/")).json == 1024**2


async def test_two_requests_never_share_an_object(logged):
    class Shared(App):
        async def keep(self):
            self.session["list"] = [1]

        async def spoil(self):
            self.session["list"].append(2)
            raise RuntimeError("so nothing of this is stored")

        async def index(self):
            return self.session["list"]

    browser = Browser(Shared())
    await browser.get("/keep")
    assert (await browser.get("/spoil")).status == 500
    assert (await browser.get("/")).json == [1]
    assert one_error(logged)


async def test_a_session_in_a_synchronous_handler():
    class Sync(App):
        def index(self):
            self.session["visits"] = self.session.get("visits", 0) + 1
            return self.session["visits"]

        def stream(self):
            self.session["visits"] += 1
            yield str(self.session["visits"])

    browser = Browser(Sync())
    assert (await browser.get("/")).json == 1
    assert (await browser.get("/")).json == 2
    assert (await browser.get("/stream")).text == "3"
    assert (await browser.get("/")).json == 4


async def test_a_session_in_a_task_of_the_handler():
    class Tasks(App):
        async def index(self):
            async with asyncio.TaskGroup() as group:
                for name in "abc":
                    group.create_task(self._note(name))

        async def _note(self, name):
            await asyncio.sleep(0)
            self.session[name] = 1

    app = Tasks()
    browser = Browser(app)
    await browser.get("/")
    assert await app.session_backend.load(browser.session_id) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_every_method_can_use_the_session(method):
    app = Notes()
    browser = Browser(app)
    await browser.request(method, "/note?a=1")
    await browser.request(method, "/note?b=2")
    assert (await browser.get("/")).json == {"a": "1", "b": "2"}


async def test_a_session_works_without_lifespan_and_with():
    app = Notes()
    browser = await noted(app, a=1)
    sent = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (await browser.get("/")).json == {"a": "1"}


# What it costs.


async def test_without_a_cookie_no_backend_is_called():
    backend = WatchedBackend()
    client = Client(Notes(backend))
    for url in ("/", "/ignore", "/nowhere", "/logout"):
        await client.get(url)
        await client.get(url, headers={"Cookie": "theme=dark"})
    assert backend.calls == []


async def test_an_unchanged_session_is_one_call():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for url in ("/", "/ignore", "/note?a=1"):
        await browser.get(url)
        assert backend.calls == ["load"], url
        backend.calls.clear()


async def test_a_changed_session_is_two_calls():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?a=2")
    assert backend.calls == ["load", "merge"]


async def test_a_new_session_is_one_call():
    backend = WatchedBackend()
    await Browser(Notes(backend)).get("/note?a=1")
    assert backend.calls == ["save"]


async def test_a_logout_is_two_calls():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/logout")
    assert backend.calls == ["load", "save"]
    assert browser.session_id is None


async def test_a_request_for_nothing_is_no_call():
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    assert (await browser.get("/nowhere")).status == 404
    assert backend.calls == []


class Aging(WatchedBackend):
    """Tells whatever time is left."""

    left: float | None = None

    async def load(self, session_id):
        data = await super().load(session_id)
        return LoadedSession(data, expires_in=self.left) if self.left is not None else dict(data)


@pytest.mark.parametrize(
    ("left", "calls"),
    [
        (1000, ["load"]),
        (901, ["load"]),
        (900, ["load", "touch"]),
        (1, ["load", "touch"]),
        (0, ["load", "touch"]),
        (None, ["load", "touch"]),
    ],
)
async def test_expiry_is_pushed_out_after_a_tenth_of_the_timeout(left, calls):
    backend = Aging()
    browser = await noted(Notes(backend, session_timeout=1000), a=1)
    backend.left = left
    assert (await browser.get("/")).json == {"a": "1"}
    assert backend.calls == calls


async def test_a_change_pushes_expiry_out_by_itself():
    backend = Aging()
    browser = await noted(Notes(backend, session_timeout=1000), a=1)
    backend.left = 1
    await browser.get("/note?b=2")
    assert backend.calls == ["load", "merge"]


async def test_the_backend_is_told_the_timeout():
    timeouts = []

    class Timed(InMemorySessionBackend):
        async def save(self, session_id, data, timeout):
            timeouts.append(timeout)
            await super().save(session_id, data, timeout)

        async def merge(self, session_id, changed, removed, timeout):
            timeouts.append(timeout)
            return await super().merge(session_id, changed, removed, timeout)

    browser = Browser(Notes(Timed(), session_timeout=90))
    await browser.get("/note?a=1")
    await browser.get("/note?a=2")
    assert timeouts == [90, 90]
    await browser.get("/logout")
    assert timeouts == [90, 90, 0]


async def test_a_session_lives_for_eight_hours_if_nothing_else_is_said():
    app = Notes()
    browser = await noted(app, a=1)
    data = await app.session_backend.load(browser.session_id)
    assert 8 * 3600 - 60 < data.expires_in <= 8 * 3600


# What counts as a change.

START = {"list": [3, 1, {"deep": [0]}], "dict": {"a": [1], "b": {"c": 1}}, "n": 1, "t": "x"}

CHANGES = {
    "append": lambda s: s["list"].append(4),
    "in place": lambda s: s["list"].reverse(),
    "dict in list": lambda s: s["list"][2]["deep"].append(1),
    "list in dict": lambda s: s["dict"]["a"].append(2),
    "dict in dict": lambda s: s["dict"]["b"].update(c=2),
    "del inside": lambda s: s["dict"].pop("b"),
    "setdefault": lambda s: s.setdefault("new", {}),
    "setdefault inside": lambda s: s.setdefault("list", []).append(0),
    "update": lambda s: s.update(n=2, more=[]),
    "pop": lambda s: s.pop("n"),
    "popitem": lambda s: s.popitem(),
    "del": lambda s: s.__delitem__("t"),
    "ior": lambda s: s.__ior__({"n": 3, "k": None}),
    "int to bool": lambda s: s.update(n=True),
    "int to float": lambda s: s.update(n=1.0),
    "to null": lambda s: s.update(t=None),
    "to text": lambda s: s.update(n="1"),
    "to the JSON of it": lambda s: s.update(list='[3,1,{"deep":[0]}]'),
    "remove and add": lambda s: (s.pop("n"), s.update(n=2)),
    "swap": lambda s: s.update(n=s["t"], t=s["n"]),
}


class Changing(App):
    def __init__(self, backend, change):
        super().__init__(backend)
        self._apply = [change]  # in a list: a function would become a handler

    async def start(self):
        self.session.update(copy.deepcopy(START))

    async def apply(self):
        self._apply[0](self.session)
        return {"session": dict(self.session)}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
async def test_a_change_however_deep_is_stored(change):
    backend = WatchedBackend()
    app = Changing(backend, change)
    browser = Browser(app)
    await browser.get("/start")
    backend.calls.clear()
    expected = (await browser.get("/apply")).json["session"]
    assert backend.calls == ["load", "merge"]
    stored = await backend.stored(browser.session_id)
    assert stored == expected
    assert {k: type(v) for k, v in stored.items()} == {k: type(v) for k, v in expected.items()}


UNCHANGED = {
    "reading": lambda s: [*s.items(), s.get("nothing"), s["list"][2]["deep"]],
    "setting the same": lambda s: s.update(START),
    "there and back": lambda s: (s["list"].append(1), s["list"].pop()),
    "removing and adding": lambda s: s.update(n=s.pop("n")),
    "setdefault": lambda s: s.setdefault("n", 5),
    "copying": lambda s: s.copy().update(n=2),
    "pop with default": lambda s: s.pop("nothing", None),
}


@pytest.mark.parametrize("change", UNCHANGED.values(), ids=list(UNCHANGED))
async def test_what_leaves_the_session_as_it_was_stores_nothing(change):
    backend = WatchedBackend()
    browser = Browser(Changing(backend, change))
    await browser.get("/start")
    backend.calls.clear()
    assert (await browser.get("/apply")).status == 200
    assert backend.calls == ["load"]


async def test_only_the_keys_that_changed_are_merged():
    merged = []

    class Telling(InMemorySessionBackend):
        async def merge(self, session_id, changed, removed, timeout):
            merged.append((changed, set(removed)))
            return await super().merge(session_id, changed, removed, timeout)

    def change(session):
        session["dict"]["b"]["c"] = 9
        session["fresh"] = 1
        del session["t"]

    browser = Browser(Changing(Telling(), change))
    await browser.get("/start")
    await browser.get("/apply")
    assert merged == [({"dict": {"a": [1], "b": {"c": 9}}, "fresh": 1}, {"t"})]


@pytest.mark.parametrize("of", ["app", "request"])
async def test_the_session_can_be_updated_by_an_operator(of):
    class Operator(App):
        async def index(self):
            if of == "app":
                self.session |= {"a": 1}
            else:
                self.request.session |= {"a": 1}
            return self.session

    app = Operator()
    browser = Browser(app)
    assert (await browser.get("/")).json == {"a": 1}
    assert await app.session_backend.load(browser.session_id) == {"a": 1}


@pytest.mark.parametrize("of", ["app", "request"])
async def test_assigning_a_session_starts_a_new_one(of):
    class Assigning(Notes):
        async def assign(self, **values):
            if of == "app":
                self.session = values
            else:
                self.request.session = values

    app = Assigning()
    browser = await noted(app, a=1, b=2)
    old = browser.clone()
    await browser.get("/assign?c=3")
    assert (await browser.get("/")).json == {"c": "3"}
    assert browser.session_id != old.session_id
    assert (await old.get("/")).json == {}
    await browser.get("/assign")
    assert browser.session_id is None


async def test_assigning_what_is_no_mapping_changes_nothing(logged):
    class Wrong(Notes):
        async def assign(self):
            try:
                self.session = 5
            except TypeError:
                return "refused"

    browser = await noted(Wrong(), a=1)
    assert (await browser.get("/assign")).text == "refused"
    assert (await browser.get("/")).json == {"a": "1"}


# Values that are no JSON.


class Opaque:
    def __repr__(self):
        return "secret"


BAD = {
    "datetime": (datetime(2030, 1, 1), "datetime"),
    "set": ({1}, "set"),
    "tuple": ((1, 2), "tuple"),
    "bytes": (b"x", "bytes"),
    "decimal": (Decimal(1), "Decimal"),
    "object": (Opaque(), "Opaque"),
    "deep": ([{"a": [Opaque()]}], "Opaque"),
    "key inside": ({1: "a"}, "int as a key"),
    "nan": (math.nan, "nan"),
    "infinity": ([math.inf], "inf"),
    "surrogate": ("\ud800", "surrogate"),
    "deep surrogate": (["\ud800"], "surrogates not allowed"),
}


@pytest.mark.parametrize(("value", "told"), BAD.values(), ids=list(BAD))
@pytest.mark.parametrize("known", [False, True])
async def test_a_value_that_is_no_json_is_a_500_and_stores_nothing(value, told, known, logged):
    class Careless(Notes):
        async def spoil(self):
            self.session["good"] = 1
            self.session["when"] = value
            self.session.pop("a", None)
            return "done"

    backend = WatchedBackend()
    app = Careless(backend)
    browser = await noted(app, a=1) if known else Browser(app)
    answer = await browser.get("/spoil")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert set_cookies(answer) == []
    record = one_error(logged)
    message = str(record.exc_info[1])
    assert "session['when']" in message
    assert told in message
    assert "secret" not in message
    assert record.exc_info[0] in (TypeError, ValueError)
    assert "spoil" in record.getMessage()
    assert await backend.stored(browser.session_id) == ({"a": "1"} if known else {})
    assert "merge" not in backend.calls
    assert "save" not in backend.calls


async def test_a_value_that_contains_itself_is_a_500(logged):
    class Endless(App):
        async def index(self):
            self.session["loop"] = loop = []
            loop.append(loop)

    assert (await Client(Endless()).get("/")).status == 500
    assert "session['loop']" in str(one_error(logged).exc_info[1])


@pytest.mark.parametrize("key", [1, None, ("a",), b"a"])
async def test_a_key_that_is_no_text_is_a_500(key, logged):
    class Careless(App):
        async def index(self):
            self.session[key] = 1

    assert (await Client(Careless()).get("/")).status == 500
    assert f"key of type {type(key).__name__}" in str(one_error(logged).exc_info[1])


async def test_a_key_with_a_lone_surrogate_is_a_500(logged):
    class Careless(App):
        async def index(self):
            self.session["\ud800"] = 1

    backend = WatchedBackend()
    answer = await Client(Careless(backend)).get("/")
    assert answer.status == 500
    assert backend.calls == []
    assert "surrogate" in str(one_error(logged).exc_info[1])


# Which requests store.


class Outcomes(Notes):
    async def raising(self):
        self.session["a"] = "changed"
        raise RuntimeError("broken")

    async def unsendable(self):
        self.session["a"] = "changed"
        return object()

    async def bad_header(self):
        self.session["a"] = "changed"
        return 200, "x", {"X": "a\r\nb"}

    async def raising_stream(self):
        self.session["a"] = "changed"
        raise RuntimeError("broken before its first chunk")
        yield "never"

    async def error(self, status: int):
        self.session["a"] = "changed"
        raise HTTPError(status)

    async def status(self, status: int):
        self.session["a"] = "changed"
        return status, "x"

    async def nothing(self):
        self.session["a"] = "changed"

    async def away(self):
        self.session["a"] = "changed"
        return self._redirect("/")

    async def stream(self):
        self.session["a"] = "changed"
        yield "one"
        yield "two"

    def sync_stream(self):
        self.session["a"] = "changed"
        yield "one"

    async def returned_stream(self):
        self.session["a"] = "changed"

        async def chunks():
            yield "one"

        return chunks()


@pytest.mark.parametrize("url", ["/raising", "/unsendable", "/bad_header", "/raising_stream"])
@pytest.mark.parametrize("known", [False, True])
async def test_a_handler_that_fails_stores_nothing(url, known, logged):
    backend = WatchedBackend()
    app = Outcomes(backend)
    browser = await noted(app, a=1) if known else Browser(app)
    answer = await browser.get(url)
    assert answer.status == 500
    assert set_cookies(answer) == []
    assert backend.calls == (["load"] if known else [])
    assert (await browser.get("/")).json == ({"a": "1"} if known else {})
    assert one_error(logged)


@pytest.mark.parametrize(
    "url",
    [
        *("/error/400", "/error/404", "/error/503", "/status/200", "/status/404", "/status/500"),
        *("/nothing", "/away", "/stream", "/sync_stream", "/returned_stream", "/status/304"),
    ],
)
@pytest.mark.parametrize("known", [False, True])
async def test_every_other_answer_stores(url, known):
    app = Outcomes()
    browser = await noted(app, a=1) if known else Browser(app)
    await browser.get(url)
    assert (await browser.get("/")).json == {"a": "changed"}


class Hooks(HttpMiddleware):
    """Counts in the session, before and after; answers itself, or fails, on demand."""

    def __init__(self, answer=None, error=None):
        self.answer = answer
        self.error = error
        self.seen = []

    async def before_request(self, request):
        request.session["before"] = request.session.get("before", 0) + 1
        return self.answer

    async def after_request(self, request, status_code, response_body, extra_headers):
        self.seen.append(dict(request.session))
        request.session["after"] = request.session.get("after", 0) + 1
        if self.error is not None:
            raise self.error


async def test_hooks_can_read_and_write_the_session():
    app = Notes()
    hooks = Hooks()
    app.middlewares.append(hooks)
    browser = Browser(app)
    await browser.get("/note?a=1")
    assert (await browser.get("/")).json == {"before": 2, "a": "1", "after": 1}
    assert hooks.seen[1] == {"before": 2, "a": "1", "after": 1}
    assert (await browser.get("/")).json == {"before": 3, "a": "1", "after": 2}


async def test_hooks_and_the_app_mean_the_same_session():
    app = Notes()

    class Reading(HttpMiddleware):
        async def before_request(self, request):
            assert app.request is request
            assert app.session is request.session
            app.session["hook"] = 1

    app.middlewares.append(Reading())
    browser = Browser(app)
    await browser.get("/ignore")
    assert (await browser.get("/")).json == {"hook": 1}


@pytest.mark.parametrize("url", ["/note?a=1", "/nowhere"])
async def test_an_answer_of_a_hook_stores(url):
    app = Notes()
    app.middlewares.append(Hooks({"status_code": 403, "body": "no"}))
    browser = Browser(app)
    assert (await browser.get(url)).status == 403
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 1, "after": 1}


async def test_hooks_store_with_a_404_too():
    app = Notes()
    app.middlewares.append(Hooks())
    browser = Browser(app)
    assert (await browser.get("/nowhere")).status == 404
    assert (await browser.get("/nowhere")).status == 404
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 2, "after": 2}


async def test_an_http_error_of_a_hook_stores():
    app = Notes()
    app.middlewares.append(Hooks(error=HTTPError(403)))
    browser = Browser(app)
    assert (await browser.get("/note?a=1")).status == 403
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"before": 1, "a": "1", "after": 1}


async def test_a_hook_that_fails_stores_nothing(logged):
    app = Notes()
    app.middlewares.append(Hooks(error=RuntimeError("broken")))
    browser = Browser(app)
    assert (await browser.get("/note?a=1")).status == 500
    assert browser.cookies == {}
    assert one_error(logged)


async def test_after_a_handler_that_failed_a_hook_can_store_nothing(logged):
    app = Outcomes()
    browser = await noted(app, a=1)
    app.middlewares.append(Hooks())
    assert (await browser.get("/raising")).status == 500
    app.middlewares.clear()
    assert (await browser.get("/")).json == {"a": "1"}
    assert one_error(logged)


# Vary.


@pytest.mark.parametrize(
    ("url", "varies"), [("/", True), ("/note?a=1", True), ("/logout", True), ("/ignore", False)]
)
@pytest.mark.parametrize("known", [False, True])
async def test_what_used_the_session_varies_by_cookie(url, varies, known):
    app = Notes()
    browser = await noted(app, b=1) if known else Browser(app)
    assert varies_by_cookie(await browser.get(url)) is varies


@pytest.mark.parametrize("url", ["/stream", "/nothing", "/away", "/error/404", "/status/304"])
async def test_every_kind_of_answer_varies_by_cookie(url):
    assert varies_by_cookie(await Client(Outcomes()).get(url))
    assert varies_by_cookie(await Client(Outcomes()).head("/nothing"))


async def test_an_error_page_varies_by_cookie(logged):
    assert varies_by_cookie(await Client(Outcomes()).get("/raising"))
    assert one_error(logged)


async def test_a_session_that_only_a_hook_read_varies_by_cookie():
    class Reading(HttpMiddleware):
        async def after_request(self, request, *response):
            request.session.get("user")

    app = Notes()
    app.middlewares.append(Reading())
    assert varies_by_cookie(await Client(app).get("/ignore"))


@pytest.mark.parametrize("own", ["Accept-Encoding", "Accept, Cookie", "*"])
async def test_a_vary_of_the_handlers_own_stays(own):
    class Varying(App):
        async def index(self):
            return 200, str(len(self.session)), {"Vary": own}

    answer = await Client(Varying()).get("/")
    values = ", ".join(value for name, value in answer.headers if name == "vary")
    assert own in values
    assert varies_by_cookie(answer)


# A store that fails.


async def answer_of(browser, url, status, logged):
    answer = await browser.get(url)
    assert answer.status == status
    assert answer.text.startswith("503 Service Unavailable")
    assert "today" not in answer.text
    assert set_cookies(answer) == []
    assert isinstance(one_error(logged).exc_info[1], Exception)
    assert "today" in str(one_error(logged).exc_info[1])


@pytest.mark.parametrize("url", ["/", "/note?a=2", "/ignore", "/logout"])
async def test_a_failing_load_is_a_503(url, logged):
    called = []
    backend = WatchedBackend()

    class Called(Notes):
        async def ignore(self):
            called.append("ignore")

    browser = await noted(Called(backend), a=1)
    backend.failing = {"load"}
    await answer_of(browser, url, 503, logged)
    assert backend.calls == ["load"]
    assert called == []
    backend.failing = set()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_store_that_stays_away_is_a_line_of_the_log_for_each_request(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for method, url in (("load", "/"), ("merge", "/note?a=2")):
        backend.failing = {method}
        for _ in range(3):
            assert (await browser.get(url)).status == 503
    lines = [record.getMessage() for record in logged]
    assert [line.partition("WatchedBackend: ")[2] for line in lines] == [
        *3 * ["ConnectionError: no load today"],
        *3 * ["ConnectionError: no merge today"],
    ]
    # Dozens of lines, which say the same each time.
    assert [record.exc_info is not None for record in logged] == [True, *5 * [False]]


async def test_a_failing_load_is_no_matter_for_those_without_a_session():
    backend = WatchedBackend()
    backend.failing = {"load"}
    assert (await Client(Notes(backend)).get("/")).json == {}


async def test_a_failing_save_is_a_503(logged):
    backend = WatchedBackend()
    backend.failing = {"save"}
    browser = Browser(Notes(backend))
    await answer_of(browser, "/note?a=1", 503, logged)
    assert browser.cookies == {}


async def test_a_failing_merge_is_a_503_and_nothing_is_half_done(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"merge"}
    await answer_of(browser, "/note?a=2&b=3", 503, logged)
    assert await backend.stored(browser.session_id) == {"a": "1"}
    backend.failing = set()
    await browser.get("/note?b=3")
    assert (await browser.get("/")).json == {"a": "1", "b": "3"}


async def test_a_failing_logout_is_a_503_and_keeps_the_cookie(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"save"}
    await answer_of(browser, "/logout", 503, logged)
    backend.failing = set()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_store_that_fails_under_a_stream_is_a_503(logged):
    closed = []

    class Streaming(App):
        async def index(self):
            self.session["a"] = 1
            try:
                yield "one"
                yield "two"
            finally:
                closed.append(True)

    backend = WatchedBackend()
    backend.failing = {"save"}
    await answer_of(Browser(Streaming(backend)), "/", 503, logged)
    assert closed == [True]


async def test_hooks_run_once_when_storing_fails(logged):
    backend = WatchedBackend()
    app = Notes(backend)
    hooks = Hooks()
    app.middlewares.append(hooks)
    backend.failing = {"save"}
    await answer_of(Browser(app), "/note?a=1", 503, logged)
    assert len(hooks.seen) == 1
    assert backend.calls == ["save"]


async def test_a_failing_touch_is_logged_and_the_request_goes_on(logged):
    backend = Aging()
    browser = await noted(Notes(backend), a=1)
    backend.failing = {"touch"}
    answer = await browser.get("/")
    assert (answer.status, answer.json) == (200, {"a": "1"})
    assert backend.calls == ["load", "touch"]
    record = one_error(logged)
    assert "kept alive" in record.getMessage()
    assert "no touch today" in str(record.exc_info[1])


@pytest.mark.parametrize("error", [TimeoutError(), HTTPError(418), KeyError("x"), OSError(5)])
async def test_whatever_a_backend_raises_is_a_503(error, logged):
    class Broken(ReadmeBackend):
        async def load(self, session_id):
            raise error

    answer = await Browser(Notes(Broken()), {"session_id": "x"}).get("/")
    assert answer.status == 503
    assert one_error(logged).exc_info[1] is error


async def test_an_id_never_gets_into_the_log(logged):
    backend = WatchedBackend()
    browser = await noted(Notes(backend), a=1)
    for method, url in (("load", "/"), ("merge", "/note?a=2"), ("save", "/logout")):
        backend.failing = {method}
        await browser.get(url)
    assert len(logged) == 3
    for record in logged:
        assert browser.session_id not in record.getMessage()


# Stored before the first byte.


def recording(app, events):
    """Note the messages that *app* sends among *events*."""

    async def recorded(scope, receive, send):
        async def noting(message):
            events.append(message["type"].removeprefix("http.response."))
            await send(message)

        await app(scope, receive, noting)

    return recorded


@pytest.mark.parametrize("url", ["/nothing", "/stream", "/sync_stream", "/error/404", "/away"])
async def test_the_session_is_stored_before_the_first_byte(url):
    backend = WatchedBackend()
    app = Outcomes(backend)
    browser = Browser(app)
    browser.client.app = recording(app, backend.calls)
    await browser.get(url)
    assert backend.calls[:2] == ["save", "start"]
    backend.calls.clear()
    await browser.get("/note?b=1")
    assert backend.calls == ["load", "merge", "start", "body"]


async def test_nothing_is_sent_while_the_store_is_slow():
    backend = WatchedBackend()
    backend.gates["save"] = asyncio.Event()
    async with Client(Outcomes(backend)).open("GET", "/stream") as exchange:
        await backend.arrived["save"].wait()
        assert exchange.messages == []
        backend.gates["save"].set()
        assert (await exchange.finish()).text == "onetwo"


class LateStream(Notes):
    async def late(self):
        yield "one"
        self.session["late"] = 1
        yield "two"

    async def late_logout(self):
        yield "one"
        self.session.clear()

    async def late_regeneration(self):
        yield "one"
        self.request.regenerate_session()

    async def late_object(self):
        yield "one"
        self.session["late"] = object()

    async def unused(self):
        yield "one"
        self.session.get("late")


@pytest.mark.parametrize("url", ["/late", "/late_logout", "/late_regeneration", "/late_object"])
async def test_a_change_after_the_response_began_is_logged(url, logged):
    backend = WatchedBackend()
    browser = await noted(LateStream(backend), a=1)
    answer = await browser.get(url)
    assert (answer.status, answer.error, answer.complete) == (200, None, True)
    message = one_error(logged).getMessage()
    assert "after its response had begun" in message
    assert url.strip("/") in message
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_reading_the_session_after_the_response_began_is_fine():
    browser = await noted(LateStream(), a=1)
    assert (await browser.get("/unused")).text == "one"


async def test_a_regeneration_without_a_session_leaves_nothing_to_store_after_a_stream():
    class Streaming(App):
        async def index(self):
            self.request.regenerate_session()
            yield "one"

    assert (await Client(Streaming()).get("/")).text == "one"


async def test_a_stream_that_fails_midway_has_stored_before(logged):
    class Breaking(Notes):
        async def stream(self):
            self.session["a"] = 1
            yield "one"
            raise RuntimeError("midway")

    app = Breaking()
    browser = Browser(app)
    assert (await browser.get("/stream")).error is not None
    assert one_error(logged)
    assert (await browser.get("/")).json == {"a": 1}


# Backends of other kinds.


async def test_a_backend_of_two_methods_works():
    backend = ReadmeBackend()
    browser = await noted(Notes(backend), a=1, b=2)
    assert (await browser.get("/")).json == {"a": "1", "b": "2"}
    await browser.get("/note?a=3")
    assert (await browser.get("/")).json == {"a": "3", "b": "2"}
    assert backend.sessions == {browser.session_id: {"a": "3", "b": "2"}}
    old = browser.clone()
    await browser.get("/logout")
    assert browser.session_id is None
    assert (await old.get("/")).json == {}


async def test_a_backend_that_keeps_the_objects_it_is_given_still_stores_deep_changes():
    backend = ReadmeBackend()
    app = Changing(backend, lambda session: session["dict"]["a"].append(2))
    browser = Browser(app)
    await browser.get("/start")
    backend.calls.clear()
    await browser.get("/apply")
    assert "save" in backend.calls
    assert backend.sessions[browser.session_id]["dict"]["a"] == [1, 2]


async def test_a_backend_that_returns_none_has_no_such_session():
    class Nothing(ReadmeBackend):
        async def load(self, session_id):
            return None

    assert (await Browser(Notes(Nothing()), {"session_id": "x"}).get("/")).json == {}


async def test_a_loaded_session_of_a_class_that_says_nothing_of_expiry():
    class Silent(LoadedSession):
        def __init__(self, data):
            dict.__init__(self, data)

    class Backend(ReadmeBackend):
        async def load(self, session_id):
            return Silent(await super().load(session_id))

    backend = Backend()
    browser = await noted(Notes(backend), a=1)
    assert (await browser.get("/")).json == {"a": "1"}
    assert backend.calls == ["load", "load", "save"]  # touched: it can't tell


class Versions(ReadmeBackend):
    """Gives each state of a session a version, and keeps those that come back to `merge`."""

    def __init__(self):
        super().__init__()
        self.merged = []

    async def load(self, session_id):
        data = await super().load(session_id)
        return LoadedSession(data, version=("version", len(data))) if data else {}

    async def merge(self, session_id, changed, removed, timeout):
        self.merged.append((dict(changed), changed.version))
        return await super().merge(session_id, changed, removed, timeout)


async def test_the_version_that_was_loaded_comes_back_with_the_changes():
    backend = Versions()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?b=2")
    await browser.get("/note?c=3")
    assert backend.merged == [({"b": "2"}, ("version", 1)), ({"c": "3"}, ("version", 2))]


async def test_changes_of_a_session_without_a_version_have_none():
    class Unversioned(Versions):
        async def load(self, session_id):
            return dict(await super().load(session_id))

    backend = Unversioned()
    browser = await noted(Notes(backend), a=1)
    await browser.get("/note?b=2")
    assert backend.merged == [({"b": "2"}, None)]


async def test_a_backend_can_be_assigned():
    app = Notes()
    first = app.session_backend
    assert isinstance(first, InMemorySessionBackend)
    backend = app.session_backend = WatchedBackend()
    browser = Browser(app)
    await browser.get("/note?a=1")
    assert app.session_backend is backend
    assert await backend.stored(browser.session_id) == {"a": "1"}
    assert await first.load(browser.session_id) == {}


async def test_two_apps_with_one_backend_share_its_sessions():
    backend = InMemorySessionBackend()
    browser = await noted(Notes(backend), a=1)
    other = Browser(Notes(session_backend=backend), browser.cookies)
    assert (await other.get("/")).json == {"a": "1"}


async def test_apps_do_not_share_sessions_by_default():
    browser = await noted(Notes(), a=1)
    assert (await Browser(Notes(), browser.cookies).get("/")).json == {}


async def test_a_backend_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        SessionBackend()


# The session of any scope.


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_the_session_of_a_scope_is_merged_when_the_block_ends(kind):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1, b=2)
    scope = _scope(browser, kind)
    async with app.session_for(scope) as session:
        assert session == {"a": "1", "b": "2"}
        session["c"] = 3
        del session["b"]
        await backend.merge(browser.session_id, {"d": 4}, [], 100)
        backend.calls.clear()
    assert backend.calls == ["merge"]
    assert await backend.stored(browser.session_id) == {"a": "1", "c": 3, "d": 4}


def _scope(browser, kind="http"):
    headers = {"Cookie": f"session_id={browser.session_id}"} if browser.session_id else {}
    return browser.client.scope("GET", "/", headers, type=kind)


async def test_a_block_that_only_reads_stores_nothing():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    async with app.session_for(_scope(browser)) as session:
        assert session["a"] == "1"
    assert backend.calls == ["load"]


@pytest.mark.parametrize("error", [RuntimeError, HTTPError(400), asyncio.CancelledError])
async def test_a_block_that_raises_stores_nothing(error):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)

    async def change():
        async with app.session_for(_scope(browser)) as session:
            session["a"] = "changed"
            raise error

    with pytest.raises(error if isinstance(error, type) else HTTPError):
        await change()
    assert backend.calls == ["load"]
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_a_block_can_log_out():
    app = Notes()
    browser = await noted(app, a=1)
    async with app.session_for(_scope(browser)) as session:
        session.clear()
    assert (await browser.get("/")).json == {}


async def test_a_block_cannot_bring_back_a_session_that_was_logged_out():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    old_id = browser.session_id
    async with app.session_for(_scope(browser)) as session:
        session["b"] = 2
        await browser.get("/logout")
    assert await backend.stored(old_id) == {}


async def test_a_block_cannot_start_a_session():
    backend = WatchedBackend()
    app = Notes(backend)
    for browser in (Browser(app), Browser(app, {"session_id": "unknown"})):
        with pytest.raises(RuntimeError, match="start the session in an HTTP handler"):
            async with app.session_for(_scope(browser)) as session:
                session["a"] = 1
    assert backend.calls == ["load"]


async def test_a_block_cannot_start_a_session_in_place_of_one_that_it_cleared():
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)

    async def start_anew():
        async with app.session_for(_scope(browser)) as session:
            session.clear()
            session["b"] = 1

    with pytest.raises(RuntimeError, match="start the session in an HTTP handler"):
        await start_anew()
    assert backend.calls == ["load"]
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_a_block_without_a_session_reads_an_empty_one():
    app = Notes()
    async with app.session_for(_scope(Browser(app))) as session:
        assert session == {}


async def test_a_value_of_a_block_that_is_no_json_is_told():
    app = Notes()
    browser = await noted(app, a=1)
    with pytest.raises(TypeError, match=r"session\['when'\] holds a datetime"):
        async with app.session_for(_scope(browser)) as session:
            session["when"] = datetime(2030, 1, 1)
    assert (await browser.get("/")).json == {"a": "1"}


@pytest.mark.parametrize("method", ["load", "merge"])
async def test_a_store_that_fails_a_block_is_a_503(method, logged):
    backend = WatchedBackend()
    app = Notes(backend)
    browser = await noted(app, a=1)
    backend.failing = {method}
    with pytest.raises(HTTPError) as raised:
        async with app.session_for(_scope(browser)) as session:
            session["b"] = 2
    assert raised.value.status_code == 503
    assert one_error(logged)
