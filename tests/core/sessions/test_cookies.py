"""The cookie of a session, and what a client may send in its place."""

import pytest

from micropie import App, HttpMiddleware, InMemorySessionBackend, SessionBackend
from support.asgi import Client
from support.notes import Notes
from support.sessions import LONG, Browser, ReadmeBackend, Shop, WatchedBackend, set_cookies

pytestmark = pytest.mark.anyio


class Jar(Notes):
    async def drop(self, name):
        del self.session[name]

    async def cookies(self):
        return self.request.cookies


async def cookie_of(app, **scope):
    (cookie,) = set_cookies(await Client(app, **scope).get("/note?a=1"))
    return cookie


# The options, and their effect.


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("session_backend", {}),
        ("session_backend", InMemorySessionBackend),
        ("session_backend", "redis://"),
        ("session_timeout", 0),
        ("session_timeout", -1),
        ("session_timeout", 0.5),
        ("session_timeout", float("nan")),
        ("session_timeout", float("inf")),
        ("session_timeout", 400 * 86400 + 1),
        ("session_timeout", "3600"),
        ("session_timeout", None),
        ("session_timeout", True),
        ("session_cookie", ""),
        ("session_cookie", "a b"),
        ("session_cookie", "a=b"),
        ("session_cookie", "a;b"),
        ("session_cookie", "sid\r\n"),
        ("session_cookie", "sitzung-ü"),
        ("session_cookie", None),
        ("session_cookie", b"sid"),
        ("session_cookie_secure", "yes"),
        ("session_cookie_secure", None),
        ("session_cookie_secure", 2),
        ("session_cookie_samesite", "lax"),
        ("session_cookie_samesite", None),
        ("session_cookie_samesite", "Sometimes"),
        ("session_cookie_samesite", ["Lax"]),
        ("session_cookie_domain", ""),
        ("session_cookie_domain", "a;b"),
        ("session_cookie_domain", "example.com\r\nX: y"),
        ("session_cookie_domain", 5),
        ("session_cookie_domain", "https://example.com"),
        ("session_cookie_path", ""),
        ("session_cookie_path", "/a;b"),
        ("session_cookie_path", "/a\n"),
        ("session_cookie_path", 5),
        ("session_cookie_path", None),
        ("session_cookie_path", "app"),
    ],
)
def test_a_wrong_session_option_is_refused_by_name(option, value):
    with pytest.raises((TypeError, ValueError), match=rf"\b{option}\b"):
        App(**{option: value})


def test_a_cookie_for_all_sites_must_be_secure():
    with pytest.raises(ValueError, match=r"session_cookie_samesite.*session_cookie_secure"):
        App(session_cookie_samesite="None", session_cookie_secure=False)


@pytest.mark.parametrize(
    "options",
    [
        {"session_cookie": "__Host-id", "session_cookie_domain": "example.com"},
        {"session_cookie": "__Host-id", "session_cookie_path": "/app"},
        {"session_cookie": "__Host-id", "session_cookie_secure": False},
        {"session_cookie": "__Secure-id", "session_cookie_secure": False},
    ],
)
def test_a_cookie_that_no_browser_takes_by_its_name_is_refused(options):
    with pytest.raises(ValueError, match=r"^session_cookie '__"):
        App(**options)


def test_a_cookie_may_be_tied_to_its_host_by_its_name():
    App(session_cookie="__Host-id")
    App(session_cookie="__Secure-id", session_cookie_domain="example.com")


def test_a_wrong_backend_is_refused_when_it_is_assigned_too():
    app = App()
    backend = app.session_backend
    with pytest.raises(TypeError, match="session_backend must be a SessionBackend"):
        app.session_backend = {}
    assert app.session_backend is backend


def test_a_backend_must_implement_load_and_save():
    class Half(SessionBackend):
        async def load(self, session_id):
            return {}

    with pytest.raises(TypeError, match="save"):
        Half()


async def test_the_cookie_is_for_this_host_and_not_for_scripts():
    cookie = await cookie_of(Jar())
    assert len(cookie.pop("value")) >= 43  # 256 bits in base64
    assert cookie == {"name": "session_id", "Path": "/", "HttpOnly": "", "SameSite": "Lax"}


async def test_the_cookie_is_as_configured():
    app = Jar(
        session_cookie="__Secure-sid",
        session_cookie_secure=True,
        session_cookie_samesite="Strict",
        session_cookie_domain="example.com",
        session_cookie_path="/shop",
    )
    cookie = await cookie_of(app)
    assert cookie.pop("value")
    assert cookie == {
        "name": "__Secure-sid",
        "Path": "/shop",
        "Domain": "example.com",
        "Secure": "",
        "HttpOnly": "",
        "SameSite": "Strict",
    }


@pytest.mark.parametrize(
    ("secure", "scheme", "expected"),
    [
        ("auto", "http", False),
        ("auto", "https", True),
        (True, "http", True),
        (True, "https", True),
        (False, "http", False),
        (False, "https", False),
    ],
)
async def test_the_cookie_is_secure_as_configured_and_by_scheme(secure, scheme, expected):
    cookie = await cookie_of(Jar(session_cookie_secure=secure), scheme=scheme)
    assert ("Secure" in cookie) is expected


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_cookie_for_all_sites_is_always_secure(scheme):
    cookie = await cookie_of(Jar(session_cookie_samesite="None"), scheme=scheme)
    assert "Secure" in cookie
    assert cookie["SameSite"] == "None"


async def test_a_renamed_cookie_is_the_one_that_counts():
    browser = Browser(Jar(session_cookie="sid"))
    await browser.get("/note?a=1")
    assert list(browser.cookies) == ["sid"]
    assert (await browser.get("/")).json == {"a": "1"}
    other = Browser(browser.client.app, {"session_id": browser.cookies["sid"]})
    assert (await other.get("/")).json == {}


async def test_the_cookie_is_set_once_and_not_with_every_response():
    browser = Browser(Jar())
    assert len(set_cookies(await browser.get("/note?a=1"))) == 1
    for url in ("/", "/note?a=2", "/note?b=1", "/cookies", "/nowhere"):
        assert set_cookies(await browser.get(url)) == []


@pytest.mark.parametrize("urls", [["/logout"], ["/drop/a", "/drop/b"]])
async def test_the_cookie_expires_when_the_session_is_emptied(urls):
    app = Jar(session_cookie_domain="example.com", session_cookie_path="/x", session_cookie="sid")
    browser = Browser(app, scheme="https")
    await browser.get("/note?a=1&b=2")
    for url in urls:
        answer = await browser.get(url)
    # A browser forgets a cookie only if name, path and domain are those it was set with.
    assert set_cookies(answer) == [
        {
            "name": "sid",
            "value": "",
            "Path": "/x",
            "Domain": "example.com",
            "Secure": "",
            "HttpOnly": "",
            "SameSite": "Lax",
            "Max-Age": "0",
        }
    ]
    assert browser.cookies == {}


async def test_other_cookies_of_the_response_stay():
    class Baker(App):
        async def index(self):
            self.session["a"] = 1
            return 200, "ok", [("Set-Cookie", "one=1"), ("Set-Cookie", "two=2")]

    names = [cookie["name"] for cookie in set_cookies(await Client(Baker()).get("/"))]
    assert sorted(names) == ["one", "session_id", "two"]


# What clients send.


async def test_ids_are_long_and_never_the_same():
    app = Jar()
    ids = set()
    for _ in range(50):
        browser = Browser(app)
        await browser.get("/note?a=1")
        ids.add(browser.session_id)
    assert len(ids) == 50
    assert all(len(session_id) >= 43 for session_id in ids)


@pytest.mark.parametrize(
    "forged",
    ["0" * 43, "guess", "session", "../../etc/passwd", "a" * 256, "%00", "ü", '"', "'; DROP--"],
)
async def test_an_unknown_id_is_never_adopted(forged):
    backend = WatchedBackend()
    browser = Browser(Jar(backend), {"session_id": forged})
    assert (await browser.get("/")).json == {}
    await browser.get("/note?a=1")
    assert browser.session_id != forged
    assert await backend.stored(forged) == {}
    assert await backend.stored(browser.session_id) == {"a": "1"}


async def test_an_id_given_to_a_victim_before_login_is_of_no_use():
    app = Jar()
    victim = Browser(app, {"session_id": "chosen-by-the-attacker"})
    await victim.get("/note?user=victim")
    attacker = Browser(app, {"session_id": "chosen-by-the-attacker"})
    assert (await attacker.get("/")).json == {}


async def test_an_id_that_was_logged_out_is_never_adopted():
    browser = Browser(Jar())
    await browser.get("/note?a=1")
    old = browser.clone()
    await browser.get("/logout")
    assert (await old.get("/")).json == {}
    logged_out = old.session_id
    await old.get("/note?b=2")
    assert old.session_id != logged_out
    assert (await old.get("/")).json == {"b": "2"}


@pytest.mark.parametrize("size", [257, 5_000, 60_000])
async def test_an_id_that_is_none_by_its_length_is_not_looked_up(size):
    backend = WatchedBackend()
    answer = await Browser(Jar(backend), {"session_id": "x" * size}).get("/")
    assert (answer.status, answer.json) == (200, {})
    assert backend.calls == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        ";",
        ";;;===;;",
        "session_id",
        "session_id=",
        'session_id=""',
        "=session_id",
        " = ",
        "Session_Id=abc",
        "session_id[]=abc",
        "x" * 5_000,
        "\xff\xfe=\xff",
    ],
)
async def test_odd_cookies_are_no_session_and_no_backend_call(header):
    backend = WatchedBackend()
    answer = await Client(Jar(backend)).get("/", headers={"Cookie": header})
    assert (answer.status, answer.json) == (200, {})
    assert backend.calls == []


@pytest.mark.parametrize(
    "template",
    [
        "session_id={}",
        "a=1; session_id={}; b=2",
        "a=1;session_id={};b=2",
        "broken; ;=x; session_id = {} ;",
        'session_id="{}"',
        "session_id={}; session_id=other",
        "other=" + "x" * 5_000 + "; session_id={}",
    ],
)
async def test_the_session_is_found_among_odd_cookies(template):
    app = Jar()
    browser = Browser(app)
    await browser.get("/note?a=1")
    header = template.format(browser.session_id)
    assert (await Client(app).get("/", headers={"Cookie": header})).json == {"a": "1"}


async def test_of_two_session_cookies_the_first_counts():
    app = Jar()
    one, other = Browser(app), Browser(app)
    await one.get("/note?who=one")
    await other.get("/note?who=other")
    header = f"session_id={one.session_id}; session_id={other.session_id}"
    assert (await Client(app).get("/", headers={"Cookie": header})).json == {"who": "one"}


async def test_cookies_split_over_several_fields_are_all_there():
    app = Jar()
    browser = Browser(app)
    await browser.get("/note?a=1")
    fields = [("cookie", "x=1"), ("cookie", f"session_id={browser.session_id}"), ("cookie", "y=2")]
    client = Client(app)
    assert (await client.get("/", headers=fields, http_version="2")).json == {"a": "1"}
    assert (await client.get("/cookies", headers=fields)).json["y"] == "2"


async def test_the_cookies_of_a_request_by_name():
    header = 'a=1; b="two words"; c=x=y; d; =e; f=; a=2; g = spaced '
    answer = await Client(Jar()).get("/cookies", headers={"Cookie": header})
    expected = {"a": "1", "b": "two words", "c": "x=y", "f": "", "g": "spaced"}
    assert answer.json == expected
    assert App()._parse_cookies(header) == expected


async def test_a_backend_gets_the_id_as_it_was_sent():
    backend = ReadmeBackend()
    backend.sessions['odd/"id"'] = {"a": 1}
    client = Client(Jar(backend))
    assert (await client.get("/", headers={"Cookie": 'session_id=odd/"id"'})).json == {"a": 1}


# Several cookies of the name: of other paths and domains, or left from other settings.


async def given(app, *ids):
    headers = [("Cookie", "; ".join(f"session_id={session_id}" for session_id in ids))]
    return await Client(app).get("/", headers=headers)


@pytest.mark.parametrize(
    "stale", [["stale"], [""], ['""'], ["x" * 300], ["a", "b", "c"], ["a"] * 9]
)
async def test_the_first_cookie_that_names_a_session_counts(stale):
    backend = WatchedBackend()
    await backend.save("live", {"pies": 3}, LONG)
    assert (await given(Shop(backend), *stale, "live", "more")).text == "3"
    assert backend.calls.count("load") <= 4


async def test_of_many_cookies_four_are_tried():
    backend = WatchedBackend()
    await backend.save("live", {"pies": 3}, LONG)
    assert (await given(Shop(backend), *"abcd", "live")).text == "None"
    assert backend.calls.count("load") == 4


async def test_a_login_beside_a_stale_cookie_holds():
    app = Shop(WatchedBackend())
    stale = [("Cookie", "session_id=stale")]
    (cookie,) = set_cookies(await Client(app).get("/buy", headers=stale))
    assert (await given(app, "stale", cookie["value"])).text == "1"


# What caches may do with a response that sets the cookie


class Cached(App):
    async def index(self, control=None, expires=None):
        self.session["seen"] = True
        headers = {"Cache-Control": control} if control else {}
        return 200, "hello", headers | ({"Expires": expires} if expires else {})

    async def stream(self):
        self.session["seen"] = True
        yield "hello"

    async def leave(self):
        self.session.clear()

    async def look(self):
        self.session.get("seen")
        return 200, "hello", {"Cache-Control": "public"}


def cache_control(answer):
    return [value for name, value in answer.headers if name == "cache-control"]


async def test_a_response_that_sets_the_cookie_is_not_stored_by_caches():
    browser = Browser(Cached())
    for url in ("/stream", "/leave", "/"):
        answer = await browser.get(url)
        assert set_cookies(answer)
        assert cache_control(answer) == ["no-store"]
    assert cache_control(await browser.get("/look")) == ["public"]  # sets none


@pytest.mark.parametrize("control", ["private, max-age=60", "no-store", "no-cache", "Private"])
async def test_a_handler_may_say_how_the_browser_stores_it(control, logged):
    answer = await Client(Cached()).get(f"/?control={control}")
    assert cache_control(answer) == [control]
    assert logged == []


@pytest.mark.parametrize("control", ["public", "max-age=60", "Public, s-maxage=5", "immutable"])
async def test_what_lets_shared_caches_store_it_is_replaced_and_the_log_tells_once(control, logged):
    client = Client(Cached())
    for _ in range(2):
        assert cache_control(await client.get(f"/?control={control}")) == ["no-store"]
    (record,) = logged
    assert "index gave Cache-Control" in record.getMessage()


async def test_hooks_and_mounted_apps_do_not_get_around_it(logged):
    class Counting(HttpMiddleware):
        async def before_request(self, request):
            request.session["visits"] = 1

    async def public(scope, receive, send):
        headers = [(b"cache-control", b"max-age=60, public")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"body {}"})

    app = Cached()
    app.mount("/static", public)
    app.middlewares.append(Counting())
    answer = await Client(app).get("/static/a.css")
    assert set_cookies(answer)
    assert cache_control(answer) == ["no-store"]
    assert "'/static/a.css'" in logged[0].getMessage()
