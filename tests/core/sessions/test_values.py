"""A session is a dict that stays, and holds JSON values."""

import asyncio
import math
from datetime import datetime
from decimal import Decimal

import pytest

from micropie import App, Session
from support.asgi import Client
from support.notes import Notes, noted, one_error
from support.sessions import Browser, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio

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
