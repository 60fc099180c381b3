"""Sessions of an App, and of the apps that are mounted in it."""

import asyncio

import pytest

from micropie import App, HTTPError, HttpMiddleware, InMemorySessionBackend
from support.asgi import PATIENCE, Client
from support.mounts import Noting, tell
from support.sessions import Browser, WatchedBackend, set_cookies, varies_by_cookie

pytestmark = pytest.mark.anyio


class Notes(App):
    async def index(self):
        return dict(self.session)

    async def note(self, **values):
        self.session.update(values)
        return "noted"

    async def stream(self, **values):
        self.session.update(values)
        yield "noted"

    async def logout(self):
        self.session.clear()

    async def login(self, **values):
        self.session.update(values)
        self.request.regenerate_session()

    async def fail(self, **values):
        self.session.update(values)
        raise RuntimeError("broken")

    async def forbid(self, **values):
        self.session.update(values)
        raise HTTPError(403)

    async def ignore(self):
        return "no session here"


def notes(backend=None, child_backend=None):
    options = {} if child_backend is None else {"session_cookie": "child_id"}
    root, child = Notes(backend), Notes(child_backend, **options)
    root.mount("/child", child)
    return root, child


async def test_a_session_is_shared_both_ways():
    browser = Browser(notes()[0])
    answer = await browser.get("/child/note?a=1")
    assert varies_by_cookie(answer)
    assert len(set_cookies(answer)) == 1
    assert set_cookies(answer)[0]["Path"] == "/"
    assert (await browser.get("/")).json == {"a": "1"}
    await browser.get("/note?b=2")
    assert (await browser.get("/child")).json == {"a": "1", "b": "2"}
    await browser.get("/child/logout")
    assert browser.cookies == {}
    assert (await browser.get("/")).json == {}


async def test_a_shared_session_costs_what_one_costs():
    backend = WatchedBackend()
    root, child = notes(backend)
    browser = Browser(root)
    await browser.get("/child/note?a=1")
    assert backend.calls == ["save"]
    for url, calls in [
        ("/child", ["load"]),
        ("/child/ignore", ["load"]),
        ("/child/note?a=2", ["load", "merge"]),
        ("/child/stream?b=1", ["load", "merge"]),
        ("/child/login?c=1", ["load", "take", "save"]),
        ("/child/logout", ["load", "save"]),
        ("/child", []),
    ]:
        backend.calls.clear()
        await browser.get(url)
        assert backend.calls == calls, url
    assert await child.session_backend.load(browser.session_id or "") == {}


async def test_a_session_is_shared_at_any_depth():
    root, child = notes()
    child.mount("/grand", Notes())
    browser = Browser(root)
    await browser.get("/child/grand/note?a=1")
    assert (await browser.get("/")).json == {"a": "1"}
    assert (await browser.get("/child")).json == {"a": "1"}
    assert (await browser.get("/child/grand")).json == {"a": "1"}


async def test_a_shared_session_is_stored_before_the_first_byte():
    backend = WatchedBackend()
    root, _ = notes(backend)
    backend.gates["save"] = asyncio.Event()
    async with Client(root).open("GET", "/child/stream?a=1") as exchange:
        async with asyncio.timeout(PATIENCE):
            await backend.arrived["save"].wait()
        assert exchange.messages == []
        backend.gates["save"].set()
        assert (await exchange.finish()).text == "noted"


async def test_hooks_of_the_parent_share_the_session_of_the_child():
    seen = []

    class Hook(HttpMiddleware):
        async def before_request(self, request):
            request.session["before"] = 1

        async def after_request(self, request, *response):
            seen.append((dict(request.session), root.session is request.session))
            request.session["after"] = 1

    root, _ = notes()
    root.middlewares.append(Hook())
    browser = Browser(root)
    await browser.get("/child/note?a=1")
    assert seen == [({"before": 1, "a": "1"}, True)]
    assert (await browser.get("/child")).json == {"before": 1, "a": "1", "after": 1}


@pytest.mark.parametrize("path", ["/child/fail?a=2", "/child/grand/fail?a=2"])
async def test_a_child_that_fails_stores_nothing_of_a_shared_session(path, logged):
    class Hook(HttpMiddleware):
        async def after_request(self, request, *response):
            request.session["hook"] = 1

    backend = WatchedBackend()
    root, child = notes(backend)
    child.mount("/grand", Notes())
    browser = Browser(root)
    await browser.get("/note?a=1")
    root.middlewares.append(Hook())
    answer = await browser.get(path)
    assert answer.status == 500
    assert varies_by_cookie(answer)
    assert await backend.stored(browser.session_id) == {"a": "1"}
    assert len(logged) == 1


async def test_an_error_that_a_child_means_to_give_stores():
    root, _ = notes()
    browser = Browser(root)
    assert (await browser.get("/child/forbid?a=1")).status == 403
    assert (await browser.get("/")).json == {"a": "1"}


@pytest.mark.parametrize("path", ["/child/note?a=1", "/note?a=1"])
async def test_an_http_error_of_a_hook_stores_below_a_mount_as_above(path):
    root, _ = notes()
    root.middlewares.append(Noting([], error=HTTPError(403)))
    browser = Browser(root)
    answer = await browser.get(path)
    assert (answer.status, len(set_cookies(answer))) == (403, 1)
    root.middlewares.clear()
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_hook_that_fails_stores_nothing_of_a_shared_session(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    root.middlewares.append(Noting([], error=RuntimeError("broken")))
    answer = await Browser(root).get("/child/note?a=1")
    assert (answer.status, set_cookies(answer), backend.calls) == (500, [], [])
    assert len(logged) == 1


async def test_a_header_that_cannot_be_sent_stores_nothing_of_a_shared_session(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    root.middlewares.append(Noting([], add=("X", "a\r\nb")))
    answer = await Browser(root).get("/child/note?a=1")
    assert (answer.status, set_cookies(answer), backend.calls) == (500, [], [])
    assert len(logged) == 1


async def test_a_store_that_fails_below_a_mount_is_a_503(logged):
    backend = WatchedBackend()
    root, _ = notes(backend)
    seen = []
    root.middlewares.append(Noting(seen))
    browser = Browser(root)
    await browser.get("/note?a=1")
    for path in ("/child/note?a=2", "/child/stream?a=2"):
        backend.calls.clear()
        backend.failing = {"merge"}
        answer = await browser.get(path)
        assert (answer.status, answer.complete) == (503, True)
        assert answer.text == "503 Service Unavailable: the session store is unavailable"
        assert backend.calls == ["load", "merge"]
    assert [event for event in seen if event == "before"] == ["before"] * 3
    assert len([event for event in seen if event != "before"]) == 3
    backend.failing = {"load"}
    assert (await browser.get("/child")).status == 503
    assert len(logged) == 3


async def test_a_value_of_a_child_that_is_no_json_is_a_500(logged):
    class Careless(App):
        async def index(self):
            self.session["when"] = object()
            return "done"

    root = Notes()
    root.mount("/child", Careless())
    answer = await Client(root).get("/child")
    assert (answer.status, answer.text) == (500, "500 Internal Server Error")
    assert len(logged) == 1
    assert "session['when']" in str(logged[0].exc_info[1])


async def test_a_change_of_a_child_after_its_response_began_is_logged_once(logged):
    class Late(App):
        async def late(self):
            yield "one"
            self.session["late"] = 1

    root = Notes()
    root.mount("/child", Late())
    browser = Browser(root)
    assert (await browser.get("/child/late")).text == "one"
    assert len(logged) == 1
    assert "late changed the session after its response had begun" in logged[0].getMessage()


async def test_what_a_child_did_not_look_at_does_not_vary():
    root, _ = notes()
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert not varies_by_cookie(await browser.get("/child/ignore"))


async def test_a_hook_can_use_the_session_in_front_of_a_plain_app():
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = request.session.get("visits", 0) + 1

    root = Notes()
    root.mount("/plain", tell)
    root.middlewares.append(Counting())
    browser = Browser(root)
    for _ in range(3):
        answer = await browser.get("/plain")
        assert varies_by_cookie(answer)
    root.middlewares.clear()
    assert (await browser.get("/")).json == {"visits": 3}


async def test_a_plain_app_without_hooks_costs_no_backend_call():
    backend = WatchedBackend()
    root = Notes(backend)
    root.mount("/plain", tell)
    await Client(root).get("/plain", headers={"Cookie": "session_id=abc"})
    assert backend.calls == []


@pytest.mark.parametrize("assigned", [True, False])
async def test_a_child_with_a_backend_of_its_own_is_independent(assigned):
    backend, own = WatchedBackend(), WatchedBackend()
    root, child = Notes(backend), Notes(None if assigned else own, session_cookie="child_id")
    if assigned:
        child.session_backend = own
    root.mount("/child", child)
    browser = Browser(root)
    await browser.get("/child/note?a=child")
    await browser.get("/note?a=root")
    assert sorted(browser.cookies) == ["child_id", "session_id"]
    assert (await browser.get("/child")).json == {"a": "child"}
    assert (await browser.get("/")).json == {"a": "root"}
    assert await own.stored(browser.cookies["child_id"]) == {"a": "child"}
    assert await backend.stored(browser.cookies["session_id"]) == {"a": "root"}
    backend.calls.clear()
    await browser.get("/child/logout")
    assert list(browser.cookies) == ["session_id"]
    assert backend.calls == []


async def test_a_child_finds_the_shared_session_of_a_scope_too():
    class Scoped(Notes):
        async def scoped(self):
            async with self.session_for(self.request.scope) as session:
                session["scoped"] = 1
                return dict(session)

    root, child = notes()
    child.mount("/grand", Scoped())
    root.mount("/direct", Scoped())
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert (await browser.get("/direct/scoped")).json == {"a": "1", "scoped": 1}
    assert (await browser.get("/child/grand/scoped")).json == {"a": "1", "scoped": 1}
    assert (await browser.get("/")).json == {"a": "1", "scoped": 1}


async def test_the_session_of_a_scope_is_the_own_one_of_an_app_with_a_backend():
    class Scoped(Notes):
        async def scoped(self):
            async with other.session_for(self.request.scope) as session:
                return dict(session)

    other = Notes(WatchedBackend())
    root = Notes()
    root.mount("/child", Scoped())
    browser = Browser(root)
    await browser.get("/note?a=1")
    assert (await browser.get("/child/scoped")).json == {}


async def test_below_a_child_that_shares_one_with_its_own_backend_is_independent():
    backend, own = WatchedBackend(), WatchedBackend()
    root, child = notes(backend)
    child.mount("/grand", Notes(own, session_cookie="grand_id"))
    browser = Browser(root)
    await browser.get("/note?a=root")
    await browser.get("/child/grand/note?a=grand")
    assert (await browser.get("/child/grand")).json == {"a": "grand"}
    assert (await browser.get("/child")).json == {"a": "root"}
    assert await own.stored(browser.cookies["grand_id"]) == {"a": "grand"}


async def test_below_a_child_that_shares_a_foreign_app_gets_no_part_of_it():
    scopes = []

    async def foreign(scope, receive, send):
        scopes.append(scope)
        await tell(scope, receive, send)

    root, child = notes()
    child.mount("/foreign", foreign)
    await Client(root).get("/child/foreign")
    # Where its parents are is no secret, and hooks keep their values for whatever is mounted.
    ours = {key for key in scopes[0] if key.startswith("micropie")}
    assert ours == {"micropie.root_paths", "micropie.state"}


async def test_an_independent_child_that_fails_leaves_the_parents_session(logged):
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = request.session.get("visits", 0) + 1

    backend = WatchedBackend()
    root, _ = notes(backend, WatchedBackend())
    root.middlewares.append(Counting())
    browser = Browser(root)
    assert (await browser.get("/child/fail?a=1")).status == 500
    assert await backend.stored(browser.session_id) == {"visits": 1}
    assert len(logged) == 1


async def test_an_app_that_is_not_mounted_shares_nothing():
    root, child = notes()
    browser = Browser(root)
    await browser.get("/note?a=1")
    alone = Browser(child, browser.cookies)
    assert (await alone.get("/")).json == {}
    await alone.get("/note?b=1")
    assert (await alone.get("/")).json == {"b": "1"}
    assert (await browser.get("/")).json == {"a": "1"}


async def test_a_logout_in_the_child_beats_a_slower_request_of_the_parent():
    arrived, go_on = asyncio.Event(), asyncio.Event()

    class Slow(Notes):
        async def slow(self):
            arrived.set()
            await go_on.wait()
            self.session["slow"] = 1

    root = Slow()
    root.mount("/child", Notes())
    browser = Browser(root)
    await browser.get("/note?a=1")
    old = browser.clone()
    task = asyncio.create_task(old.get("/slow"))
    async with asyncio.timeout(PATIENCE):
        await arrived.wait()
    await browser.get("/child/logout")
    go_on.set()
    assert set_cookies(await task) == []
    assert (await old.get("/")).json == {}


async def test_a_hundred_requests_in_parent_and_child_lose_nothing():
    together = asyncio.Barrier(100)

    class Crowd(Notes):
        async def put(self, key):
            async with asyncio.timeout(PATIENCE):
                await together.wait()
            self.session[key] = 1

    root = Crowd()
    root.mount("/child", Crowd())
    browser = Browser(root)
    await browser.get("/note?a=1")
    await asyncio.gather(
        *(browser.get(f"{'/child' * (n % 2)}/put/k{n}") for n in range(100)),
    )
    assert len((await browser.get("/")).json) == 101


# Whose cookie it is


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"session_cookie_samesite": "Strict", "session_timeout": 60},
        {"session_cookie_domain": None, "session_cookie_path": "/"},
    ],
)
async def test_two_apps_may_not_keep_one_cookie_in_two_backends(options):
    root, child = Notes(), Notes(InMemorySessionBackend(), **options)
    with pytest.raises(ValueError, match="'session_id'"):
        root.mount("/child", child)
    assert root.mounts == {}
    root.mount("/child", Notes())  # nothing is in the way of another


@pytest.mark.parametrize(
    "options",
    [
        {"session_cookie": "child_id"},
        {"session_cookie_path": "/child"},
        {"session_cookie_domain": "shop.example"},
    ],
)
async def test_cookies_that_browsers_tell_apart_may_be_kept_in_two_backends(options):
    root = Notes()
    root.mount("/child", Notes(InMemorySessionBackend(), **options))
    assert list(root.mounts) == ["/child"]


async def test_apps_further_down_and_side_by_side_are_looked_at_too():
    root, middle = Notes(session_cookie="root_id"), Notes(session_cookie="middle_id")
    middle.mount("/own", Notes(InMemorySessionBackend(), session_cookie="own_id"))
    root.mount("/middle", middle)
    with pytest.raises(ValueError, match="'own_id'"):
        root.mount("/other", Notes(InMemorySessionBackend(), session_cookie="own_id"))
    with pytest.raises(ValueError, match="'root_id'"):
        root.mount("/other", Notes(InMemorySessionBackend(), session_cookie="root_id"))


async def test_a_backend_assigned_later_is_looked_at_too():
    backend = InMemorySessionBackend()
    root = Notes(backend)
    root.mount("/child", Notes(backend))
    with pytest.raises(ValueError, match="'session_id'"):
        root.session_backend = InMemorySessionBackend()


async def test_one_backend_object_for_both_is_one_session():
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = request.session.get("visits", 0) + 1

    backend = WatchedBackend()
    root, _ = notes(backend)
    root.mount("/same", Notes(backend))
    root.middlewares.append(Counting())
    browser = Browser(root)
    answer = await browser.get("/same/note?a=1")
    assert len(set_cookies(answer)) == 1
    assert backend.calls == ["save"]
    assert (await browser.get("/same")).json == {"a": "1", "visits": 2}
    assert (await browser.get("/child")).json == {"a": "1", "visits": 3}


async def test_a_child_below_a_path_of_its_own_finds_its_cookie_among_those_of_its_parent():
    root, own = Notes(), WatchedBackend()
    root.mount("/child", Notes(own, session_cookie_path="/child"))
    client = Client(root)

    async def visit(url, *cookies):
        headers = [("Cookie", "; ".join(f"session_id={cookie}" for cookie in cookies))]
        return await client.get(url, headers=headers)

    (ours,) = set_cookies(await visit("/note?a=root"))
    (theirs,) = set_cookies(await visit("/child/note?a=child", ours["value"]))
    both = theirs["value"], ours["value"]
    assert (await visit("/child", *both)).json == {"a": "child"}
    assert (await visit("/", ours["value"])).json == {"a": "root"}


async def test_a_backend_that_is_assigned_to_a_mounted_app_is_refused_and_changes_nothing():
    root, child = notes()
    own = child.session_backend
    with pytest.raises(ValueError, match="two Apps"):
        child.session_backend = WatchedBackend()
    assert child.session_backend is own
    browser = Browser(root)
    await browser.get("/child/note?a=1")
    assert (await browser.get("/")).json == {"a": "1"}  # the session is shared as before
