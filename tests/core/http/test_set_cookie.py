"""Cookies of one's own: request.set_cookie and delete_cookie."""

import pytest

from micropie import App, ASGIResponse, HTTPError, HttpMiddleware
from support.asgi import Client
from support.sessions import set_cookies

pytestmark = pytest.mark.anyio


def app_of(**cookie):
    class Site(App):
        async def index(self):
            self.request.set_cookie(**{"name": "theme", "value": "dark"} | cookie)
            return "hello"

    return Site()


async def header(scheme="http", **cookie):
    answer = await Client(app_of(**cookie), scheme=scheme).get("/")
    assert answer.status == 200
    (value,) = [value for name, value in answer.headers if name == "set-cookie"]
    return value


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ({}, "theme=dark; Path=/; HttpOnly; SameSite=Lax"),
        ({"value": ""}, "theme=; Path=/; HttpOnly; SameSite=Lax"),
        ({"max_age": 60}, "theme=dark; Path=/; HttpOnly; SameSite=Lax; Max-Age=60"),
        ({"path": "/a b"}, "theme=dark; Path=/a b; HttpOnly; SameSite=Lax"),
        (
            {"domain": "pie.example"},
            "theme=dark; Path=/; Domain=pie.example; HttpOnly; SameSite=Lax",
        ),
        ({"secure": True}, "theme=dark; Path=/; Secure; HttpOnly; SameSite=Lax"),
        ({"httponly": False, "samesite": "Strict"}, "theme=dark; Path=/; SameSite=Strict"),
        ({"samesite": "None"}, "theme=dark; Path=/; Secure; HttpOnly; SameSite=None"),
        ({"partitioned": True}, "theme=dark; Path=/; Secure; HttpOnly; SameSite=Lax; Partitioned"),
        ({"name": "__Host-a"}, "__Host-a=dark; Path=/; Secure; HttpOnly; SameSite=Lax"),
        (
            {"name": "__Secure-a", "path": "/a"},
            "__Secure-a=dark; Path=/a; Secure; HttpOnly; SameSite=Lax",
        ),
    ],
)
async def test_a_cookie_says_what_was_asked_for(cookie, expected):
    assert await header(**cookie) == expected


@pytest.mark.parametrize(("secure", "is_secure"), [("auto", True), (True, True), (False, False)])
async def test_over_https_it_is_secure_unless_told_otherwise(secure, is_secure):
    assert ("Secure" in await header("https", secure=secure)) == is_secure


@pytest.mark.parametrize(
    "cookie",
    [
        *({"name": name} for name in ("", "a b", "a=b", "a;b", "\u00e4", "a\n", None, b"a")),
        *(
            {"value": value}
            for value in ("a b", "a;b", "a,b", 'a"b', "a\\b", "\u00e4", "\n", 1, None)
        ),
        {"value": "x" * 4092},
        *({"path": path} for path in ("", "a", "/;", "/\n", "/" * 1025, None)),
        *({"domain": domain} for domain in ("", "a;b", "\n", 1, "b:80", "http://b", "b/c")),
        *({"secure": secure} for secure in ("yes", None)),
        *({"samesite": samesite} for samesite in ("lax", None, "")),
        *({"max_age": age} for age in (-1, 400 * 86400 + 1, 1.5, "60", True)),
        {"samesite": "None", "secure": False},
        {"partitioned": True, "secure": False},
        {"name": "__Secure-a", "secure": False},
        {"name": "__host-a", "secure": False},
        {"name": "__Host-a", "path": "/a"},
        {"name": "__Host-a", "domain": "pie.example"},
    ],
    ids=repr,
)
async def test_what_browsers_would_drop_is_an_error(cookie, logged):
    answer = await Client(app_of(**cookie)).get("/")
    assert (answer.status, set_cookies(answer)) == (500, [])
    assert isinstance(logged[0].exc_info[1], ValueError | TypeError)


async def test_the_longest_is_4096_bytes_with_its_name():
    assert len(await header(value="x" * 4091)) > 4096


async def test_the_last_of_a_name_counts_and_others_stay():
    class Site(App):
        async def index(self):
            self.request.set_cookie("a", "1")
            self.request.set_cookie("b", "1")
            self.request.set_cookie("a", "2", path="/x")

    cookies = set_cookies(await Client(Site()).get("/"))
    assert [(cookie["name"], cookie["value"]) for cookie in cookies] == [("a", "2"), ("b", "1")]


@pytest.mark.parametrize("attributes", [{}, {"path": "/a", "domain": "pie.example"}])
async def test_a_cookie_is_deleted_where_it_was_set(attributes):
    class Site(App):
        async def index(self):
            self.request.set_cookie("a", "1")
            self.request.delete_cookie("a", **attributes)
            self.request.delete_cookie("__Host-b", partitioned=True)

    first, second = set_cookies(await Client(Site()).get("/"))
    assert (first["value"], first["Max-Age"]) == ("", "0")
    assert first["Path"] == attributes.get("path", "/")
    assert first.get("Domain") == attributes.get("domain")
    assert {"Secure", "Partitioned"} <= second.keys()


# Whatever the response is


async def page(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"page"})


class Kinds(App):
    async def text(self):
        return self._set("text")

    async def json(self):
        return {"set": self._set("json")}

    async def nothing(self):
        self._set("nothing")

    def sync(self):
        return self._set("sync")

    async def redirect(self):
        self._set("redirect")
        return self._redirect("/")

    async def refuse(self):
        self._set("refuse")
        raise HTTPError(403)

    async def fail(self):
        self._set("fail")
        raise RuntimeError("broken")

    async def stream(self):
        self._set("stream")
        yield "chunk"

    async def handed(self):
        self._set("handed")
        return ASGIResponse(page)

    async def both(self):
        self.session["a"] = 1
        return self._set("both")

    def _set(self, value):
        self.request.set_cookie("kind", value)
        return value


KINDS = ["text", "json", "nothing", "sync", "redirect", "refuse", "fail", "both"]
STREAMED = ["stream", "handed"]


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *((kind, "HEAD") for kind in KINDS),
        *((kind, "GET") for kind in (*KINDS, "stream", "handed")),
    ],
)
async def test_every_kind_of_response_carries_it(kind, method, logged):
    answer = await Client(Kinds()).request(method, f"/{kind}")
    cookies = {cookie["name"]: cookie["value"] for cookie in set_cookies(answer)}
    assert cookies.pop("kind") == kind
    assert list(cookies) == (["session_id"] if kind == "both" else [])


@pytest.mark.parametrize("url", ["/text", "/nowhere", "/fail", "/stream", "/page", "/child/text"])
@pytest.mark.parametrize("hook", ["before", "short", "after"])
async def test_hooks_set_cookies_of_any_response(url, hook, logged):
    class Hook(HttpMiddleware):
        async def before_request(self, request):
            if hook != "after":
                request.set_cookie("hook", hook)
            return {"body": "short"} if hook == "short" else None

        async def after_request(self, request, status_code, response_body, extra_headers):
            if hook == "after":
                request.set_cookie("hook", hook)

    app = Kinds()
    app.mount("/page", page)
    app.mount("/child", Kinds())
    app.middlewares.append(Hook())
    cookies = {
        cookie["name"]: cookie["value"] for cookie in set_cookies(await Client(app).get(url))
    }
    assert cookies["hook"] == hook


async def test_after_the_head_it_is_too_late(logged):
    class Late(App):
        async def stream(self):
            yield "begun"
            try:
                self.request.set_cookie("late", "1")
            except RuntimeError as error:
                yield str(error)

    answer = await Client(Late()).get("/stream")
    assert "too late" in answer.text
    assert set_cookies(answer) == []


async def test_the_cookie_of_the_session_is_not_ones_own(logged):
    app = app_of(name="session_id")
    answer = await Client(app).get("/")
    assert (answer.status, set_cookies(answer)) == (500, [])
    assert "session's cookie" in str(logged[0].exc_info[1])
