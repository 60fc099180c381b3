"""What counts as a change of a session."""

import pytest

from micropie import App, InMemorySessionBackend
from support.notes import START, Changing, Notes, noted
from support.sessions import Browser, WatchedBackend

pytestmark = pytest.mark.anyio

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
