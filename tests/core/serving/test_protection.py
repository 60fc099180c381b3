"""Hooks that protect visitors: CrossOriginProtection, SecurityHeaders, and the state they use."""

import logging

import pytest

from micropie import App, CrossOriginProtection, HTTPError, HttpMiddleware, SecurityHeaders, allow
from support.asgi import Client

pytestmark = pytest.mark.anyio

HOST = "pies.example"
OWN = f"https://{HOST}"
OTHER = "https://evil.example"


class Site(App):
    def __init__(self, trusted=(), **options):
        super().__init__(**options)
        self.changes = 0
        self.middlewares.append(CrossOriginProtection(trusted))

    async def index(self):
        self.changes += 1
        self.session["changes"] = self.changes
        return "changed"


async def status(method="POST", site=None, origin=None, *, host=HOST, trusted=()):
    """Return the status of a request as a browser sends it; a refusal must have changed nothing."""
    headers = [("Host", host)] if host is not None else []
    headers += [
        ("Sec-Fetch-Site", value) for value in ([site] if isinstance(site, str) else site or [])
    ]
    headers += [
        ("Origin", value) for value in ([origin] if isinstance(origin, str) else origin or [])
    ]
    app = Site(trusted)
    answer = await Client(app).request(method, "/", headers=headers)
    assert (answer.status == 403) == (app.changes == 0)
    assert (answer.status == 403) == (answer.header("Set-Cookie") is None)
    return answer.status


# What is not trusted otherwise: (Sec-Fetch-Site, Origin) and whether it gets in.
@pytest.mark.parametrize(
    ("site", "origin", "is_let_in"),
    [
        ("same-origin", None, True),
        ("same-origin", OWN, True),
        ("none", None, True),  # typed, or a bookmark
        ("cross-site", None, False),
        ("cross-site", OTHER, False),
        ("same-site", "https://blog.pies.example", False),
        # What the browser says in Sec-Fetch-Site counts before anything else.
        ("cross-site", OWN, False),
        ("same-origin", OTHER, True),
        ("same-origin", "null", True),
        ("sideways", OWN, False),
        ("Same-Origin", OWN, False),
        (["same-origin", "cross-site"], OWN, False),
        (["same-origin", "same-origin"], OWN, False),
        # Browsers from before 2023, and plain http.
        (None, None, True),  # no browser
        (None, OWN, True),
        (None, f"http://{HOST}", True),
        (None, OWN.upper(), True),
        (None, OTHER, False),
        (None, f"{OWN}:8443", False),
        (None, f"https://{HOST}.evil.example", False),
        (None, f"https://evil.example/{HOST}", False),
        (None, f"https://{HOST}@evil.example", False),
        (None, HOST, False),
        (None, "null", False),
        (None, "https://", False),
        (None, [OWN, OTHER], False),
        (None, [OWN, OWN], False),
        ("", OTHER, False),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "FROB"])
async def test_what_may_change_something_gets_in_from_pages_of_this_origin_only(
    method, site, origin, is_let_in
):
    assert (await status(method, site, origin) == 200) == is_let_in


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "sideways"])
async def test_what_only_reads_gets_in_from_everywhere(method, site):
    assert await status(method, site, OTHER) == 200


@pytest.mark.parametrize("host", ["", None])
@pytest.mark.parametrize("origin", ["null", "https://", OTHER])
async def test_a_request_that_names_no_host_matches_no_origin(host, origin):
    assert await status(origin=origin, host=host) == 403


async def test_a_port_that_both_name_is_part_of_the_host():
    assert await status(origin="http://localhost:8000", host="localhost:8000") == 200
    assert await status(origin="http://localhost:9000", host="localhost:8000") == 403
    assert await status(origin="http://[::1]:8000", host="[::1]:8000") == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
async def test_pages_of_trusted_origins_may_send_what_they_like(site):
    trusted = ["https://login.example", "http://Localhost:3000"]
    assert await status(site=site, origin="https://login.example", trusted=trusted) == 200
    assert await status(site=site, origin="http://localhost:3000", trusted=trusted) == 200
    assert await status(site=site, origin="http://login.example", trusted=trusted) == 403
    assert await status(site=site, origin="https://login.example.evil", trusted=trusted) == 403
    assert await status(site=site, origin="null", trusted=trusted) == 403


@pytest.mark.parametrize(
    "trusted", [["null"], ["login.example"], ["https://a.example/path"], ["*"], [""], [b"x"], [7]]
)
def test_a_trusted_origin_that_is_none_is_refused_at_once(trusted):
    with pytest.raises(ValueError, match="trusted"):
        CrossOriginProtection(trusted)


@pytest.mark.parametrize("trusted", ["https://login.example", b"https://a.example", 7, None])
def test_trusted_is_a_list_of_origins(trusted):
    with pytest.raises((TypeError, ValueError), match="trusted"):
        CrossOriginProtection(trusted)


async def test_a_refusal_says_why_and_is_seen_by_the_hooks_outside(caplog):
    class Pages(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            return {"body": f"our page for {status_code}"}

    app = Site()
    headers = [("Host", HOST), ("Sec-Fetch-Site", "cross-site")]
    with caplog.at_level(logging.INFO):
        answer = await Client(app).post("/", headers=headers)
        assert answer.text == "403 Forbidden: this was sent by a page of another site"
        app.middlewares.insert(0, Pages())
        assert (await Client(app).post("/", headers=headers)).text == "our page for 403"
    assert not caplog.records  # an attacker doesn't fill the log


async def test_mounted_apps_are_protected_too():
    part = Site()
    part.middlewares.clear()
    site = Site()
    site.mount("/part", part)
    headers = [("Host", HOST), ("Sec-Fetch-Site", "cross-site")]
    assert (await Client(site).post("/part/", headers=headers)).status == 403
    assert part.changes == 0


# SecurityHeaders.


class Headed(App):
    def __init__(self, hook=None):
        super().__init__()
        self.middlewares.append(hook or SecurityHeaders())

    async def index(self):
        return "hello"

    async def own(self):
        return 200, "hello", {"content-security-policy": "default-src *"}

    async def fails(self):
        raise HTTPError(418)

    async def breaks(self):
        raise RuntimeError

    @allow("POST")
    async def change(self):
        return "changed"

    async def nonce(self):
        return self.request.state.csp_nonce


@pytest.mark.parametrize("path", ["/", "/own", "/fails", "/breaks", "/change", "/nowhere"])
async def test_every_response_has_each_of_the_headers_once(path, logged):
    answer = await Client(Headed()).get(path)
    policy = answer.header("Content-Security-Policy")
    assert policy == ("default-src *" if path == "/own" else SecurityHeaders.POLICY)
    assert answer.header("X-Content-Type-Options") == "nosniff"
    assert answer.header("Referrer-Policy") == "same-origin"


class Outer(HttpMiddleware):
    def __init__(self, error):
        self.error = error

    async def after_request(self, request, status_code, response_body, extra_headers):
        raise self.error


@pytest.mark.parametrize(("error", "status"), [(HTTPError(418), 418), (KeyError(), 500)])
async def test_an_error_of_a_hook_further_out_has_the_headers_too(error, status, logged):
    app = Headed(Outer(error))
    app.middlewares.append(SecurityHeaders())
    answer = await Client(app).get("/own")
    assert answer.status == status
    assert answer.header("Content-Security-Policy") == SecurityHeaders.POLICY
    assert answer.header("Referrer-Policy") == "same-origin"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Content-Length", "1"), ("Transfer-Encoding", "chunked")], 400),
        ([("Content-Length", "0"), *[("X-Many", "1")] * 1000], 431),
    ],
)
async def test_a_request_that_is_refused_for_its_head_gets_the_headers_too(headers, status):
    answer = await Client(Headed()).get("/", headers=headers)
    assert answer.status == status
    assert answer.header("Content-Security-Policy") == SecurityHeaders.POLICY


async def test_the_headers_of_a_mounted_app_stay_its_own():
    async def other(scope, receive, send):
        headers = [(b"content-security-policy", b"sandbox"), (b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    app = Headed()
    app.mount("/other", other)
    answer = await Client(app).get("/other/")
    assert answer.header("Content-Security-Policy") == "sandbox"
    assert answer.header("X-Content-Type-Options") == "nosniff"


async def test_each_request_has_a_nonce_of_its_own():
    app = Headed(SecurityHeaders("script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'"))
    nonces = set()
    for _ in range(20):
        answer = await Client(app).get("/nonce")
        nonces.add(answer.text)
        policy = f"script-src 'nonce-{answer.text}'; style-src 'nonce-{answer.text}'"
        assert answer.header("Content-Security-Policy") == policy
    assert len(nonces) == 20


async def test_a_policy_without_a_nonce_makes_none(logged):
    assert (await Client(Headed()).get("/nonce")).status == 500


# request.state, which both may use.


async def test_hooks_keep_what_they_like_in_the_state_of_a_request():
    seen = []

    class Guard(HttpMiddleware):
        async def before_request(self, request):
            assert not vars(request.state)
            request.state.user = "Ada"

        async def after_request(self, request, status_code, response_body, extra_headers):
            seen.append(request.state.user)

    class Part(App):
        async def index(self):
            user = self.request.state.user
            self.request.state.user = "Grace"
            return user

    site = Part()
    site.middlewares.append(Guard())
    site.mount("/part", Part())
    for path in ("/", "/part/"):
        assert (await Client(site).get(path)).text == "Ada"
    assert seen == ["Grace", "Grace"]


async def test_a_mounted_app_that_is_the_first_to_use_the_state_shares_it():
    seen = []

    class Reader(HttpMiddleware):
        async def after_request(self, request, status_code, response_body, extra_headers):
            seen.append(vars(request.state))

    class Part(App):
        async def index(self):
            self.request.state.user = "Grace"
            return ""

    class Site(App):
        pass

    site = Site()
    site.middlewares.append(Reader())
    site.mount("/part", Part())
    await Client(site).get("/part/")
    assert seen == [{"user": "Grace"}]
